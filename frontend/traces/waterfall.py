"""From one kept trace to its waterfall, everything in shares of its time; pure."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from frontend.logs.presenter import log_row
from frontend.traces.presenter import hues, trace_line, trace_lines
from frontend.traces.view_models import Moment, Pairs, SpanRow, Tick, TraceView
from frontend.web.formatting import cut, share, took
from frontend.web.labels import HUES, hue_of
from observatory.sla import LIMIT_S
from observatory.store.model import KINDS, Event, StoredLine, StoredSpan, moment
from observatory.store.results import Waterfall, milliseconds
from observatory.store.span_tree import ORPHAN, PlacedSpan

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
# What a label takes of a waterfall's axis, and of a narrow one: on a tablet (beside names),
# on a phone, on an order's page.
_LABEL, _LABEL_OF_NARROW = 0.085, 0.26


def waterfall(kept: Waterfall, now: datetime) -> TraceView:
    """A trace with its lines in place."""
    axis = _Axis(kept.start_ns, kept.end_ns)
    room = _Room(_PAGE_CHARS)
    services = [placed.span.service for placed in kept.spans] or [kept.head.service]
    lines: dict[str, list[StoredLine]] = {placed.span.span_id: [] for placed in kept.spans}
    outside: list[StoredLine] = []
    for line in kept.lines:
        lines.get(line.span_id, outside).append(line)
    return TraceView(
        trace_id=kept.head.trace_id,
        head=trace_line(kept.head, kept.head.duration_ms),
        total=took(axis.total_ms),
        ticks=ticks(axis.total_ms, judged=kept.head.service in HUES),
        spans=tuple(_row(each, axis, lines[each.span.span_id], room) for each in kept.spans),
        lines=tuple(log_row(line, since=kept.head.at) for line in outside),
        related=trace_lines(kept.related),
        hues=hues(services),
        left_out=kept.left_out,
        from_elsewhere=bool(kept.spans) and kept.spans[0].mark == ORPHAN,
        live=(now - moment(kept.end_ns)).total_seconds() < _GROWS_S,
    )


class _Axis(Struct, frozen=True):
    """The trace's whole time."""

    start_ns: int
    end_ns: int

    @property
    def total_ms(self) -> float:
        return milliseconds(self.end_ns - self.start_ns)

    def share(self, ns: int) -> float:
        """A length of time as a share of the whole, from 0 to 1."""
        return ns / max(self.end_ns - self.start_ns, 1)

    def after(self, at_ns: int) -> str:
        """How long after the beginning, as "+12.3 ms"."""
        return "+" + took(milliseconds(at_ns - self.start_ns))


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


def _row(placed: PlacedSpan, axis: _Axis, lines: Sequence[StoredLine], room: _Room) -> SpanRow:
    span = placed.span
    attributes, resource = _pairs(span.attributes), _resource(span)
    fits = room.takes(attributes + resource)
    offset = axis.share(span.start_ns - axis.start_ns)
    width = max(min(axis.share(span.end_ns - span.start_ns), 1 - offset), _THINNEST)
    marks = (placed.mark, *span.marks) if placed.mark else span.marks
    return SpanRow(
        span_id=span.span_id,
        parent_id=span.parent_id,
        depth=min(placed.depth, _DEEPEST),
        hue=hue_of(span.service),
        name=cut(span.name, _NAME_CHARS),
        kind=KINDS[span.kind],
        x=share(min(offset, 1 - width)),
        width=share(width),
        took=took(milliseconds(span.end_ns - span.start_ns)),
        alone=took(milliseconds(placed.self_ns)),
        after=axis.after(span.start_ns),
        critical=placed.critical,
        failed=span.failed,
        error=cut(span.error or ("failed" if span.failed else ""), _ERROR_CHARS),
        gremlins=tuple(cut(name, 60) for name in span.gremlins),
        # Of the first span that is no fault: whoever asked keeps no spans here.
        marks=tuple(mark for mark in marks if not (placed.depth == 0 and mark == ORPHAN)),
        attributes=attributes if fits else (),
        resource=resource if fits else (),
        held_back=not fits,
        events=tuple(_moment(event, axis, room) for event in span.events),
        lines=tuple(log_row(line, since=moment(axis.start_ns)) for line in lines),
    )


def _moment(event: Event, axis: _Axis, room: _Room) -> Moment:
    attributes = _pairs(event.attributes)
    return Moment(
        name=cut(event.name, _NAME_CHARS),
        x=share(axis.share(event.at_ns - axis.start_ns)),
        after=axis.after(event.at_ns),
        gremlin=event.name.startswith("gremlin"),
        attributes=attributes if room.takes(attributes) else (),
    )


def _resource(span: StoredSpan) -> Pairs:
    who = (("service.name", span.service), ("service.instance.id", span.instance))
    return _pairs((*(pair for pair in who if pair[1]), *span.resource))


def _pairs(found: Pairs) -> Pairs:
    return tuple((cut(key, 80), cut(value, _VALUE_CHARS)) for key, value in found)


def ticks(total_ms: float, *, judged: bool = True) -> tuple[Tick, ...]:
    """Round times, four to eight of them, and where the SLA's second is over if it is `judged`."""
    if total_ms <= 0:
        return (Tick("0%", "0"),)
    step_ms = _step(total_ms / 8)
    limit_ms = 1000 * LIMIT_S
    # On a longer axis the second would lie in its first twentieth, under the zero.
    over = judged and limit_ms < total_ms <= 20 * limit_ms
    times_ms = [number * step_ms for number in range(int(0.96 * total_ms / step_ms) + 1)]
    limit = limit_ms / total_ms if over else None
    found: list[Tick] = []
    taken = [] if limit is None else [limit]
    taken_of_narrow = list(taken)
    for at_ms in times_ms:
        at = at_ms / total_ms
        # No label over another, and none over the SLA's own.
        if any(_meet(at, other, _LABEL) for other in taken):
            continue
        taken.append(at)
        # The zero is short.
        near = at > 0 and any(_meet(at, other, _LABEL_OF_NARROW) for other in taken_of_narrow)
        if at > 0 and not near:
            taken_of_narrow.append(at)
        found.append(Tick(share(at), _label(at_ms), late=at > _LATE, near=near))
    if limit is not None:
        label = f"SLA {LIMIT_S:g} s"
        found.append(Tick(share(limit), label, sla=True, late=limit > _LATE))
    return tuple(found)


def _meet(one: float, other: float, width: float) -> bool:
    """Whether labels of this width, each at its mark, stand over each other."""
    begins = [at - width if at > _LATE else at for at in (one, other)]
    return abs(begins[0] - begins[1]) < width


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
