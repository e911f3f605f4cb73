"""Relay, consumers, broker and database are killed under a stream of events: each arrives once."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import aio_pika
import asyncpg
import httpx
import pytest

from fleet import health
from fleet.ports import free_port
from fleet.postgres import PostgresServer
from tests.harness.rabbit import RabbitServer
from tests.harness.running import Databases, RunningFleet, run_fleet

KEYS = ("relay", "metrics_consumer", "audit_consumer")
# What a queue lost is looked for at once.
BRISK = {"VALERIX_REDELIVER_AFTER_S": "2", "VALERIX_STANDBY_POLL_S": "0.1"}
_WITHIN_S = 60
_EMIT = """
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
VALUES ('order', $1, $2 ::int, CASE $2 ::int WHEN 1 THEN 'order.created' ELSE 'order.confirmed' END,
        '{"amount_minor": 5, "currency": "EUR"}')
"""
# What a restart of the database does to whoever writes.
_CUT_OFF = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
)


class Bus:
    """The processes of the events alone; orders are written straight into their outbox, so that
    nobody rings: the poll is the truth."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet

    async def _emit(self, orders: int) -> None:
        wire = await asyncpg.connect(self.fleet.database_url)
        try:
            for _ in range(orders):
                order = str(uuid4())
                for seq in (1, 2):
                    await wire.execute(_EMIT, order, seq)
        finally:
            await wire.close()

    @contextmanager
    def orders(self) -> Iterator[None]:
        """A stream of orders, until the end of the block; those cut off are not repeated."""
        over = threading.Event()

        def write() -> None:
            while not over.is_set():
                try:
                    asyncio.run(self._emit(10))
                except _CUT_OFF:
                    time.sleep(0.05)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()

    def ask(self, path: str, key: str = "relay") -> dict:
        status, found = self.fleet.ask("GET", key, path)
        return found if status == 200 else {}

    def confirmed(self) -> int:
        return int(self.ask("/events/verify").get("confirmed", 0))

    def until_more(self, than: int) -> None:
        """So that the fault meets events in every state."""
        until(lambda: self.confirmed() > than, "more is confirmed", self.state)

    def demand_whole(self) -> None:
        """Everything has arrived, once and in its order, and has taken effect."""
        until(lambda: self.ask("/events/verify").get("is_gapless", False), "gapless", self.state)
        proof = self.ask("/events/verify")
        assert set(proof["consumed"].values()) == {proof["committed"]}
        assert self.ask("/events/parked") == {"parked": []}
        chain = self.ask("/audit/chain", "audit_consumer")
        assert chain == {"is_intact": True, "lines": proof["committed"], "broken_at": None}
        assert asyncio.run(self._counted()) == proof["committed"]

    def state(self) -> str:
        return f"{self.ask('/events/lag')} {str(self.ask('/events/verify'))[:900]}"

    async def _counted(self) -> int:
        wire = await asyncpg.connect(self.fleet.database_url)
        try:
            return int(await wire.fetchval("SELECT sum(events) FROM metrics.counters"))
        finally:
            await wire.close()


def until(holds: Callable[[], bool], what: str, state: Callable[[], str] = str) -> None:
    end = time.monotonic() + _WITHIN_S
    while not holds():
        assert time.monotonic() < end, f"not within {_WITHIN_S} s: {what}: {state()}"
        time.sleep(0.1)


@pytest.fixture(scope="module", params=["postgres", "rabbitmq"])
def bus(
    request: pytest.FixtureRequest,
    postgres: PostgresServer | None,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bus]:
    rabbit = request.getfixturevalue("rabbit") if request.param == "rabbitmq" else None
    environ = BRISK | ({"VALERIX_AMQP_URL": rabbit.url} if rabbit else {})
    home = tmp_path_factory.mktemp("bus")
    with run_fleet(databases, home, postgres=postgres, keys=KEYS, environ=environ) as fleet:
        yield Bus(fleet)


@pytest.mark.parametrize(
    "key", [pytest.param("relay"), *(pytest.param(key, marks=pytest.mark.long) for key in KEYS[1:])]
)
def test_a_killed_process_of_the_events_goes_on_where_it_was(bus: Bus, key: str):
    with bus.orders():
        bus.until_more(bus.confirmed())
        bus.fleet.kill(key)
        bus.fleet.start(key)
        bus.until_more(bus.confirmed())
    bus.demand_whole()


def test_the_standby_takes_over_from_a_killed_leader(bus: Bus, request: pytest.FixtureRequest):
    port = free_port()
    environ = os.environ | BRISK | {"VALERIX_DATABASE_URL": bus.fleet.database_url}
    environ |= {"VALERIX_RELAY_PORT": str(port), "VALERIX_TELEMETRY": "off"}
    if "rabbitmq" in request.node.name:
        environ["VALERIX_AMQP_URL"] = request.getfixturevalue("rabbit").url
    second = subprocess.Popen(
        [sys.executable, "-m", "cli", "run", "relay"], env=environ, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: not health.obstacle(url), "the second relay is ready")
        lag = health.ask("GET", f"{url}/events/lag", timeout_s=10)[1]
        assert lag["leads_here"] is False
        with bus.orders():
            bus.until_more(bus.confirmed())
            bus.fleet.kill("relay")
            until(
                lambda: health.ask("GET", f"{url}/events/lag", timeout_s=10)[1]["leads_here"],
                "the standby leads",
            )
            bus.fleet.start("relay")
            bus.until_more(bus.confirmed())
        bus.demand_whole()
    finally:
        second.kill()
        second.wait()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("reorder_event"),
        pytest.param("lost_event", marks=pytest.mark.long),
        pytest.param("duplicate_event", marks=pytest.mark.long),
    ],
)
def test_a_gremlin_on_deliveries_is_harmless(bus: Bus, kind: str):
    for key in KEYS[1:]:
        put = httpx.put(
            f"{bus.fleet.url(key)}/gremlins/bus",
            json={"kind": kind, "probability": 0.5, "ttl_s": 60},
        )
        assert put.status_code == 200, put.text
    with bus.orders():
        bus.until_more(bus.confirmed())
    for key in KEYS[1:]:
        bus.fleet.ask("DELETE", key, "/gremlins")
    bus.demand_whole()


@pytest.mark.long
def test_a_restart_of_postgres_loses_nothing(bus: Bus):
    with bus.orders():
        bus.until_more(bus.confirmed())
        bus.fleet.restart_postgres()
        until(lambda: bus.confirmed() > 0, "the relay is back")
        bus.until_more(bus.confirmed())
    bus.demand_whole()


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_broker_killed_under_load_is_drained_when_it_is_back(bus: Bus, rabbit: RabbitServer):
    with bus.orders():
        bus.until_more(bus.confirmed())
        rabbit.kill()
        until(lambda: bus.ask("/events/lag").get("unpublished", 0) > 100, "events wait")
        rabbit.start()
        bus.until_more(bus.confirmed())
    bus.demand_whole()


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_what_was_in_a_deleted_queue_is_published_again(bus: Bus, rabbit: RabbitServer):
    async def delete() -> None:
        connection = await aio_pika.connect(rabbit.url)
        await (await connection.channel()).queue_delete("audit.queue")
        await connection.close()

    bus.fleet.kill("audit_consumer")
    with bus.orders():
        bus.until_more(bus.confirmed())
        asyncio.run(delete())
        bus.until_more(bus.confirmed())
        bus.fleet.start("audit_consumer")
    bus.demand_whole()
