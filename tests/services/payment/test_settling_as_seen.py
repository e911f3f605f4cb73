"""An outcome for a payment that was seen before: one statement where it still stands so, and under
its lock where it moved meanwhile, before or while the statement waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from chassis.database.pool import Connection
from gateways import Captured, Declined
from services.payment import charging, settlement, store
from services.payment.domain import AttemptId, Charge, Payment
from services.payment.outcomes import GatewayResult, Silence
from services.payment.store import PaymentMove
from tests.services.payment.payment_service import AMOUNT, Replica, new_order, payment_of, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAPTURED, DECLINED = Captured(AMOUNT, "EUR"), Declined("insufficient_funds")
# What another driver does meanwhile: to the attempt and the payment.
SILENCE = PaymentMove(attempt_to="UNKNOWN", detail="no answer")
CAPTURE = PaymentMove(attempt_to="SUCCEEDED", payment_to="SUCCEEDED")
CANCEL = PaymentMove(payment_to="CANCELLING", cancel_reason="BY_CUSTOMER", cancelled_by="hand")
MEANWHILE = [
    pytest.param(SILENCE, CAPTURED, ("SUCCEEDED", "SUCCEEDED", False, 1), id="doubt"),
    pytest.param(SILENCE, DECLINED, ("FAILED", "FAILED", False, 0), id="doubt, and a no"),
    pytest.param(CAPTURE, CAPTURED, ("SUCCEEDED", "SUCCEEDED", False, 1), id="the same"),
    pytest.param(CAPTURE, DECLINED, ("SUCCEEDED", "SUCCEEDED", True, 1), id="the contrary"),
    pytest.param(CANCEL, CAPTURED, ("REFUND_PENDING", "SUCCEEDED", False, 1), id="a cancel"),
    pytest.param(CANCEL, DECLINED, ("FAILED", "FAILED", False, 0), id="a cancel, and a no"),
]


async def _opened(payments: Replica) -> Payment:
    order_id = new_order()
    command = Charge(
        payment_id=payment_of(order_id), order_id=order_id, amount_minor=AMOUNT, currency="EUR",
        idempotency_key=f"charge-{order_id}", request_hash=b"", made_by="hand",
    )  # fmt: skip
    opened = await charging._open(payments.context, command)  # noqa: SLF001 - before anybody is asked
    assert opened is not None
    return opened


async def _settle(payments: Replica, seen: Payment, outcome: GatewayResult) -> Payment:
    return await settlement.settle(
        payments.context.database,
        payments.context.metrics,
        AttemptId(seen.payment_id, 1, 1),
        outcome,
        grace_s=60.0,
        seen=seen,
    )


@asynccontextmanager
async def _another(payments: Replica, seen: Payment, step: PaymentMove) -> AsyncIterator[None]:
    """Another driver's transaction, open until the block ends."""
    async with payments.context.database.begin() as tx:
        await store.lock(tx, seen.payment_id)
        await _move(tx, seen, step)
        yield


async def _move(tx: Connection, seen: Payment, step: PaymentMove) -> None:
    lines: Any = ()
    if step.attempt_to == "SUCCEEDED":
        lines = settlement.outcomes.outcome_effect(seen, seen.attempt, CAPTURED).lines
    attempt = AttemptId(seen.payment_id, 1, 1) if step.attempt_to else None
    moves = {field: getattr(step, field) for field in step.__struct_fields__}
    await store.move(
        tx, seen, PaymentMove(**{**moves, "attempt": attempt, "lines": lines}), grace_s=60.0
    )


async def _found(eyes: asyncpg.Connection, seen: Payment) -> tuple[Any, ...]:
    row = await eyes.fetchrow(
        "SELECT p.state, a.state AS attempt, p.needs_review,"
        " (SELECT count(*) FROM payments.ledger l WHERE l.payment_id = p.payment_id"
        " AND account = 'gateway_clearing') AS captures"
        " FROM payments.payments p JOIN payments.attempts a USING (payment_id)"
        " WHERE payment_id = $1",
        seen.payment_id,
    )
    return tuple(row)


async def test_where_nothing_moved_nobody_asks_for_the_lock_first(
    payments: Replica, monkeypatch: pytest.MonkeyPatch
):
    seen = await _opened(payments)
    monkeypatch.delattr(store, "lock")
    after = await _settle(payments, seen, CAPTURED)
    assert await _found(payments.eyes, seen) == ("SUCCEEDED", "SUCCEEDED", False, 1)
    async with payments.context.database.connect() as c:
        assert after == await store.find(c, seen.payment_id)


@pytest.mark.parametrize(("step", "outcome", "found"), MEANWHILE)
async def test_what_moved_before_is_seen(
    payments: Replica, step: PaymentMove, outcome: GatewayResult, found: tuple[Any, ...]
):
    seen = await _opened(payments)
    async with _another(payments, seen, step):
        pass
    await _settle(payments, seen, outcome)
    assert await _found(payments.eyes, seen) == found


@pytest.mark.parametrize(("step", "outcome", "found"), MEANWHILE)
async def test_what_moves_while_it_waits_is_seen(
    payments: Replica, step: PaymentMove, outcome: GatewayResult, found: tuple[Any, ...]
):
    seen = await _opened(payments)

    async def waits() -> bool:
        waiting: bool = await payments.eyes.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock')"
        )
        return waiting

    async with _another(payments, seen, step):
        settling = asyncio.create_task(_settle(payments, seen, outcome))
        await until(waits)
    await settling
    assert await _found(payments.eyes, seen) == found


async def test_a_silence_leaves_the_payment_to_whoever_asks_next(payments: Replica):
    seen = await _opened(payments)
    await _settle(payments, seen, Silence("no answer"))
    assert await _found(payments.eyes, seen) == ("PROCESSING", "UNKNOWN", False, 0)


async def test_two_who_saw_the_same_post_once(payments: Replica):
    seen = await _opened(payments)
    await asyncio.gather(*(_settle(payments, seen, CAPTURED) for _ in range(8)))
    assert await _found(payments.eyes, seen) == ("SUCCEEDED", "SUCCEEDED", False, 1)
