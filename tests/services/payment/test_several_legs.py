"""A payment in two legs: authorised, decided in one row, captured; or given up as a whole."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.settings import Settings
from services.payment import cancelling, charging, intents, operations
from services.payment.cancelling import Cancel
from services.payment.domain import Payment, gw_key
from services.payment.intents import Decision, PlannedLeg
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import Replica, open_replica

pytestmark = pytest.mark.asyncio(loop_scope="module")

_WHY = Decision("route", "It is the one connector that is configured.", {})


async def _opened(payments: Replica) -> UUID:
    """A payment of 60.00 and 40.00 EUR that nobody has asked a gateway about yet."""
    payment_id = uuid4()
    async with payments.context.database.connect() as connection:
        await intents.open_legs(
            connection,
            [
                PlannedLeg(amount_minor=minor, provider="flaky", decision=_WHY)
                for minor in (6000, 4000)
            ],
            payment_id=payment_id,
            currency="EUR",
            made_by="hand",
            owner="anonymous",
            traceparent=None,
            grace_s=60.0,
        )
    return payment_id


async def _look(payments: Replica, payment_id: UUID) -> Payment:
    payment = await charging.look(payments.context, payment_id)
    assert payment is not None
    return payment


async def _drive(payments: Replica, payment_id: UUID) -> Payment:
    return await operations.drive(payments.context, await _look(payments, payment_id))


async def _decided(payments: Replica) -> list[str]:
    rows = await payments.eyes.fetch(
        "SELECT kind FROM payments.decisions WHERE kind <> 'route' ORDER BY n"
    )
    return [row["kind"] for row in rows]


async def _at_gateway(payments: Replica) -> list[str]:
    rows = await payments.eyes.fetch("SELECT state FROM gateway.charges ORDER BY gw_key")
    return [row["state"] for row in rows]


async def _refuse_capture_of(payments: Replica, payment_id: UUID, leg_n: int) -> None:
    """The gateway no longer holds the leg's money: its authorisation has run out."""
    await payments.eyes.execute(
        "UPDATE gateway.charges SET state = 'DECLINED', decline_code = 'authorisation_expired'"
        " WHERE gw_key = $1",
        gw_key(payment_id, leg_n, 1),
    )


async def _authorise_only(payments: Replica, payment_id: UUID) -> Payment:
    payment = await _look(payments, payment_id)
    return await operations.drive(payments.context, payment, most=1)


async def test_both_legs_are_authorised_and_captured_after_one_decision(payments: Replica):
    payment_id = await _opened(payments)
    held = await _authorise_only(payments, payment_id)
    assert held.state == "PROCESSING"
    assert await _at_gateway(payments) == ["AUTHORISED", "AUTHORISED"]
    assert await _decided(payments) == ["capture"]
    assert (await _drive(payments, payment_id)).state == "SUCCEEDED"
    assert await _at_gateway(payments) == ["CAPTURED", "CAPTURED"]
    assert not await unsettled(payments.eyes)


async def test_a_declined_leg_gives_up_the_other(payments: Replica):
    payment_id = await _opened(payments)
    await payments.eyes.execute(
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
        " decline_code) VALUES ($1, 'mock', $2, 4000, 'EUR', 'DECLINED', 'card_declined')",
        gw_key(payment_id, 2, 1), str(payment_id),
    )  # fmt: skip
    failed = await _drive(payments, payment_id)
    assert (failed.state, failed.decline_code) == ("FAILED", "card_declined")
    assert await _decided(payments) == ["void"]
    assert await _at_gateway(payments) == ["VOIDED", "DECLINED"]
    assert not await unsettled(payments.eyes)


async def test_an_unknown_leg_blocks_the_decision_until_it_is_known(payments: Replica):
    payment_id = await _opened(payments)
    payments.gateway.script.extend(["lost_response", ""])
    waiting = await _drive(payments, payment_id)
    assert {each.state for each in waiting.newest} == {"UNKNOWN", "AUTHORISED"}
    assert (waiting.state, await _decided(payments)) == ("PROCESSING", [])
    await payments.reconcile()
    assert (await _look(payments, payment_id)).state == "SUCCEEDED"
    assert not await unsettled(payments.eyes)


