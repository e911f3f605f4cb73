"""PostgreSQL without room on its disk: refused as not done, said in health, and nothing is lost."""

import pytest

from tests.harness.full_disk import full_disk
from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _health(shop: Shop, service: str) -> tuple[str, str]:
    found = (await shop.door(service).get("/health")).json()
    return found["status"], found["dependencies"]["database"]


async def test_an_order_that_cannot_be_stored_is_refused_as_not_done(shop: Shop):
    async with full_disk(shop.eyes, ["orders.orders"]), shop.unchanged():
        answer = await shop.place(key="a-key-for-a-full-disk")
        assert_problem(answer, 503, "database-full")
        assert answer.headers["x-valerix-executed"] == "no"
        assert await _health(shop, "order") == ("degraded", "full")
    assert (await shop.place(key="a-key-for-a-full-disk")).status_code == 201


@pytest.mark.parametrize(
    "table", ["inventory.reservations", "payments.payments", "gateway.charges", "payments.ledger"]
)
async def test_an_order_that_was_stored_waits_for_room_and_is_finished(shop: Shop, table: str):
    async with full_disk(shop.eyes, [table]):
        answer = await shop.place()
        assert answer.status_code == 202, answer.text
    order = await shop.settled(answer.json()["order_id"], within_s=30)
    assert order["status"] in ("CONFIRMED", "FAILED")


async def test_an_answer_that_cannot_be_kept_is_not_given(shop: Shop):
    key = "a-key-whose-answer-has-no-room"
    async with full_disk(shop.eyes, ["orders.idempotency"], when="UPDATE"):
        answer = await shop.place(key=key)
    assert_problem(answer, 500, "outcome-unknown")
    order_id = answer.json()["details"]["order_id"]
    assert answer.headers["location"] == f"/orders/{order_id}"
    # The request that claimed the key has ended, though it could not say so there.
    unlock = "UPDATE orders.idempotency SET locked_until = now() WHERE key = $1"
    await shop.eyes.execute(unlock, key)
    first = await shop.place(key=key)
    # Whoever asks again gets one answer, and then that one for ever.
    assert first.json()["order_id"] == order_id
    assert (await shop.place(key=key)).content == first.content
