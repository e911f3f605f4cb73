"""kill -9 of each process and PostgreSQL restarted, under load: what was promised is kept."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.postgres import PostgresServer
from tests.faults.shop_under_fault import BLOWS, BRISK, FLAKY, ShopUnderFault
from tests.harness.customers import Habits
from tests.harness.running import RunningFleet

FLEET_KEYS = ("inventory", "payment", "order")
# The provider loses a fifth of the calls as well, so that kills meet orders in every state.
FLEET_ENVIRON = BRISK | FLAKY
_CUSTOMERS = 10
# Before the fault, so that there is work to lose, and after it, so that there is work to recover.
_BEFORE_S, _AFTER_S = 1.0, 1.0


def _services(*usual: str) -> list[Any]:
    """Every service; those that are not `usual` are long."""
    return [
        key if key in usual else pytest.param(key, marks=[pytest.mark.long]) for key in FLEET_KEYS
    ]


@pytest.mark.parametrize("key", _services())
def test_a_killed_service_comes_back_to_the_truth(shop: ShopUnderFault, key: str):
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        for _ in range(BLOWS):
            time.sleep(_BEFORE_S)
            shop.fleet.kill(key)
            shop.fleet.start(key)
        time.sleep(_AFTER_S)
    shop.aftermath([customers])


def test_all_services_killed_at_once(shop: ShopUnderFault):
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        time.sleep(_BEFORE_S)
        for key in FLEET_KEYS:
            shop.fleet.kill(key)
        for key in FLEET_KEYS:
            shop.fleet.start(key)
        time.sleep(_AFTER_S)
    shop.aftermath([customers])


@pytest.mark.parametrize("key", _services("order"))
def test_a_frozen_service_wakes_up_to_the_truth(shop: ShopUnderFault, key: str):
    """A process that stops for longer than every deadline, and then goes on where it was."""
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        time.sleep(_BEFORE_S)
        shop.fleet.pause(key)
        time.sleep(3.0)
        shop.fleet.resume(key)
        time.sleep(_AFTER_S)
    shop.aftermath([customers])


@pytest.mark.parametrize(
    ("end", "away_s"),
    [
        pytest.param(signal.SIGINT, 0.0, id="fast", marks=[pytest.mark.long]),
        pytest.param(signal.SIGQUIT, 1.5, id="immediate"),
    ],
)
def test_postgres_restarted(
    shop: ShopUnderFault, postgres: PostgresServer | None, end: signal.Signals, away_s: float
):
    if postgres is None or postgres.child is None:
        pytest.skip("VALERIX_DATABASE_URL names a server that is not ours to restart")
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        time.sleep(_BEFORE_S)
        postgres.child.send(end)
        assert postgres.child.wait(15)
        shop.fleet.restart_postgres(away_s=away_s)
        time.sleep(_AFTER_S)
    shop.aftermath([customers])


@pytest.fixture
def second_door(shop: ShopUnderFault, tmp_path: Path) -> Iterator[RunningFleet]:
    """One more replica of the order service, on the same database."""
    others = {f"VALERIX_{k.upper()}_URL": shop.fleet.url(k) for k in ("inventory", "payment")}
    replica = RunningFleet(
        home=tmp_path,
        database_url=shop.fleet.database_url,
        keys=["order"],
        environ=FLEET_ENVIRON | others,
    )
    try:
        replica.start_all()
        shop.doors.append(replica.url("order"))
        yield replica
    finally:
        del shop.doors[1:]
        replica.stop_all()


def test_the_other_replica_finishes_what_a_killed_one_began(
    shop: ShopUnderFault, second_door: RunningFleet
):
    customers = shop.customers(Habits(sends_twice=0.3))
    with shop.shopping(customers, _CUSTOMERS):
        time.sleep(_BEFORE_S)
        second_door.kill("order")
        time.sleep(_AFTER_S)
    # Nobody starts it again: everything it began is the other one's to finish.
    del shop.doors[1:]
    shop.aftermath([customers])
