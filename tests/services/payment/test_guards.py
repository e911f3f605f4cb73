"""Each guard of the payment protocol is load-bearing: taken out, money goes wrong in the books.

The chaos run shows the same for the whole shop; here each guard has the one story it exists for.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from msgspec import to_builtins

from chassis.database.pool import Connection
from chassis.http.outbound import classify
from chassis.settings import Settings
from gateways import Connector, Declined
from proof.invariants.decisions import NOBODY_IS_ASKED_THROUGH_AN_OPEN_BREAKER
from proof.invariants.payments import ALL_LEGS_OR_NONE
from services.payment import asking, contract, intents, legs, outcomes, settlement, store
from services.payment.breakers import store as breaker_store
from services.payment.client import Cancelled, PaymentClient, Processing
from services.payment.domain import Attempt, Payment
from services.payment.outcomes import GatewayResult, Silence
from tests.services.payment.account_shop import Shop, open_shop
from tests.services.payment.money_checks import unsettled, violations
from tests.services.payment.payment_service import Replica, new_order, payment_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _late_charge(payments: Replica) -> UUID:
    """The cancel overtakes the charge on its way to the service."""
    order_id = new_order()
    assert (await payments.cancel(order_id)).status_code == 200
    await payments.charge(order_id)
    return order_id


async def test_the_tombstone_keeps_a_late_charge_from_being_captured(
    payments: Replica, monkeypatch: pytest.MonkeyPatch
):
    assert await payments.captures(await _late_charge(payments)) == []

    async def no_tombstone(
        connection: Connection, payment_id: UUID, order_id: UUID, *, reason: str, **who: str | None
    ) -> Payment | None:
        del who
        if await store.find(connection, payment_id) is not None:
            return None
        return Payment(payment_id, order_id, state="CANCELLED", cancel_reason=reason)

    monkeypatch.setattr(intents, "plant_tombstone", no_tombstone)
    # The caller was told 200, CANCELLED, and has freed the goods; the money is gone all the same.
    assert await payments.captures(await _late_charge(payments)) == ["CAPTURED"]


async def _retried_charge(payments: Replica) -> None:
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    await payments.charge(order_id)
    await payments.charge(order_id)


async def test_the_key_per_attempt_keeps_a_retry_from_being_a_second_capture(
    payments: Replica, monkeypatch: pytest.MonkeyPatch
):
    await _retried_charge(payments)
    assert not await unsettled(payments.eyes)
    call = asking._call  # noqa: SLF001 - where the key is taken from the attempt

    def under_another_key(c: Connector, p: UUID, attempt: Attempt, what: Any) -> Any:
        key = f"{attempt.gw_key}:{uuid4()}"
        return call(c, p, msgspec.structs.replace(attempt, gw_key=key), what)

    monkeypatch.setattr(asking, "_call", under_another_key)
    await _retried_charge(payments)
    assert "charged twice" in await violations(payments.eyes)


async def _silent_charge(payments: Replica) -> UUID:
    order_id = new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    await payments.gateway.land()
    return order_id


async def test_doubt_that_never_ages_keeps_a_late_capture_from_being_lost(
    payments: Replica, monkeypatch: pytest.MonkeyPatch
):
    order_id = await _silent_charge(payments)
    assert not await violations(payments.eyes)
    assert (await payments.cancel(order_id)).json()["state"] == "REFUNDED"

    settle = settlement.settle

    async def give_up(*first: Any, **more: Any) -> Payment:
        *same, result = first
        result = Declined("timeout") if isinstance(result, Silence) else result
        return await settle(*same, result, **more)

    monkeypatch.setattr(settlement, "settle", give_up)
    assert await payments.state(await _silent_charge(payments)) == "FAILED"
    assert "said over, still captured or held" in await violations(payments.eyes)


async def _unfinished_cancel(payments: Replica) -> object:
    order_id = new_order()
    await payments.charge(order_id)
    payments.gateway.script.append("lost_request")
    return await PaymentClient(_Straight(payments)).cancel(  # type: ignore[arg-type]
        payment_of(order_id), order_id, "PAYMENT_TIMEOUT", deadline_s=1.0
    )


class _Straight:
    """A wire without faults between the client and the payments."""

    def __init__(self, payments: Replica) -> None:
        self._payments = payments

    async def call(self, method: str, path: str, json: object = None, **_: object) -> object:
        """As `chassis.http.outbound.Peer.call`."""
        answer = await self._payments.http.request(method, path, json=to_builtins(json))
        return classify(answer.status_code, answer.content)


async def test_an_acknowledged_cancel_means_that_no_money_is_held(
    payments: Replica, monkeypatch: pytest.MonkeyPatch
):
    assert await _unfinished_cancel(payments) == Processing()
    monkeypatch.setattr(contract, "cancel_is_acknowledged", lambda state: True)
    result = await _unfinished_cancel(payments)
    assert isinstance(result, Cancelled)
    assert await payments.captures(result.payment.order_id) == ["CAPTURED"]


async def _silent_first_account(shop: Shop) -> None:
    shop.gateways["alfa"].script.append("lost_response")
    await shop.pay()
    await shop.replica.reconcile()


async def test_unknown_is_no_reason_to_ask_another_account(
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
):
    async with open_shop(payment_settings(), connection) as shop:
        await _silent_first_account(shop)
        assert not await unsettled(connection)

        def also_after_silence(payment: Payment, attempt: Attempt, outcome: GatewayResult) -> str:
            return "silence" if isinstance(outcome, Silence) else ""

        monkeypatch.setattr(outcomes, "allows_another", also_after_silence)
        shop.gateways["alfa"].script.append("lost_response")
        await shop.pay(request_id="r2")
        # The first account took the money as well, and nobody asks it about that any more.
        assert "charged twice" in await violations(connection)


async def test_legs_wait_for_each_other_before_any_is_captured(
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
):
    async with open_shop(payment_settings(), connection) as shop:
        await shop.split()
        shop.gateways["bravo"].script.append("lost_request")
        await shop.pay()
        assert not await connection.fetch(ALL_LEGS_OR_NONE.sql)
        await shop.replica.reconcile()

        def each_for_itself(payment: Payment, attempt: Attempt) -> str:
            return "charge" if attempt.state in ("IN_FLIGHT", "UNKNOWN") else ""

        monkeypatch.setattr(legs, "operation", each_for_itself)
        shop.gateways["bravo"].script.append("lost_request")
        await shop.pay(request_id="r2")
        # One account has its part, and nobody knows yet whether the other will have its own.
        assert await connection.fetch(ALL_LEGS_OR_NONE.sql)


async def test_the_breaker_read_with_the_commit_keeps_what_was_known_before_from_mattering(
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
):
    async with open_shop(payment_settings(), connection) as shop:
        await connection.execute(
            "SET session_replication_role = replica;"
            "INSERT INTO payments.breakers (account, state, open_until)"
            " VALUES ('alfa', 'open', now() + interval '1 hour');"
            "INSERT INTO payments.breaker_transitions (account, src, dst, at)"
            " VALUES ('alfa', 'closed', 'open', now() - interval '5 seconds')"
        )
        monkeypatch.setattr(shop.replica.context.breakers, "open_now", frozenset)
        assert (await shop.pay()).status_code == 200
        assert not await connection.fetch(NOBODY_IS_ASKED_THROUGH_AN_OPEN_BREAKER.sql)

        async def as_known_before(*_: object) -> frozenset[str]:
            return frozenset()

        monkeypatch.setattr(breaker_store, "closed_to_new", as_known_before)
        assert (await shop.pay(request_id="r2")).status_code == 200
        assert await connection.fetch(NOBODY_IS_ASKED_THROUGH_AN_OPEN_BREAKER.sql)
