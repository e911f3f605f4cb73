"""Relay, consumers, broker and database are killed under a stream of events: each arrives once."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import aio_pika
import asyncpg
import httpx
import psutil
import pytest

from fleet import health
from fleet.ports import free_port
from fleet.postgres import PostgresServer
from tests.harness.patience import ARRIVES_S
from tests.harness.rabbit import RabbitServer, program
from tests.harness.receiver import receiver
from tests.harness.running import Databases, RunningFleet, run_fleet

KEYS = ("relay", "metrics_consumer", "audit_consumer", "webhook_sender")
# What a queue lost is looked for at once.
BRISK = {
    "VALERIX_REDELIVER_AFTER_S": "2",
    "VALERIX_STANDBY_POLL_S": "0.1",
    # Twice this is how long a claimed webhook belongs to its sender.
    "VALERIX_WEBHOOK_TIMEOUT_S": "2",
}
# Orders a second: a crowd's worth, and no more than a loaded machine drains as fast as it comes.
_PACE = 50
_CALL_S = 30.0
# Several facts are waited for in one test, each for so long at most.
pytestmark = pytest.mark.timeout(900)
_EMIT = """
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
VALUES ('order', $1, $2 ::int, CASE $2 ::int WHEN 1 THEN 'order.created' ELSE 'order.confirmed' END,
        '{"amount_minor": 5, "currency": "EUR"}')
"""
_WITHHOLD = """
CREATE FUNCTION withhold() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
CREATE TRIGGER withhold BEFORE UPDATE ON orders.outbox FOR EACH ROW
  WHEN (NEW.confirmed_at IS NOT NULL) EXECUTE FUNCTION withhold();
"""
_PAY = """
WITH p AS (INSERT INTO payments.payments (payment_id, amount_minor, currency, state)
  VALUES ($1, 100, 'EUR', 'PROCESSING') RETURNING payment_id)
INSERT INTO payments.requests (merchant_id, request_id, request_hash, payment_id)
SELECT 'm1', $1::text, '', payment_id FROM p
"""
_WITHHOLD_SENT = """
CREATE FUNCTION withhold_sent() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock(8); RETURN NEW; END';
CREATE TRIGGER withhold_sent BEFORE UPDATE ON webhooks.deliveries FOR EACH ROW
  WHEN (NEW.state = 'SENT') EXECUTE FUNCTION withhold_sent();
"""
_IS_MARKING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory')"
# What a restart of the database does to whoever writes.
_CUT_OFF = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # A statement that begins while the server is saying goodbye.
    asyncpg.InternalClientError,
)


class Bus:
    """The processes of the events alone; orders are written straight into their outbox, so that
    nobody rings: the poll is the truth."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self.fleet.database_url, timeout=_CALL_S, command_timeout=_CALL_S
        )

    async def _emit(self, orders: int) -> None:
        wire = await self.connect()
        try:
            for _ in range(orders):
                await emit(wire)
                await asyncio.sleep(1 / _PACE)
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

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join(ARRIVES_S)
        assert not writer.is_alive()

    def ask(self, path: str, key: str = "relay") -> dict:
        status, found = self.fleet.ask("GET", key, path)
        return found if status == 200 else {}

    async def count(self, query: str) -> int:
        """What a query counts."""
        wire = await self.connect()
        try:
            return int(await wire.fetchval(query) or 0)
        finally:
            await wire.close()

    def confirmed(self) -> int:
        """How many events the transport has confirmed; the relay need not be there."""
        query = "SELECT count(*) FROM orders.outbox WHERE confirmed_at IS NOT NULL"
        return asyncio.run(self.count(query))

    def until_more(self, than: int) -> None:
        """So that the fault meets events in every state."""
        until(lambda: self.confirmed() > than, "more is confirmed", self.state)

    def is_drained(self) -> bool:
        lag = self.ask("/events/lag")
        waiting = [
            lag.get("unpublished", 1),
            *(each["events"] for each in lag.get("consumers", [])),
        ]
        return not any(waiting)

    def demand_whole(self) -> None:
        """Everything has arrived, once and in its order, and has taken effect."""
        until(self.is_drained, "drained", self.state)
        proof = self.ask("/events/verify")
        assert proof["is_gapless"], self.state()
        assert proof["consumed"] == proof["wanted"]
        assert proof["consumed"]["audit-consumer"] == proof["committed"]
        assert self.ask("/events/parked") == {"parked": []}
        chain = self.ask("/audit/chain", "audit_consumer")
        assert chain == {"is_intact": True, "lines": proof["committed"], "broken_at": None}
        counted = asyncio.run(self.count("SELECT sum(events) FROM metrics.counters"))
        assert counted == proof["committed"]

    def state(self) -> str:
        return f"{self.ask('/events/lag')} {str(self.ask('/events/verify'))[:900]}"


async def emit(wire: asyncpg.Connection) -> None:
    """One order, made and confirmed."""
    order = str(uuid4())
    for seq in (1, 2):
        await wire.execute(_EMIT, order, seq)


