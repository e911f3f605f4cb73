"""The clients' log compared with the database, batch by batch."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from proof.clients import log as client_log
from proof.clients.intent import Intent
from proof.clients.oracle import (
    TERMINAL,
    RecordedOrder,
    contradictions_so_far,
    keyless,
    recorded_orders,
)

SHOWN = 20


class Comparison(msgspec.Struct):
    """The result; `unjudged` says why there is none. `open` orders are not settled yet, `keyless`
    ones belong to no shopper's key: made twice, if nobody else was shopping (`duplicated`).
    `traces` leads from a key to the trace that placed its order."""

    orders: int = 0
    contradictions: int = 0
    examples: list[str] = msgspec.field(default_factory=list)
    open: int = 0
    keyless: int = 0
    duplicated: bool = False
    beyond: int = 0
    unjudged: str = ""
    traces: dict[str, str] = msgspec.field(default_factory=dict)


async def compare(
    connection: asyncpg.Connection,
    log: Path,
    began_s: float,
    *,
    alone: bool,
    wanted_traces: frozenset[str] = frozenset(),
) -> Comparison:
    """Read the whole log in batches and ask the database about each."""
    found, recorded_count = Comparison(), 0
    for batch in client_log.read(log):
        recorded = await recorded_orders(connection, [intent.key for intent in batch])
        recorded_count += len(recorded)
        found.orders += len(batch)
        for intent in batch:
            _judge(found, intent, recorded.get(intent.key), wanted_traces)
    if found.orders and not recorded_count and found.contradictions:
        found.unjudged = (
            f"none of the {found.orders} orders is in this database: it is not this shop's"
        )
    since = datetime.fromtimestamp(began_s, UTC)
    found.keyless = len(await keyless(connection, since))
    found.duplicated = alone and found.keyless > 0
    return found


def _judge(
    found: Comparison, intent: Intent, recorded: RecordedOrder | None, wanted_traces: frozenset[str]
) -> None:
    if recorded is not None and intent.key in wanted_traces and recorded.trace_id:
        found.traces[intent.key] = recorded.trace_id
    found.open += recorded is not None and recorded.status not in TERMINAL
    contradictions = contradictions_so_far(intent, recorded)
    found.contradictions += bool(contradictions)
    found.examples += contradictions[: max(0, SHOWN - len(found.examples))]
