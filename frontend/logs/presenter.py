"""From kept lines of log to the tail of them; pure."""

from datetime import datetime, timedelta

from frontend.logs.view_models import LogRow, LogsView
from frontend.web.formatting import cut, took
from frontend.web.gaps import lines_lost
from frontend.web.labels import State, hue_of
from observatory.sources.down import Down
from observatory.store.model import StoredLine
from observatory.store.results import LogTail

_LEVEL_MARKS: dict[str, State] = {"CRITICAL": "failed", "ERROR": "failed", "WARNING": "degraded"}
# Fields that a line's own columns show already.
_SHOWN = frozenset({"service", "gremlin", "exception", "trace_id", "span_id"})
_EMPTY = frozenset({"", "None"})
_TAIL_PAIRS, _TAIL_CHARS = 10, 80
_LINE_CHARS, _EXCEPTION_CHARS = 400, 2_000


def log_row(line: StoredLine, *, since: datetime | None = None) -> LogRow:
    """One line of log; `since` is the beginning of the trace it is shown in."""
    pairs = dict(line.attributes)
    after = ""
    if since is not None:
        after = "+" + took(max(0.0, (line.at - since) / timedelta(milliseconds=1)))
    return LogRow(
        sequence=line.sequence,
        at=line.at,
        clock=line.at.strftime("%H:%M:%S.") + f"{line.at.microsecond // 1000:03d}",
        after=after,
        level=line.level,
        mark=_LEVEL_MARKS.get(line.level),
        hue=hue_of(line.service),
        message=cut(line.message, _LINE_CHARS),
        tail=_tail(line),
        gremlin=cut(pairs.get("gremlin", ""), 80),
        exception=cut(pairs.get("exception", ""), _EXCEPTION_CHARS),
        trace_id=line.trace_id,
        span_id=line.span_id,
    )


def _tail(line: StoredLine) -> str:
    """The line's other fields; values that the message holds already are left out."""
    shown = set(line.message.split())
    pairs = [
        f"{cut(key, 40)}={cut(value, _TAIL_CHARS)}"
        for key, value in line.attributes
        if key not in _SHOWN and value not in shown and value not in _EMPTY
    ]
    more = len(pairs) - _TAIL_PAIRS
    return "  ".join(pairs[:_TAIL_PAIRS]) + (f"  and {more} more" if more > 0 else "")


def logs(
    tail: LogTail,
    *,
    filtered: bool,
    silent: Down | None,
    unsent: str = "",
    elsewhere: str = "",
) -> LogsView:
    """The tail, newest first."""
    # They are kept as they came, and each service sends its own once a second.
    newest_first = sorted(tail.lines, key=lambda line: (line.at, line.sequence), reverse=True)
    return LogsView(
        lines=tuple(log_row(line) for line in newest_first),
        filtered=filtered,
        kept=tail.kept,
        more=tail.more,
        lost=lines_lost(tail.losses),
        silent=silent,
        unsent=unsent,
        elsewhere=elsewhere,
    )