async def test_a_refused_capture_turns_the_decision_round(payments: Replica):
    payment_id = await _opened(payments)
    await _authorise_only(payments, payment_id)
    await _refuse_capture_of(payments, payment_id, 2)
    failed = await _drive(payments, payment_id)
    assert failed.state == "FAILED"
    assert await _decided(payments) == ["capture", "compensate"]
    assert await _at_gateway(payments) == ["REFUNDED", "DECLINED"]
    refund = await payments.eyes.fetchrow(
        "SELECT leg_n, refund_key, amount_minor FROM payments.refunds"
    )
    assert tuple(refund) == (1, f"{gw_key(payment_id, 1, 1)}:refund", 6000)
    assert not await unsettled(payments.eyes)


async def test_a_refund_is_on_record_with_the_decision_before_anybody_is_asked(payments: Replica):
    payment_id = await _opened(payments)
    await _authorise_only(payments, payment_id)
    await _refuse_capture_of(payments, payment_id, 2)
    held = await _look(payments, payment_id)
    taken, _ = await operations.ask(payments.context, held, {held.newest[0]: "capture"}, 20.0)
    turned = await operations.drive(payments.context, taken, most=1)
    assert turned.state == "REFUND_PENDING"
    rows = await payments.eyes.fetchrow(
        "SELECT count(DISTINCT changed_in) FROM (SELECT changed_in FROM payments.refunds"
        " UNION ALL SELECT changed_in FROM payments.decisions WHERE kind = 'compensate') t"
    )
    assert rows["count"] == 1
    assert "REFUNDED" not in await _at_gateway(payments)


async def test_a_cancel_between_authorisation_and_capture_lets_everything_go(payments: Replica):
    payment_id = await _opened(payments)
    await _authorise_only(payments, payment_id)
    command = Cancel(payment_id, None, "USER_CANCELLED", "hand")
    assert (await cancelling.cancel(payments.context, command)).state == "CANCELLED"
    assert await _at_gateway(payments) == ["VOIDED", "VOIDED"]
    assert not await unsettled(payments.eyes)


async def test_a_cancel_of_a_taken_payment_refunds_every_leg(payments: Replica):
    payment_id = await _opened(payments)
    await _drive(payments, payment_id)
    command = Cancel(payment_id, None, "REFUND", "hand")
    assert (await cancelling.cancel(payments.context, command)).state == "REFUNDED"
    assert await payments.eyes.fetchval("SELECT count(*) FROM payments.refunds") == 2
    assert not await unsettled(payments.eyes)


async def test_a_leg_captured_after_its_void_is_refunded(unfenced: Replica):
    payments = unfenced
    payment_id = await _opened(payments)
    await _authorise_only(payments, payment_id)
    payments.gateway.script.extend(["late", "not_sent"])
    await _drive(payments, payment_id)
    command = Cancel(payment_id, None, "USER_CANCELLED", "hand")
    await cancelling.cancel(payments.context, command)
    await payments.eyes.execute(
        "UPDATE gateway.charges SET state = 'CAPTURED', captured_at = now() WHERE gw_key = $1",
        gw_key(payment_id, 1, 1),
    )
    assert await payments.late_captures.run_once() == 1
    assert (await _look(payments, payment_id)).state == "REFUNDED"
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize("leg_n", [1, 2])
async def test_a_second_decision_of_a_kind_is_refused(payments: Replica, leg_n: int):
    payment_id = await _opened(payments)
    await _authorise_only(payments, payment_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await payments.eyes.execute(
            "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, reason, inputs)"
            " VALUES ($1, 9, 'capture', $2, 'again', '{}')",
            payment_id, leg_n,
        )  # fmt: skip


async def test_faults_crashes_and_two_drivers_leave_every_payment_whole_or_free(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    settings = payment_settings(payment_decline_rate=0.2, payment_seed=7)
    async with open_replica(settings, connection) as payments:
        faults = ["lost_response", "", "error_after", "lost_request", "", "garbage", "not_sent", ""]

        async def one(turn: int) -> None:
            payment_id = await _opened(payments)
            payments.gateway.script.extend(faults[(turn * 3 + k) % len(faults)] for k in range(3))
            await asyncio.gather(_drive(payments, payment_id), _drive(payments, payment_id))
            if turn % 4 == 0:
                command = Cancel(payment_id, None, "USER_CANCELLED", "hand")
                await cancelling.cancel(payments.context, command)

        await asyncio.gather(*(one(turn) for turn in range(24)))
        payments.gateway.script.clear()
        while await unsettled(payments.eyes):
            await payments.reconcile()
        states = await connection.fetch("SELECT state, count(*) FROM payments.payments GROUP BY 1")
        assert {row["state"] for row in states} >= {"SUCCEEDED", "FAILED"}
