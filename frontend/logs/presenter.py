"""From kept lines of log to the tail of them; pure."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from frontend.logs.view_models import LogField, LogFilter, LogRow, LogsView
from frontend.web.filters import filtered_url
from frontend.web.formatting import clock, cut, took
from frontend.web.gaps import lines_lost
from frontend.web.labels import State, hue_of
from observatory.sources.down import Down
from observatory.store.log_search import as_term
from observatory.store.model import StoredLine, moment
from observatory.store.results import LogTail

_LEVEL_MARKS: dict[str, State] = {"CRITICAL": "failed", "ERROR": "failed", "WARNING": "degraded"}
# Fields that a line's own columns show already.
_SHOWN = frozenset({"service", "gremlin", "exception", "trace_id", "span_id"})
_EVERYTHING = LogFilter()
_EMPTY = frozenset({"", "None"})
_TAIL_PAIRS, _TAIL_CHARS = 10, 80
_LINE_CHARS, _EXCEPTION_CHARS = 400, 2_000


def log_row(
    line: StoredLine, *, since: datetime | None = None, wanted: LogFilter = _EVERYTHING
) -> LogRow:
    """One line of log; `since` is the beginning of the trace it is shown in. Its fields narrow the
    list that was `wanted`."""
    fields, more = _fields(line, wanted)
    pairs = dict(line.attributes)
    after = ""
    if since is not None:
        after = "+" + took(max(0.0, (line.at - since) / timedelta(milliseconds=1)))
    return LogRow(
        sequence=line.sequence,
        at=line.at,
        clock=clock(line.at) + "." + f"{line.at.microsecond // 1000:03d}",
        after=after,
        level=line.level,
        mark=_LEVEL_MARKS.get(line.level),
        hue=hue_of(line.service),
        message=cut(line.message, _LINE_CHARS),
        fields=fields,
        more=more,
        gremlin=cut(pairs.get("gremlin", ""), 80),
        exception=cut(pairs.get("exception", ""), _EXCEPTION_CHARS),
        trace_id=line.trace_id,
        span_id=line.span_id,
        around_url=f"/logs?around={line.at_ns}#line-{line.sequence}",
        is_middle=str(line.at_ns) == wanted.around,
    )


def _fields(line: StoredLine, wanted: LogFilter) -> tuple[tuple[LogField, ...], str]:
    """The line's other fields, and how many are not shown; values that the message holds already
    are left out."""
    shown = set(line.message.split())
    pairs = [
        (key, cut(value, _TAIL_CHARS))
        for key, value in line.attributes
        if key not in _SHOWN and value not in shown and value not in _EMPTY
    ]
    fields = tuple(
        LogField(f"{cut(key, 40)}={value}", _narrowed(wanted, as_term(key, value)))
        for key, value in pairs[:_TAIL_PAIRS]
    )
    more = len(pairs) - _TAIL_PAIRS
    return fields, f"and {more} more" if more > 0 else ""


def _narrowed(wanted: LogFilter, term: str) -> str:
    text = wanted.text if term in wanted.text else f"{wanted.text} {term}".strip()
    return filtered_url("/logs", replace(wanted, text=text))


def no_lines(mistake: str) -> LogsView:
    """The tail for filters that cannot be read."""
    return LogsView((), True, None, False, "", None, mistake=mistake)


def logs(
    tail: LogTail,
    *,
    wanted: LogFilter,
    silent: Down | None,
    unsent: str = "",
    elsewhere: str = "",
) -> LogsView:
    """The tail, newest first."""
    # They are kept as they came, and each service sends its own once a second.
    newest_first = sorted(tail.lines, key=lambda line: (line.at, line.sequence), reverse=True)
    return LogsView(
        lines=tuple(log_row(line, wanted=wanted) for line in newest_first),
        filtered=wanted != _EVERYTHING,
        kept=tail.kept,
        more=tail.more,
        lost=lines_lost(tail.losses),
        silent=silent,
        unsent=unsent,
        elsewhere=elsewhere,
        middle=moment(int(wanted.around)) if wanted.around else None,
    )
