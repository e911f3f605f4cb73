"""The statement of a promise: its SQL with a count, over all orders or only the changed ones; and
of many promises, where few orders changed."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from proof.checkpoint import Baseline, Checkpoint, Increment
from proof.incremental import changed_orders, restrict, rows_given
from proof.invariant import Invariant
from proof.quiescence import Quiescence

# How many offending rows are shown.
ROWS_SHOWN = 5
# A checkpoint names at most so many orders that are still settling; with more it does not advance.
UNSETTLED_LIMIT = 1_000

# Each row carries the total; a window function needs no second pass.
_AT_EVERY_INSTANT = (
    "SELECT count(*) OVER () AS _total, 0 AS _overdue, v.* FROM (\n{sql}\n) v LIMIT $1"
)
# For kind Q, a row is overdue if it had time enough since the last fault.
_WHEN_QUIESCENT = """\
SELECT count(*) OVER () AS _total,
       count(*) FILTER (WHERE greatest(v.since, $2) < $3) OVER () AS _overdue, v.*
FROM (
{sql}
) v ORDER BY v.since LIMIT $1"""

_LONG_AGO = datetime.fromtimestamp(0, UTC)
# For a statement that is only planned.
NOTHING_CHANGED = (
    Quiescence(_LONG_AGO, _LONG_AGO, _LONG_AGO, 0),
    Baseline(
        0, 0, "", increment=Increment(Checkpoint(0, _LONG_AGO, 0, {}), changed_orders(()), None)
    ),
)


def query(
    invariant: Invariant, quiescence: Quiescence, baseline: Baseline
) -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters, limited to rows changed since the checkpoint."""
    template = _WHEN_QUIESCENT if invariant.kind == "Q" else _AT_EVERY_INSTANT
    limit = UNSETTLED_LIMIT + 1 if invariant.settles_later else ROWS_SHOWN
    times = (quiescence.since, quiescence.overdue_before)
    increment = baseline.increment
    if increment is None or not increment.covers(invariant.reads):
        values = (limit, *times) if invariant.kind == "Q" else (limit,)
        return template.format(sql=invariant.sql), values
    limited = restrict(invariant.sql, invariant.reads)
    given = rows_given(limited.tables, invariant.reads)
    values = (limit, *times, *increment.parameters(baseline.until, given.parameters))
    return given.clause + template.format(sql=limited.sql), values


def can_be_together(invariant: Invariant) -> bool:
    """Whether `query_of_many` takes it: of other tables it reads what no other promise reads."""
    return invariant.reads in ("orders", "everything")


def query_of_many(
    invariants: Sequence[Invariant], quiescence: Quiescence, baseline: Baseline
) -> tuple[str, tuple[Any, ...]]:
    """One statement that has the `id` of each of these promises that finds a row. It reads the
    changed rows of each table once for all of them; only for a baseline with an increment."""
    increment = baseline.increment
    if increment is None:
        raise ValueError("nothing says which orders changed")
    sql, used = _of_many(tuple(invariants))
    times = (quiescence.since, quiescence.overdue_before)
    return sql, (ROWS_SHOWN, *times, *increment.parameters(baseline.until, used))


@functools.cache
def _of_many(invariants: tuple[Invariant, ...]) -> tuple[str, frozenset[int]]:
    tables: dict[str, None] = {}
    parts = []
    for each in invariants:
        sql = each.sql
        if each.reads == "orders":
            limited = restrict(sql, each.reads)
            sql, tables = limited.sql, tables | dict.fromkeys(limited.tables)
        # A count needs no column of the rows, and is planned for all of them.
        parts.append(f"SELECT '{each.id}' AS id FROM (\n{sql}\n) v HAVING count(*) > 0")  # noqa: S608
    given = rows_given(tuple(tables), "orders")
    return given.clause + "\nUNION ALL\n".join(parts), given.parameters
