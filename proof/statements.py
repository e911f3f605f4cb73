"""How a promise is put to the database: its SQL in a count, over everything or a few orders."""

from typing import Any

from proof.checkpoint import Baseline
from proof.incremental import restrict
from proof.invariant import Invariant
from proof.quiescence import Quiescence

# So many offenders are shown.
ROWS_SHOWN = 5
# So many orders that are still settling go along with a checkpoint; with more it does not advance.
UNSETTLED_LIMIT = 1_000

# The row an invariant finds is shown with how many there are; the count costs no second pass.
_ALWAYS = "SELECT count(*) OVER () AS _total, 0 AS _overdue, v.* FROM (\n{sql}\n) v LIMIT $1"
# Of a promise about quiet times only rows that had long enough since the last fault count.
_QUIET = """\
SELECT count(*) OVER () AS _total,
       count(*) FILTER (WHERE greatest(v.since, $2) < $3) OVER () AS _overdue, v.*
FROM (
{sql}
) v ORDER BY v.since LIMIT $1"""


def query(invariant: Invariant, quiet: Quiescence, ground: Baseline) -> tuple[str, tuple[Any, ...]]:
    """The statement and its parameters, for as much of the books as `ground` leaves to be read."""
    template = _QUIET if invariant.kind == "Q" else _ALWAYS
    most = UNSETTLED_LIMIT + 1 if invariant.settles_later else ROWS_SHOWN
    times = (quiet.since, quiet.overdue_before)
    since = ground.since
    if since is None or not since.serves(invariant.reads):
        values = (most, *times) if invariant.kind == "Q" else (most,)
        return template.format(sql=invariant.sql), values
    given, sql = restrict(invariant.sql, invariant.reads)
    return given + template.format(sql=sql), (most, *times, *since.parameters(ground.until))