def until(holds: Callable[[], bool], what: str, state: Callable[[], str] = str) -> None:
    """Wait for a fact; a process that is not there yet does not count as an answer."""
    end = time.monotonic() + ARRIVES_S
    while not _holds(holds):
        assert time.monotonic() < end, f"not within {ARRIVES_S} s: {what}: {state()}"
        time.sleep(0.2)


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except _CUT_OFF:
        return False


@pytest.fixture(
    scope="module", params=[pytest.param("postgres", marks=pytest.mark.long), "rabbitmq"]
)
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


@pytest.mark.long
def test_a_relay_killed_between_publish_and_mark_publishes_again(bus: Bus):
    asyncio.run(_kill_before_mark(bus))
    bus.fleet.start("relay")
    bus.demand_whole()


async def _kill_before_mark(bus: Bus) -> None:
    """The relay dies when both consumers have an event that it has not marked as confirmed."""
    wire = await bus.connect()
    await wire.execute(_WITHHOLD)
    await wire.execute("SELECT pg_advisory_lock(7)")
    await emit(wire)
    taken = (
        "SELECT count(DISTINCT i.consumer) FROM events.inbox i"
        " JOIN orders.outbox o USING (event_id) WHERE o.confirmed_at IS NULL"
    )
    async with asyncio.timeout(ARRIVES_S):
        while await wire.fetchval(taken) < 2:
            await asyncio.sleep(0.1)
    bus.fleet.kill("relay")
    await wire.execute("SELECT pg_advisory_unlock(7)")
    await wire.execute("DROP FUNCTION withhold CASCADE")
    assert await wire.fetchval(taken) == 2
    await wire.close()


def test_a_sender_killed_between_send_and_mark_sends_again_under_one_id(bus: Bus):
    asyncio.run(_kill_between_send_and_mark(bus))
    bus.demand_whole()


async def _kill_between_send_and_mark(bus: Bus) -> None:
    """The receiver accepts, and the sender dies before it has written that down."""
    wire = await bus.connect()
    async with receiver() as to, asyncio.timeout(2 * ARRIVES_S):
        body = {"merchant_id": "m1", "url": to.url, "types": ["payment.created"]}
        async with httpx.AsyncClient(timeout=_CALL_S) as http:
            made = await http.post(f"{bus.fleet.url('webhook_sender')}/endpoints", json=body)
        assert made.status_code == 201, made.text
        await wire.execute(_WITHHOLD_SENT)
        await wire.execute("SELECT pg_advisory_lock(8)")
        await wire.execute(_PAY, uuid4())
        while not await wire.fetchval(_IS_MARKING):
            await asyncio.sleep(0.05)
        await asyncio.to_thread(bus.fleet.kill, "webhook_sender")
        # Its statement would still be carried out: PostgreSQL has not noticed yet.
        await wire.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        while await wire.fetchval(_IS_MARKING):
            await asyncio.sleep(0.05)
        await wire.execute("SELECT pg_advisory_unlock(8)")
        await wire.execute("DROP FUNCTION withhold_sent CASCADE")
        state = "SELECT state FROM webhooks.deliveries"
        assert await wire.fetchval(state) == "WAITING"
        await asyncio.to_thread(bus.fleet.start, "webhook_sender")
        while await wire.fetchval(state) != "SENT":
            await asyncio.sleep(0.05)
    first, second = to.messages
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    await wire.close()


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("kind", ["reorder_event", "lost_event", "duplicate_event"])
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
        bus.until_more(bus.confirmed())
    bus.demand_whole()


@pytest.mark.long
@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_broker_killed_under_load_is_drained_when_it_is_back(bus: Bus, rabbit: RabbitServer):
    with bus.orders():
        bus.until_more(bus.confirmed())
        rabbit.kill()
        until(lambda: bus.ask("/events/lag").get("unpublished", 0) > 100, "events wait")
        rabbit.start()
        bus.until_more(bus.confirmed())
    bus.demand_whole()


@pytest.mark.long
@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_what_was_in_a_deleted_queue_is_published_again(bus: Bus, rabbit: RabbitServer):
    async def delete() -> None:
        connection = await aio_pika.connect(rabbit.url, timeout=_CALL_S)
        channel = await connection.channel()
        await channel.queue_delete("audit.queue", timeout=_CALL_S)
        await connection.close()

    bus.fleet.kill("audit_consumer")
    with bus.orders():
        bus.until_more(bus.confirmed())
        asyncio.run(delete())
        bus.until_more(bus.confirmed())
        bus.fleet.start("audit_consumer")
    bus.demand_whole()


@pytest.mark.long
@pytest.mark.skipif(program() is None, reason="RabbitMQ is not installed")
def test_a_killed_run_of_the_tests_leaves_no_broker(tmp_path: Path):
    code = (
        "import sys, pathlib; from tests.harness.rabbit import RabbitServer as Server\n"
        "server = Server(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(*server.pids, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        pids = [int(pid) for pid in run.stdout.readline().split()]
        run.kill()
    assert len(pids) == 2
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "nothing of it is left")
