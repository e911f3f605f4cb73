"""From kept traces to lists of them; pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from frontend.traces.view_models import TraceLine, TracesView
from frontend.web.formatting import cut, share, took
from frontend.web.gaps import traces_lost
from frontend.web.labels import HUES, Hue, State, hue_of
from observatory.sources.down import Down
from observatory.sources.protocols import TraceList
from observatory.store.results import TraceRow

_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME_CHARS = 120


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
    if status == 499:
        return "failed", "caller left"
    if status >= 500 or row.broken:
        return "failed", f"{status} failed"
    if status >= 400:
        return "refused", f"{status} refused"
    return (
        ("degraded", f"{status}, failed downstream") if row.failed else ("good", f"{status} good")
    )


def _verdict_without_http(row: TraceRow) -> tuple[State, str]:
    if row.broken:
        return "failed", "failed"
    if not row.complete:
        # Whatever began it has not ended, or was never sent here: nobody knows yet how it went.
        return "none", "incomplete"
    return ("degraded", "failed downstream") if row.failed else ("good", "done")


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
        # The shop's own limit: what another program takes is not judged by it.
        slow=row.slow and row.service in HUES,
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


def fold_retries(
    rows: Sequence[TraceRow], lines: Sequence[TraceLine]
) -> tuple[tuple[TraceLine, ...], tuple[TraceLine, ...]]:
    """The requests, each with what the shop did later for the same order by itself, and what it did
    for orders without a request among them: work that no request began is a retry."""
    hosts = {order: row.trace_id for row in rows if row.status is not None for order in row.orders}
    under: dict[str, list[TraceLine]] = {}
    for row, line in zip(rows, lines, strict=True):
        if row.status is None:
            host = next((hosts[order] for order in row.orders if order in hosts), "")
            under.setdefault(host, []).append(line)
    requests = tuple(
        replace(line, retries=tuple(under.get(row.trace_id, ())))
        for row, line in zip(rows, lines, strict=True)
        if row.status is not None
    )
    return requests, tuple(under.get("", ()))


def hues(services: Iterable[str]) -> tuple[Hue, ...]:
    """Each service once, the shop's own in their usual order."""
    order = list(HUES)
    known = sorted(set(services), key=lambda s: (order.index(s) if s in HUES else len(order), s))
    return tuple(hue_of(service) for service in known)


def no_traces(kind: str, mistake: str) -> TracesView:
    """The list for filters that cannot be read."""
    empty = traces(TraceList(()), kind=kind, filtered=True, limit=1, silent=None)
    return replace(empty, mistake=mistake)


def traces(
    found: TraceList,
    *,
    kind: str,
    filtered: bool,
    limit: int,
    silent: Down | None,
    unsent: str = "",
    elsewhere: str = "",
    since: datetime | None = None,
) -> TracesView:
    """The list of traces."""
    rows = trace_lines(found.rows)
    retries: tuple[TraceLine, ...] = ()
    if since is not None:
        rows, retries = fold_retries(found.rows, rows)
    return TracesView(
        rows=rows,
        since=since,
        retries=retries,
        kind=kind,
        filtered=filtered,
        kept=found.kept,
        more=len(found.rows) >= limit,
        lost=", ".join(filter(None, (traces_lost(found.losses), found.note))),
        silent=silent,
        unsent=unsent,
        elsewhere=elsewhere,
    )
