"""Judges clients' logs as one more promise: what every client was told is true."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from proof.clients import log
from proof.clients.oracle import (
    RECORDED,
    TERMINAL,
    contradictions_so_far,
    recorded_orders,
)
from proof.finding import Finding, Row
from proof.invariant import Invariant
from proof.statements import ROWS_SHOWN

CLIENTS_HEARD_THE_TRUTH = Invariant(
    id="I16",
    kind="Q",
    title="Clients heard the truth",
    promise="Each key has one answer, the same bytes for whoever asks and how often, and the order "
    "ended as the answer says.",
    sql=RECORDED.format(keys="'{keys of the log}'"),
    enforced_by="an answer is stored before it is given",
    reads="everything",
)


async def judge_logs(connection: asyncpg.Connection, logs: Sequence[Path]) -> Finding:
    """Compare every line of the logs with the database. Orders that are not settled yet leave it
    settling; a log that cannot be read, or is another shop's, leaves it unknown."""
    asked, known, waiting = 0, 0, 0
    rows: list[Row] = []
    try:
        for path in logs:
            for batch in log.read(path):
                recorded = await recorded_orders(connection, [each.key for each in batch])
                asked, known = asked + len(batch), known + len(recorded)
                waiting += sum(each.status not in TERMINAL for each in recorded.values())
                for intent in batch:
                    found = contradictions_so_far(intent, recorded.get(intent.key))
                    rows += [{"key": intent.key, "contradiction": each} for each in found]
    except (OSError, ValueError) as error:
        return Finding(CLIENTS_HEARD_THE_TRUTH, "unknown", reason=f"no clients' log: {error}")
    if asked and not known:
        reason = f"none of the {asked} orders of the log is in this database"
        return Finding(CLIENTS_HEARD_THE_TRUTH, "unknown", reason=reason)
    if rows:
        shown = tuple(rows[:ROWS_SHOWN])
        return Finding(CLIENTS_HEARD_THE_TRUTH, "violated", len(rows), len(rows), shown)
    return Finding(CLIENTS_HEARD_THE_TRUTH, "settling" if waiting else "holds", waiting)
