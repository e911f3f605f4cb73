"""Two traces beside each other: the same work in both, and what only one of them did; pure."""

from collections.abc import Sequence

from msgspec import Struct

from frontend.traces.presenter import trace_line
from frontend.traces.view_models import TraceLine
from frontend.web.formatting import cut, share, took
from frontend.web.labels import Hue, hue_of
from observatory.store.results import TraceRow, Waterfall, milliseconds
from observatory.store.span_tree import PlacedSpan

# As deep as the waterfall shows steps.
_DEEPEST = 12
_NAME_CHARS = 160
# Less than this is chance, whichever of them took longer.
_NOTABLE_MS, _NOTABLE_SHARE = 1.0, 0.2


class ComparedSide(Struct, frozen=True):
    """A span in one of the traces; `width` is its share of the longer trace's time."""

    span_id: str
    duration_ms: float
    took: str
    width: str
    failed: bool
    gremlins: tuple[str, ...]


class ComparedSpan(Struct, frozen=True):
    """One piece of work: `a` and `b` where that trace has it, `more_ms` what it took longer in b.
    `change` is "slower", "faster", "same", "only-a" or "only-b"."""

    service: str
    hue: Hue
    name: str
    depth: int
    a: ComparedSide | None
    b: ComparedSide | None
    more_ms: float
    difference: str
    change: str


class TraceComparison(Struct, frozen=True):
    """Two traces, span by span in the order of the first."""

    a: TraceLine
    b: TraceLine
    spans: tuple[ComparedSpan, ...]


def compare(a: Waterfall, b: Waterfall) -> TraceComparison:
    """Spans are the same work when their services, names and parents are, and their number among
    such siblings."""
    longest_ms = max(_length_ms(a), _length_ms(b), 0.001)
    roots = [[each for each in whole.spans if each.depth == 0] for whole in (a, b)]
    # With a list, not by recursion: a trace may be a thousand spans deep.
    stack = [(pair, 0) for pair in reversed(_pairs(*roots))]
    found = []
    while stack:
        (left, right), depth = stack.pop()
        found.append(_compared(left, right, depth, longest_ms))
        below = _pairs(left.children if left else (), right.children if right else ())
        stack += [(pair, depth + 1) for pair in reversed(below)]
    return TraceComparison(_line(a.head), _line(b.head), tuple(found))


Pair = tuple[PlacedSpan | None, PlacedSpan | None]


def _pairs(a: Sequence[PlacedSpan], b: Sequence[PlacedSpan]) -> list[Pair]:
    ours, theirs = _numbered(a), _numbered(b)
    return [(ours.get(key), theirs.get(key)) for key in dict.fromkeys((*ours, *theirs))]


def _numbered(spans: Sequence[PlacedSpan]) -> dict[tuple[str, str, int], PlacedSpan]:
    counts: dict[tuple[str, str], int] = {}
    numbered = {}
    for each in spans:
        key = (each.span.service, each.span.name)
        counts[key] = counts.get(key, 0) + 1
        numbered[*key, counts[key]] = each
    return numbered


def _compared(
    left: PlacedSpan | None, right: PlacedSpan | None, depth: int, longest_ms: float
) -> ComparedSpan:
    shown = (left or right).span  # type: ignore[union-attr]  # a pair has at least one
    a, b = _side(left, longest_ms), _side(right, longest_ms)
    more_ms = b.duration_ms - a.duration_ms if a and b else 0.0
    sign = "+" if more_ms > 0 else "−" if more_ms < 0 else ""  # noqa: RUF001
    return ComparedSpan(
        service=shown.service,
        hue=hue_of(shown.service),
        name=cut(shown.name, _NAME_CHARS),
        depth=min(depth, _DEEPEST),
        a=a,
        b=b,
        more_ms=round(more_ms, 3),
        difference=sign + took(abs(more_ms)) if a and b else "",
        change=_change(a, b),
    )


def _change(a: ComparedSide | None, b: ComparedSide | None) -> str:
    if a is None or b is None:
        return "only-b" if a is None else "only-a"
    more_ms = b.duration_ms - a.duration_ms
    if abs(more_ms) < max(_NOTABLE_MS, _NOTABLE_SHARE * min(a.duration_ms, b.duration_ms)):
        return "same"
    return "slower" if more_ms > 0 else "faster"


def _side(placed: PlacedSpan | None, longest_ms: float) -> ComparedSide | None:
    if placed is None:
        return None
    span = placed.span
    length_ms = milliseconds(span.end_ns - span.start_ns)
    return ComparedSide(
        span_id=span.span_id,
        duration_ms=length_ms,
        took=took(length_ms),
        width=share(max(length_ms / longest_ms, 0.004)),
        failed=span.failed,
        gremlins=tuple(cut(name, 60) for name in span.gremlins),
    )


def _length_ms(whole: Waterfall) -> float:
    return milliseconds(whole.end_ns - whole.start_ns)


def _line(head: TraceRow) -> TraceLine:
    return trace_line(head, head.duration_ms)
