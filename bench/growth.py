"""How cost grows with the number of orders kept: the pages, the reconciler's claim, the proof."""

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import click

from bench import baseline
from chassis.database.pool import Statement
from fleet.settings import load_as
from frontend import queries
from proof.evaluate import Report, prove
from proof.invariant import Limits
from proof.judging import ProofStep
from proof.session import ProofSession
from proof.settings import ProofSettings
from proof.verify import CONNECTIONS
from services.order import store
from services.order.due_work import ORDERS_DUE

# Every table with rows of an order or its payment, and the column that holds its id.
_TABLES = {
    "orders.orders": "id",
    "orders.history": "order_id",
    "orders.idempotency": "order_id",
    "inventory.reservations": "order_id",
    "inventory.stock_moves": "cause",
    "payments.payments": "payment_id",
    "payments.legs": "payment_id",
    "payments.decisions": "payment_id",
    "payments.attempts": "payment_id",
    "payments.attempt_history": "payment_id",
    "payments.ledger": "payment_id",
    "gateway.charges": "payment_ref",
    "orders.outbox": "aggregate_id",
    "inventory.outbox": "aggregate_id",
    "payments.outbox": "aggregate_id",
}
# The relay has been there: the events of the recorded order are numbered, and so are its copies'.
_PUBLISH = """
UPDATE {room}.outbox AS o SET position = h.position + place
FROM events.head h, (SELECT id, row_number() OVER (ORDER BY id) AS place FROM {room}.outbox) e
WHERE o.id = e.id;
UPDATE {room}.outbox SET confirmed_at = now();
UPDATE events.head SET position = position + n, confirmed = position + n
FROM (SELECT count(*) AS n FROM {room}.outbox) o"""
_EVENTS_OF_AN_ORDER = 6
# The ids of the recorded order and of its payment.
Pattern = tuple[UUID, UUID]
# The recorded order came without a key; most clients send one.
_KEY = """
INSERT INTO orders.idempotency
  (scope, key, request_hash, order_id, status_code, response, locked_until)
SELECT 'POST /orders public', 'key-of-' || id, '', id, 201, convert_to(format(
  '{"order_id":"%s","product_id":"%s","quantity":%s,"amount_minor":%s,"status":"CONFIRMED"}',
  id, product_id, quantity, amount_minor), 'UTF8'), now()
FROM orders.orders WHERE id = $1"""
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
  AND attidentity = '' AND attgenerated = '' ORDER BY attnum"""
_READS = re.compile(r"(?:Seq Scan on (?P<table>\w+)|Index.* Scan (?:using|on) (?P<index>\w+))")
_FIRST = "what changed"
_ASKED = 9
# The full proof runs less often: of a million orders it reads for half a minute.
_PROVED = 3
# What the shop takes in between two of the dashboard's proofs, more or less.
_SINCE = 200
_QUERIES: dict[str, tuple[Statement, Mapping[str, object]]] = {
    "orders panel": (queries._RECENT, {"limit": 14}),  # noqa: SLF001 - exactly these statements
    "figures panel": (queries._FIGURES, {"window_s": 30.0}),  # noqa: SLF001
    "GET /orders": (store._PAGES[False, False], {"most": 50}),  # noqa: SLF001
    "reconciler's claim": (ORDERS_DUE._claim, {"most": 16, "lease_s": 6.0}),  # noqa: SLF001
}


async def measure(database_url: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Milliseconds of each query at each size, and the plans at the largest."""
    pattern, _ = await baseline.record(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute(_KEY, pattern[0])
    for table in _TABLES:
        if table.endswith(".outbox"):
            await connection.execute(_PUBLISH.format(room=table.partition(".")[0]))
    found: dict[str, Any] = {"ms": {}, "plans": {}}
    for size in sizes:
        known = await connection.fetchval("SELECT count(*) FROM orders.orders")
        await _grow(connection, pattern, size - known)
        await connection.execute("VACUUM ANALYZE")
        found["ms"][str(size)] = {
            name: await _query_ms(connection, *query) for name, query in _QUERIES.items()
        } | await _proof_ms(connection, database_url, pattern)
        click.echo(f"  {size} orders done")
    for name, (query, values) in _QUERIES.items():
        found["plans"][name] = await _plan(connection, query, values)
    found["plans"]["verify, what each of its queries reads"] = await _reads(connection, pattern)
    await connection.close()
    return found


async def _grow(connection: asyncpg.Connection, pattern: Pattern, by: int) -> None:
    """As many copies of one good order with everything it left, a second apart into the past.

    Triggers are off meanwhile: what they would check is true of the pattern, and so of a copy."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "CREATE TEMP TABLE copies AS SELECT uuidv7(ago) AS id,"  # noqa: S608
        " uuidv7(ago) AS payment_id, -ago AS ago,"
        f" position + {_EVENTS_OF_AN_ORDER} * (n - 1) AS position"
        f" FROM events.head, generate_series(1, {by}) AS n, make_interval(secs => -n) AS ago"
    )
    await connection.execute(
        f"UPDATE events.head SET position = position + {_EVENTS_OF_AN_ORDER * by},"  # noqa: S608
        f" confirmed = position + {_EVENTS_OF_AN_ORDER * by}"
    )
    for table, key in _TABLES.items():
        columns = await connection.fetch(_COLUMNS, table)
        names = ", ".join(column["attname"] for column in columns)
        values = ", ".join(
            _copied(column["attname"], column["type"], pattern) for column in columns
        )
        await connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} AS old, copies"  # noqa: S608
            f" WHERE old.{key} IN ('{pattern[0]}', '{pattern[1]}')"
        )
    await connection.execute(
        f"UPDATE inventory.stock SET total = total + {by}, sold = sold + {by}"  # noqa: S608
        f" WHERE product_id = '{baseline.PRODUCT}'"
    )
    # What is sold had been delivered.
    await connection.execute(
        "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        " VALUES (gen_random_uuid(), 'delivered', $1, $2)",
        baseline.PRODUCT,
        by,
    )
    await connection.execute("DROP TABLE copies")
    await connection.execute("SET session_replication_role = origin")


def _copied(name: str, kind: str, pattern: Pattern) -> str:
    order, payment = pattern
    if name == "event_id":
        return "gen_random_uuid()"
    if name == "position":  # those of the recorded order are the first
        return "copies.position + old.position"
    if name == "payload":
        return f"({_replaced('old.payload::text', pattern)})::jsonb"
    if kind == "uuid":
        return (
            f"CASE old.{name} WHEN '{order}' THEN copies.id"
            f" WHEN '{payment}' THEN copies.payment_id ELSE old.{name} END"
        )
    if kind == "text":
        return _replaced(f"old.{name}", pattern)
    if name == "response":
        read = f"convert_from(old.{name}, 'UTF8')"
        return f"convert_to({_replaced(read, pattern)}, 'UTF8')"
    if kind == "xid8":  # whoever wrote it last is who writes it now
        return f"CASE WHEN old.{name} IS NOT NULL THEN pg_current_xact_id() END"
    if kind.startswith("timestamp"):
        return f"old.{name} - copies.ago"
    return f"old.{name}"


def _replaced(text: str, pattern: Pattern) -> str:
    order, payment = pattern
    text = f"replace({text}, '{order}', copies.id::text)"
    return f"replace({text}, '{payment}', copies.payment_id::text)"


async def _query_ms(
    connection: asyncpg.Connection, query: Statement, values: Mapping[str, object]
) -> float:
    arguments = [{**query.constants, **values}[name] for name in query.parameters]
    took: list[float] = []
    for _ in range(_ASKED):
        begun = time.perf_counter()
        await connection.fetch(query.sql, *arguments)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


async def _proof_ms(
    connection: asyncpg.Connection, database_url: str, pattern: Pattern
) -> dict[str, float]:
    """The proof of the whole history, and the usual one with a few orders since the last: the
    dashboard's, whose connection stays, and the command's."""
    settings = load_as(ProofSettings, "dashboard", {}, database_url=database_url)
    took = defaultdict[str, list[float]](list)
    async with ProofSession(settings) as session:
        for _ in range(_ASKED):
            # The command's first: after it there is something to build on.
            for name, whole in (("verify --full", True), ("verify", False)):
                if not whole or len(took[name]) < _PROVED:
                    await _grow(connection, pattern, _SINCE)
                    async with ProofSession(settings, connections=CONNECTIONS) as command:
                        took[name].append(_sound(await command.judge(whole=whole), whole=whole))
            await _grow(connection, pattern, _SINCE)
            took["the dashboard's"].append(_sound(await session.judge()))
    return {name: statistics.median(each) for name, each in took.items()}


def _sound(report: Report, *, whole: bool = False) -> float:
    if report.state != "holds":
        raise click.ClickException(f"the copied orders are {report.state}: no measurement")
    if not whole and report.reach.orders != _SINCE:
        raise click.ClickException(f"{report.reach}: no measurement")
    return report.took_ms


async def _plan(
    connection: asyncpg.Connection, query: Statement, values: Mapping[str, object]
) -> list[str]:
    arguments = [{**query.constants, **values}[name] for name in query.parameters]
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {query.sql}", *arguments)
    return [row[0] for row in rows]


class _Explained:
    """Stands in for a connection, and notes what the plan of each query reads."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.about = _FIRST
        self.ways: dict[str, dict[str, None]] = {}

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "fetchval"):
            return asked

        async def ask(query: str, *values: object) -> Any:
            ways = self.ways.setdefault(self.about, {})
            for row in await self._connection.fetch(f"EXPLAIN (COSTS OFF) {query}", *values):
                if way := _READS.search(row[0]):
                    ways.setdefault(way["index"] or f"all of {way['table']}")
            if self.about != _FIRST:
                self.about = "what to keep"  # a promise is one query
            return await asked(query, *values)

        return ask


async def _reads(connection: asyncpg.Connection, pattern: Pattern) -> list[str]:
    """Which indexes, and which whole tables, each promise of a usual proof reads."""
    await _grow(connection, pattern, _SINCE)
    explained = _Explained(connection)

    def on_step(step: ProofStep) -> None:
        these = [each.id for each in step.promises]
        explained.about = these[0] if len(these) == 1 else f"{len(these)} promises at once"

    await prove(explained, Limits(), on_step=on_step)
    return [f"{about}: {', '.join(ways)}" for about, ways in explained.ways.items()]
