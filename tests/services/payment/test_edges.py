"""What a charge may carry at the edges of what is allowed."""

from uuid import UUID

import pytest

from tests.services.payment.payment_service import AMOUNT, Replica, new_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("length", [16, 255])
async def test_keys_of_the_allowed_lengths_are_taken(payments: Replica, length: int):
    assert (await payments.charge(new_order(), key="k" * length)).status_code == 201


@pytest.mark.parametrize(("amount", "currency"), [(1, "JPY"), (2**53, "EUR"), (9_999, "BHD")])
async def test_amounts_are_kept_to_the_last_minor_unit(
    payments: Replica, amount: int, currency: str
):
    order_id = new_order()
    answer = await payments.charge(order_id, amount, currency)
    assert answer.status_code == 201
    assert (answer.json()["amount_minor"], answer.json()["currency"]) == (amount, currency)
    assert await payments.ledger(order_id) == {"capture": amount}


async def test_an_order_id_may_be_written_in_any_case(payments: Replica):
    order_id = new_order()
    first = await payments.charge(order_id)
    shouted = await payments.http.post(
        "/payments",
        json={"order_id": str(order_id).upper(), "amount_minor": AMOUNT, "currency": "EUR"},
        headers={"Idempotency-Key": f"charge-{order_id}"},
    )
    assert (shouted.status_code, shouted.content) == (201, first.content)
    assert UUID(shouted.json()["order_id"]) == order_id
