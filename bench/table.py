"""How cost grows with the number of orders kept: the pages, the reconciler's claim, the proof."""

import statistics
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import click

from bench import floor
from chassis.database import Statement
from chassis.settings import load
from frontend import ledger
from frontend.proof.examiner import Examiner
from services.order import store, worklist

# Everything one order leaves behind, and the column that says whose it is.
_TRACES = {
    "orders.orders": "id",
    "orders.history": "order_id",
    "inventory.reservations": "order_id",
    "payments.payments": "order_id",
    "payments.attempts": "order_id",
    "payments.attempt_history": "order_id",
    "payments.ledger": "transfer_id",
    "gateway.charges": "order_ref",
}
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
  AND attidentity = '' AND attgenerated = '' ORDER BY attnum"""
_ASKED = 9
# The proof is asked less often: at a million orders it reads for seconds.
_PROVED = 3
_QUESTIONS: dict[str, tuple[Statement, Mapping[str, object]]] = {
    "orders panel": (ledger._RECENT, {"limit": 14}),  # noqa: SLF001 - exactly these statements
    "figures panel": (ledger._FIGURES, {"window_s": 30.0}),  # noqa: SLF001
    "GET /orders": (store._PAGE, {"most": 50}),  # noqa: SLF001
    "reconciler's claim": (worklist._CLAIM_DUE, {"most": 16, "lease_s": 6.0}),  # noqa: SLF001
}


async def measure(database_url: str, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Milliseconds of each question at each size, and the plans at the largest."""
    pattern, _ = await floor.record(database_url)
    connection = await asyncpg.connect(database_url)
    found: dict[str, Any] = {"ms": {}, "plans": {}}
    known = 1
    for size in sizes:
        await _grow(connection, pattern, size - known)
        known = size
        found["ms"][str(size)] = {
            name: await _asked(connection, *question) for name, question in _QUESTIONS.items()
        } | {"verify": await _proved(database_url)}
        click.echo(f"  {size} orders done")
    for name, (query, values) in _QUESTIONS.items():
        found["plans"][name] = await _plan(connection, query, values)
    await connection.close()
    return found


async def _grow(connection: asyncpg.Connection, pattern: UUID, by: int) -> None:
    """As many copies of one good order with everything it left, a second apart into the past.

    Triggers are off meanwhile: what they would check is true of the pattern, and so of a copy."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(
        "CREATE TEMP TABLE copies AS SELECT gen_random_uuid() AS id, n * interval '1 s' AS ago"  # noqa: S608
        f" FROM generate_series(1, {by}) AS n"
    )
    for table, key in _TRACES.items():
        columns = await connection.fetch(_COLUMNS, table)
        names = ", ".join(column["attname"] for column in columns)
        values = ", ".join(
            _copied(column["attname"], column["type"], pattern) for column in columns
        )
        await connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} AS old, copies"  # noqa: S608
            f" WHERE old.{key}::text LIKE '%{pattern}%'"
        )
    await connection.execute(
        f"UPDATE inventory.stock SET total = total + {by}, sold = sold + {by}"  # noqa: S608
        f" WHERE product_id = '{floor.PRODUCT}'"
    )
    await connection.execute("DROP TABLE copies")
    await connection.execute("SET session_replication_role = origin")
    await connection.execute("VACUUM ANALYZE")


def _copied(name: str, kind: str, pattern: UUID) -> str:
    if kind == "uuid":
        return f"CASE old.{name} WHEN '{pattern}' THEN copies.id ELSE old.{name} END"
    if kind == "text":
        return f"replace(old.{name}, '{pattern}', copies.id::text)"
    if kind.startswith("timestamp"):
        return f"old.{name} - copies.ago"
    return f"old.{name}"


async def _asked(
    connection: asyncpg.Connection, query: Statement, values: Mapping[str, object]
) -> float:
    arguments = [(query.constants | values)[name] for name in query.parameters]
    took: list[float] = []
    for _ in range(_ASKED):
        begun = time.perf_counter()
        await connection.fetch(query.sql, *arguments)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


async def _proved(database_url: str) -> float:
    settings = load("dashboard", {}, database_url=database_url)
    took: list[float] = []
    async with Examiner(settings, statement_timeout_s=120.0) as examiner:
        for _ in range(_PROVED):
            begun = time.perf_counter()
            report = await examiner.ask()
            took.append((time.perf_counter() - begun) * 1000)
            if report.state != "holds":
                raise click.ClickException(f"the copied orders are {report.state}: no measurement")
    return statistics.median(took)


async def _plan(
    connection: asyncpg.Connection, query: Statement, values: Mapping[str, object]
) -> list[str]:
    arguments = [(query.constants | values)[name] for name in query.parameters]
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) {query.sql}", *arguments)
    return [row[0] for row in rows]
