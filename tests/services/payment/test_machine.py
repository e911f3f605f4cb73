"""Any order of charges, cancels, faults, probes and late arrivals leaves both books agreeing."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.settings import Settings
from tests.services.payment.money_checks import unsettled, violations
from tests.services.payment.payment_service import Replica, new_order, open_replica

_FAULT = st.sampled_from(["", "", "lost_request", "lost_response", "error_after", "late"])
_STEP = st.sampled_from(["charge", "charge", "cancel", "probe", "both", "land"])
_STORY = st.lists(st.tuples(_STEP, _FAULT), min_size=1, max_size=6)


async def _run(payments: Replica, story: list[tuple[str, str]]) -> None:
    order_id = new_order()
    acknowledged = False
    for step, fault in story:
        if fault:
            payments.gateway.script.append(fault)
        if step == "charge":
            answer = await payments.charge(order_id)
            assert answer.status_code in ((409, 402) if acknowledged else (201, 202, 402, 409))
        elif step == "cancel":
            answer = await payments.cancel(order_id)
            acknowledged = acknowledged or answer.status_code == 200
        elif step == "both":
            _, cancelled = await asyncio.gather(
                payments.charge(order_id), payments.cancel(order_id)
            )
            acknowledged = acknowledged or cancelled.status_code == 200
        elif step == "land":
            await payments.gateway.land()
        else:
            await payments.reconcile()
        if payments.gateway.can.fences:
            # Rule R8 rests on this: what was acknowledged holds no money, now and later.
            assert not acknowledged or "CAPTURED" not in await payments.captures(order_id)
            assert not await violations(payments.eyes)
    payments.gateway.script.clear()


async def _come_to_rest(payments: Replica) -> None:
    await payments.gateway.land()
    await payments.reconcile()
    if not payments.gateway.can.fences:
        await payments.late_captures.run_once()
        await payments.reconcile()
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize("fences", [True, False])
def test_any_story_ends_with_ledger_and_gateway_in_agreement(
    payment_settings: Callable[..., Settings],
    database_url: str,
    fences: bool,
):
    shop = payment_settings(
        payment_gateway_fences=fences,
        payment_decline_rate=0.2,
        payment_seed=5,
    )

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(_STORY, min_size=2, max_size=5))
    def ran(stories: list[list[tuple[str, str]]]) -> None:
        async def run_all() -> None:
            eyes = await asyncpg.connect(database_url)
            try:
                async with open_replica(shop, eyes) as payments:
                    for story in stories:
                        await _run(payments, story)
                    await _come_to_rest(payments)
            finally:
                await eyes.close()

        asyncio.run(run_all())

    ran()
