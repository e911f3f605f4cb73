"""Thousands of merchants' payments over three accounts while everything about them breaks."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from fleet.settings import load
from proof.evaluate import Report
from proof.session import ProofSession
from tests.faults.merchant_crowd import MerchantCrowd
from tests.faults.payments_storm import ACCOUNTS, PaymentsStorm
from tests.faults.shop_under_fault import SEED, demand_unbroken, still_open
from tests.harness.merchants import CHAINS, add_merchants
from tests.harness.payments_at_rest import broken_at_rest, figures
from tests.harness.running import RunningFleet

# For a run by hand: more payments, or fewer.
PAYMENTS = int(os.environ.get("VALERIX_CHAOS_PAYMENTS", "5000"))
FLEET_KEYS = ("acquirer", "payment")
# Bounds in proportion, so that a fault and its repair take seconds.
FLEET_ENVIRON = {
    "VALERIX_OTLP_ENDPOINT": "",
    "VALERIX_PAYMENT_PROBE_BASE_S": "0.5",
    "VALERIX_PAYMENT_PROBE_MAX_S": "5.0",
    "VALERIX_RECONCILE_POLL_S": "0.1",
    "VALERIX_RECONCILE_BACKOFF_S": "0.1",
    "VALERIX_RECONCILE_BACKOFF_MAX_S": "1.0",
    # A receiver that is killed is back soon, and what it missed comes soon after.
    "VALERIX_ACQUIRER_WEBHOOK_BASE_S": "0.2",
    "VALERIX_ACQUIRER_WEBHOOK_MAX_S": "5.0",
    "VALERIX_ACQUIRER_SLOW_S": "2.0",
    "VALERIX_ACQUIRER_SILENCE_S": "10",
}
_BUDGET_MS = 4000
_PLACES = 16
_TURNS = 24
# In a turn every account may be shut out for a while, and the machine does other things as well.
_TURN_S = 300.0
_QUIET_S = 180.0


@pytest.fixture
def second(fleet: RunningFleet, tmp_path: Path) -> Iterator[RunningFleet]:
    """One more replica of the payment service; webhooks come to the first."""
    others = {
        "VALERIX_ACQUIRER_URL": fleet.url("acquirer"),
        "VALERIX_PAYMENT_WEBHOOK_URL": fleet.url("payment"),
        "VALERIX_PAYMENT_STRIPE_ACCOUNTS": ",".join(f"{name}=sk_test_{name}" for name in ACCOUNTS),
    }
    replica = RunningFleet(
        home=tmp_path,
        database_url=fleet.database_url,
        keys=["payment"],
        environ=FLEET_ENVIRON | others,
    )
    try:
        replica.start_all()
        yield replica
    finally:
        replica.stop_all()


async def _quiet(session: ProofSession) -> Report:
    """The proof of all of history, once nothing is open any more."""
    end = time.monotonic() + _QUIET_S
    while (report := await session.judge()).state != "holds":
        demand_unbroken(report)
        assert time.monotonic() < end, still_open(report)
        await asyncio.sleep(0.5)
    return await session.judge(whole=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_none_is_lost_or_taken_twice_and_each_is_taken_whole(
    fleet: RunningFleet, second: RunningFleet
):
    victims = {
        "payment": (fleet, "payment"),
        "acquirer": (fleet, "acquirer"),
        "second": (second, "payment"),
    }
    storm = PaymentsStorm(fleet.url("acquirer"), victims, SEED)
    doors = [fleet.url("payment"), second.url("payment")]
    crowd = MerchantCrowd(doors, list(CHAINS), count=PAYMENTS, places=_PLACES, seed=SEED)
    session = ProofSession(load("dashboard", FLEET_ENVIRON, database_url=fleet.database_url))
    # Processes are started from this thread; the merchants are on others.
    with asyncio.Runner() as runner, contextlib.ExitStack() as last:
        tables = runner.run(asyncpg.connect(fleet.database_url))
        last.callback(lambda: runner.run(session.close()))
        last.callback(lambda: runner.run(tables.close()))
        runner.run(add_merchants(tables, _BUDGET_MS))
        storm.begin()
        begun = time.monotonic()
        with crowd:
            for turn in range(_TURNS):
                storm.blow(turn)
                crowd.until(PAYMENTS * (turn + 1) // _TURNS, within_s=_TURN_S)
                demand_unbroken(runner.run(session.judge()))
            storm.calm()
            stormed_s = time.monotonic() - begun
            crowd.settle(within_s=_QUIET_S)
            report = runner.run(_quiet(session))
            crowd.ask_all_again()
        storm.end()
        found, broken = runner.run(figures(tables)), runner.run(broken_at_rest(tables))
    print(  # noqa: T201
        f"{PAYMENTS} requests: {found}; answers {dict(crowd.answers.seen)};"
        f" kills {dict(storm.kills)}; webhooks answered {dict(storm.webhooks)};"
        f" storm {stormed_s:.0f} s, {time.monotonic() - begun:.0f} s in all; proof {report.state}"
    )
    assert crowd.answers.wrong == []
    assert broken == {}
    assert report.state == "holds", still_open(report)
    final = Counter(one.status for one in crowd.asked)
    assert final[200] == found["payments"]["SUCCEEDED"]
    assert found["breakers"]["open"] > 0
    assert storm.webhooks["repeated"] > 0
    assert storm.unexpected == []
