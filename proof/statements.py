"""The statement of a promise: its SQL with a count, over all orders or only the changed ones."""

from typing import Any

from proof.checkpoint import Baseline
from proof.incremental import restrict
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
    clause, sql = restrict(invariant.sql, invariant.reads)
    return clause + template.format(sql=sql), (limit, *times, *increment.parameters(baseline.until))
