"""The clients' log held against the database, piece by piece."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from loadtests import client_log
from loadtests.intent import Intent
from loadtests.oracle import TERMINAL, RecordedOrder, contradictions_of, keyless, recorded_orders

SHOWN = 20


class ClientLog(msgspec.Struct):
    """What came of the comparison; `unjudged` says why there was none. `open` orders have not come
    to their end, `keyless` ones belong to nobody's key: made twice, if nobody else was shopping
    (`twice`). `traces` leads from a key to the trace that placed its order."""

    wishes: int = 0
    lies: int = 0
    first: list[str] = msgspec.field(default_factory=list)
    open: int = 0
    keyless: int = 0
    twice: bool = False
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
) -> ClientLog:
    """Read the whole log in pieces and ask the database about each."""
    found, known = ClientLog(), 0
    for batch in client_log.read(log):
        truth = await recorded_orders(connection, [wish.key for wish in batch])
        known += len(truth)
        found.wishes += len(batch)
        for wish in batch:
            _judge(found, wish, truth.get(wish.key), wanted_traces)
    if found.wishes and not known and found.lies:
        found.unjudged = (
            f"none of the {found.wishes} orders is in this database: it is not this shop's"
        )
    since = datetime.fromtimestamp(began_s, UTC)
    found.keyless = len(await keyless(connection, since))
    found.twice = alone and found.keyless > 0
    return found


def _judge(
    found: ClientLog, wish: Intent, truth: RecordedOrder | None, wanted_traces: frozenset[str]
) -> None:
    if truth is not None and wish.key in wanted_traces and truth.trace_id:
        found.traces[wish.key] = truth.trace_id
    if truth is not None and truth.status not in TERMINAL:
        found.open += 1
        # Its end is not known yet, so only who was told one already was told wrong.
        if not any(word.status == 201 for word in wish.words):
            return
    lies = contradictions_of(wish, truth)
    found.lies += bool(lies)
    found.first += lies[: max(0, SHOWN - len(found.first))]
