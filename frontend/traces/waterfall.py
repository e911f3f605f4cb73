"""From one kept trace to its waterfall, everything in shares of its time; pure."""

from datetime import datetime, timedelta

from frontend.logs.presenter import log_line
from frontend.logs.view_models import LogLineView
from frontend.traces.presenter import hues, trace_line, trace_lines
from frontend.traces.view_models import Moment, Pairs, SpanLine, Tick, TraceView
from frontend.web.formatting import cut, share, took
from frontend.web.labels import hue_of
from observatory.sla import LIMIT_S
from observatory.store.results import EventMark, SpanRow, WaterfallView
from observatory.store.span_tree import ORPHAN

# Deeper spans stand under each other: a phone has no room for more steps.
_DEEPEST = 12
_VALUE_CHARS, _NAME_CHARS, _ERROR_CHARS = 800, 160, 300
# A page of a thousand spans with all they carry would be a hundred megabytes.
_PAGE_CHARS = 600_000
# Thinner than this nobody sees.
_THINNEST = 0.003
# Spans of one trace come within seconds of each other; the reconciler's are another trace.
_GROWS_S = 30.0
_STEPS = (1, 2, 5)
# From here on a label would leave the axis at its end.
_LATE = 0.87


def waterfall(kept: WaterfallView, now: datetime) -> TraceView:
    """A trace with its lines in place."""
    begun = kept.head.at
    room = _Room(_PAGE_CHARS)
    services = [row.service for row in kept.rows] or [kept.head.service]
    ended = begun + timedelta(milliseconds=kept.total_ms)
    return TraceView(
        trace_id=kept.head.trace_id,
        head=trace_line(kept.head, kept.head.duration_ms),
        total=took(kept.total_ms),
        ticks=ticks(kept.total_ms),
        spans=tuple(_span(row, begun, room) for row in kept.rows),
        lines=tuple(log_line(line, since=begun) for line in kept.logs),
        related=trace_lines(kept.related),
        hues=hues(services),
        left_out=kept.left_out,
        from_elsewhere=bool(kept.rows) and ORPHAN in kept.rows[0].marks,
        live=(now - ended).total_seconds() < _GROWS_S,
    )


class _Room:
    """How much text a page may still take."""

    def __init__(self, chars: int) -> None:
        self._left = chars

    def takes(self, pairs: Pairs) -> bool:
        """Whether these still fit; if so, they are counted."""
        size = sum(len(key) + len(value) for key, value in pairs)
        if size > self._left:
            return False
        self._left -= size
        return True


def _span(row: SpanRow, begun: datetime, room: _Room) -> SpanLine:
    attributes = _pairs(row.attributes)
    fits = room.takes(attributes)
    width = max(row.width, _THINNEST)
    x = min(row.offset, 1 - width)
    return SpanLine(
        span_id=row.span_id,
        depth=min(row.depth, _DEEPEST),
        hue=hue_of(row.service),
        name=cut(row.name, _NAME_CHARS),
        kind=row.kind,
        x=share(x),
        width=share(width),
        took=took(row.duration_ms),
        alone=took(row.self_ms),
        after="+" + took(row.offset_ms),
        critical=row.critical,
        failed=row.failed,
        error=cut(row.error or ("failed" if row.failed else ""), _ERROR_CHARS),
        gremlins=tuple(cut(name, 60) for name in row.gremlins),
        # Of the first span that is no fault: whoever asked keeps no spans here.
        marks=tuple(mark for mark in row.marks if not (row.depth == 0 and mark == ORPHAN)),
        attributes=attributes if fits else (),
        held_back=not fits,
        events=tuple(_moment(event, room) for event in row.events),
        lines=_lines(row, begun),
    )


def _lines(row: SpanRow, begun: datetime) -> tuple[LogLineView, ...]:
    return tuple(log_line(line, since=begun) for line in row.logs)


def _moment(event: EventMark, room: _Room) -> Moment:
    attributes = _pairs(event.attributes)
    return Moment(
        name=cut(event.name, _NAME_CHARS),
        x=share(event.offset),
        after="+" + took(event.offset_ms),
        gremlin=event.name.startswith("gremlin"),
        attributes=attributes if room.takes(attributes) else (),
    )


def _pairs(found: Pairs) -> Pairs:
    return tuple((cut(key, 80), cut(value, _VALUE_CHARS)) for key, value in found)


def ticks(total_ms: float) -> tuple[Tick, ...]:
    """Round times, four to eight of them, and where the SLA's second is over."""
    if total_ms <= 0:
        return (Tick("0%", "0"),)
    step_ms = _step(total_ms / 8)
    limit_ms = 1000 * LIMIT_S
    # On a longer axis the second would lie in its first twentieth, under the zero.
    over = limit_ms < total_ms <= 20 * limit_ms
    times_ms = [number * step_ms for number in range(int(0.96 * total_ms / step_ms) + 1)]
    found = [
        Tick(share(at_ms / total_ms), _label(at_ms), late=at_ms > _LATE * total_ms)
        for at_ms in times_ms
        # No label under the SLA's own.
        if not over or abs(at_ms - limit_ms) > total_ms / 20
    ]
    if over:
        late = limit_ms > _LATE * total_ms
        found.append(Tick(share(limit_ms / total_ms), f"SLA {LIMIT_S:g} s", sla=True, late=late))
    return tuple(found)


def _step(least_ms: float) -> float:
    power = 1e-3
    while power < 1e12:
        for step in _STEPS:
            if step * power >= least_ms:
                return step * power
        power *= 10
    return power


def _label(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:g} s"
    return f"{milliseconds:g} ms" if milliseconds else "0"
