"""What a charge must carry: one good key and a payment that makes sense, or a named refusal."""

from uuid import UUID

import pytest

from tests.services.payment.payment_service import AMOUNT, Replica, new_order


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ([], "idempotency-key-missing"),
        ([b""], "idempotency-key-invalid"),
        ([b"x" * 15], "idempotency-key-invalid"),
        ([b"x" * 256], "idempotency-key-invalid"),
        ([b"a-key-with-a\x01control"], "idempotency-key-invalid"),
        ([b"a key with some blanks"], "idempotency-key-invalid"),
        ([b"a-first-key-of-two-keys", b"a-second-key-of-two-keys"], "idempotency-key-invalid"),
    ],
)
async def test_a_bad_key_is_named_and_charges_nothing(
    payments: Replica, keys: list[bytes], code: str
):
    answer = await payments.http.post(
        "/payments",
        json={"order_id": str(new_order()), "amount_minor": 1, "currency": "EUR"},
        headers=[(b"Idempotency-Key", key) for key in keys],
    )
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert 'rel="describedby"' in answer.headers["link"]
    assert await payments.eyes.fetchval("SELECT count(*) FROM payments.payments") == 0


@pytest.mark.parametrize("length", [16, 255])
async def test_keys_of_the_allowed_lengths_are_taken(payments: Replica, length: int):
    assert (await payments.charge(new_order(), key="k" * length)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", 0),
        ("amount_minor", -1),
        ("amount_minor", 99.99),
        ("amount_minor", 1.0),
        ("amount_minor", 2**53 + 1),
        ("amount_minor", 2**63),
        ("amount_minor", "9999"),
        ("amount_minor", True),
        ("amount_minor", None),
        ("currency", "eur"),
        ("currency", "XXX"),
        ("currency", "EURO"),
        ("currency", ""),
        ("order_id", "not-a-uuid"),
        ("order_id", 7),
        ("surprise", 1),
    ],
)
async def test_a_payment_that_makes_no_sense_is_refused(
    payments: Replica, field: str, value: object
):
    body = {"order_id": str(new_order()), "amount_minor": 1, "currency": "EUR", field: value}
    answer = await payments.http.post(
        "/payments", json=body, headers={"Idempotency-Key": "a-key-of-good-length"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "validation")
    assert answer.json()["details"][0]["pointer"] == f"/{field}"
    assert await payments.eyes.fetchval("SELECT count(*) FROM payments.payments") == 0


@pytest.mark.parametrize(("amount", "currency"), [(1, "JPY"), (2**53, "EUR"), (9_999, "BHD")])
async def test_amounts_are_kept_to_the_last_minor_unit(
    payments: Replica, amount: int, currency: str
):
    order_id = new_order()
    answer = await payments.charge(order_id, amount, currency)
    assert answer.status_code == 201
    assert (answer.json()["amount_minor"], answer.json()["currency"]) == (amount, currency)
    assert await payments.ledger(order_id) == {"cap": amount}


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
