"""From kept traces and lines to lists of them; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from frontend.overview.view_models import State
from frontend.traces.view_models import Hue, LogRow, LogsView, TraceLine, TracesView
from frontend.web.templating import THIN, count
from observatory.limits import LossCounts
from observatory.sources.down import Down
from observatory.sources.protocols import TraceList
from observatory.store.model import LogLine
from observatory.store.results import LogTail, TraceRow
from topology import NAMES, SERVICES

_HUES = {each.name: Hue(each.key, each.label, each.name) for each in SERVICES}
_LEVEL_MARKS: dict[str, State] = {"CRITICAL": "failed", "ERROR": "failed", "WARNING": "degraded"}
# Fields that a line's own columns show already.
_SHOWN = frozenset({"service", "gremlin", "exception", "trace_id", "span_id"})
_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOTHING = frozenset({"", "None"})
_TAIL_PAIRS, _TAIL_CHARS = 10, 80
_LINE_CHARS, _NAME_CHARS, _EXCEPTION_CHARS = 400, 120, 2_000


def took(milliseconds: float) -> str:
    """A length of time with the digits that matter: 0.42 ms, 12.3 ms, 480 ms, 2.01 s."""
    if milliseconds < 10:
        return f"{milliseconds:.2f}{THIN}ms"
    if milliseconds < 100:
        return f"{milliseconds:.1f}{THIN}ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}{THIN}ms"
    return f"{milliseconds / 1000:.2f}{THIN}s"


def cut(text: str, most: int) -> str:
    """The beginning of a long text, with a sign that there was more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def share(part: float) -> str:
    """0.125 as "12.5%", for an attribute of a drawing."""
    return f"{100 * min(max(part, 0.0), 1.0):.3f}".rstrip("0").rstrip(".") + "%"


def hue_of(service: str) -> Hue:
    """A service's colour and label."""
    return _HUES.get(service) or Hue("other", cut(service, 40), cut(service, 80))


def verdict(row: TraceRow) -> tuple[State, str]:
    """How a trace ended, in a state and a word or two. What failed inside a request that was
    answered well is trouble; a first span in error is a failure, unless the order goes on (202)."""
    status = row.status
    if status is None:
        return _verdict_without_http(row)
    if status == 0:
        return "failed", "cut off"
    if status == 202:
        return "degraded", "202 pending"
    if status >= 500 or (row.broken and status != 499):
        return "failed", f"{status} failed"
    if status >= 400:
        return "refused", "caller left" if status == 499 else f"{status} refused"
    return ("degraded", f"{status}, trouble inside") if row.failed else ("good", f"{status} good")


def _verdict_without_http(row: TraceRow) -> tuple[State, str]:
    if row.broken:
        return "failed", "failed"
    if not row.complete:
        # Whatever began it has not ended, or was never sent here: nobody knows yet how it went.
        return "none", "incomplete"
    return ("degraded", "trouble inside") if row.failed else ("good", "done")


def trace_line(row: TraceRow, longest_ms: float) -> TraceLine:
    """One trace in a list."""
    state, word = verdict(row)
    return TraceLine(
        trace_id=row.trace_id,
        at=row.at,
        name=cut(row.name, _NAME_CHARS),
        hue=hue_of(row.service),
        hues=hues(row.services),
        took=took(row.duration_ms),
        slow=row.slow,
        width=share(max(row.duration_ms / longest_ms, 0.004) if longest_ms else 0.004),
        spans=row.spans,
        errors=row.errors,
        state=state,
        word=word,
        gremlins=tuple(cut(name, 40) for name in row.gremlins[:3]),
        # Only an id that the order page would take becomes a link to it.
        orders=tuple(order for order in row.orders if _ORDER_ID.fullmatch(order)),
    )


def trace_lines(rows: Sequence[TraceRow]) -> tuple[TraceLine, ...]:
    """Traces with bars to one scale."""
    longest_ms = max((row.duration_ms for row in rows), default=0.0)
    return tuple(trace_line(row, longest_ms) for row in rows)


def hues(services: Iterable[str]) -> tuple[Hue, ...]:
    """Each service once, the shop's own in their usual order."""
    order = list(_HUES)
    known = sorted(set(services), key=lambda s: (order.index(s) if s in _HUES else len(order), s))
    return tuple(hue_of(service) for service in known)


def traces(
    found: TraceList,
    *,
    kind: str,
    filtered: bool,
    limit: int,
    silent: Down | None,
    unsent: str = "",
    elsewhere: str = "",
) -> TracesView:
    """The list of traces."""
    return TracesView(
        rows=trace_lines(found.rows),
        kind=kind,
        filtered=filtered,
        kept=found.kept,
        more=len(found.rows) >= limit,
        lost=", ".join(filter(None, (traces_lost(found.losses), found.note))),
        silent=silent,
        unsent=unsent,
        elsewhere=elsewhere,
    )


def log_row(line: LogLine, *, since: datetime | None = None) -> LogRow:
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


def _tail(line: LogLine) -> str:
    """What the line says beside its message; words that the message has already are left out."""
    said = set(line.message.split())
    pairs = [
        f"{cut(key, 40)}={cut(value, _TAIL_CHARS)}"
        for key, value in line.attributes
        if key not in _SHOWN and value not in said and value not in _NOTHING
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


def unsent(dropped: Mapping[str, int]) -> str:
    """What the services could not send, in words; empty when all of it left."""
    lost = [f"{count(dropped[key])} by {name}" for key, name in NAMES.items() if dropped.get(key)]
    return f"Spans and lines that could not be sent: {', '.join(lost)}." if lost else ""


def traces_lost(losses: LossCounts) -> str:
    """What of the traces is missing, in words; empty when nothing is."""
    return _lost(
        (losses.traces_evicted, "older traces made room"),
        (losses.spans_over_trace, "spans did not fit into their trace"),
        (losses.malformed, "spans or lines were malformed"),
        (losses.refused_requests, "deliveries were refused"),
    )


def lines_lost(losses: LossCounts) -> str:
    """What of the lines is missing, in words; empty when nothing is."""
    return _lost(
        (losses.lines_evicted, "older lines made room"),
        (losses.malformed, "spans or lines were malformed"),
        (losses.refused_requests, "deliveries were refused"),
    )


def _lost(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count(number)} {words}" for number, words in counts if number)
