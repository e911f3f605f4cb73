"""Each guard of the payment protocol is load-bearing: taken out, money goes wrong in the books.

The chaos run shows the same for the whole shop; here each guard has the one story it exists for.
"""

from uuid import UUID, uuid4

import pytest

from chassis.database.pool import Connection
from chassis.http.outbound import classify
from services.payment import contract, domain, outcomes, store
from services.payment.client import Cancelled, PaymentClient, Processing
from services.payment.domain import Payment
from services.payment.outcomes import Declined, GatewayResult
from tests.services.payment.books import unrest, violations
from tests.services.payment.till import Till, new_order


async def _late_charge(till: Till) -> UUID:
    """The cancel overtakes the charge on its way to the service."""
    order_id = new_order()
    assert (await till.cancel(order_id)).status_code == 200
    await till.charge(order_id)
    return order_id


async def test_the_tombstone_keeps_a_late_charge_from_being_captured(
    till: Till, monkeypatch: pytest.MonkeyPatch
):
    assert await till.book(await _late_charge(till)) == []

    async def no_tombstone(
        connection: Connection, order_id: UUID, *, reason: str, traceparent: str | None
    ) -> Payment | None:
        del traceparent
        known = await store.find(connection, order_id)
        return Payment(order_id, state="CANCELLED", cancel_reason=reason) if known is None else None

    monkeypatch.setattr(store, "plant_tombstone", no_tombstone)
    # The caller was told 200, CANCELLED, and has freed the goods; the money is gone all the same.
    assert await till.book(await _late_charge(till)) == ["CAPTURED"]


async def _retried_charge(till: Till) -> None:
    order_id = new_order()
    till.gateway.script.append("lost_response")
    await till.charge(order_id)
    await till.charge(order_id)


async def test_the_key_per_attempt_keeps_a_retry_from_being_a_second_capture(
    till: Till, monkeypatch: pytest.MonkeyPatch
):
    await _retried_charge(till)
    assert not await unrest(till.eyes)
    monkeypatch.setattr(domain, "gw_key", lambda order_id, n: f"ord_{order_id}:{n}:{uuid4()}")
    await _retried_charge(till)
    assert "charged twice" in await violations(till.eyes)


async def _silent_charge(till: Till) -> UUID:
    order_id = new_order()
    till.gateway.script.append("late")
    await till.charge(order_id)
    await till.gateway.land()
    return order_id


async def test_doubt_that_never_ages_keeps_a_late_capture_from_being_lost(
    till: Till, monkeypatch: pytest.MonkeyPatch
):
    order_id = await _silent_charge(till)
    assert not await violations(till.eyes)
    assert (await till.cancel(order_id)).json()["state"] == "REFUNDED"

    def gives_up(why: str, age_s: float) -> GatewayResult:
        del age_s
        return Declined(why)

    monkeypatch.setattr(outcomes, "when_silent", gives_up)
    assert await till.state(await _silent_charge(till)) == "FAILED"
    assert "said over, still captured" in await violations(till.eyes)


async def _unfinished_cancel(till: Till) -> object:
    order_id = new_order()
    await till.charge(order_id)
    till.gateway.script.append("lost_request")
    return await PaymentClient(_Straight(till)).cancel(  # type: ignore[arg-type]
        order_id, "PAYMENT_TIMEOUT", deadline_s=1.0
    )


class _Straight:
    """A wire without faults between the client and the till."""

    def __init__(self, till: Till) -> None:
        self._till = till

    async def call(self, method: str, path: str, json: object = None, **_: object) -> object:
        """As `chassis.http.outbound.Peer.call`."""
        answer = await self._till.http.request(method, path, json={"reason": json.reason})  # type: ignore[attr-defined]
        return classify(answer.status_code, answer.content)


async def test_an_acknowledged_cancel_means_that_no_money_is_held(
    till: Till, monkeypatch: pytest.MonkeyPatch
):
    assert await _unfinished_cancel(till) == Processing()
    monkeypatch.setattr(contract, "cancel_is_acknowledged", lambda state: True)
    told = await _unfinished_cancel(till)
    assert isinstance(told, Cancelled)
    assert await till.book(told.payment.order_id) == ["CAPTURED"]
