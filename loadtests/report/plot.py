"""What a chart is made of: scales, axes, gridlines and text, as SVG without any script."""

import math
from collections.abc import Callable, Sequence
from html import escape

import msgspec

# A space too narrow to break at, between a number and its unit or between thousands.
THIN = "\u202f"
# A character of the small type, in the drawing's own units: wide enough for every system's font.
CHARACTER = 6.6
# What stands where nothing was measured: a dash.
NOTHING = "\u2013"


class Size(msgspec.Struct, frozen=True):
    """How large a drawing is and how much room its axes take. A phone gets a drawing of its own,
    since a wide one made small could not be read."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    columns: int
    ticks: int


WIDE = Size(1060, 300, 52, 52, 26, 30, columns=90, ticks=8)
NARROW = Size(358, 250, 44, 38, 26, 30, columns=40, ticks=4)


def scale(low: float, high: float, begin: float, end: float) -> Callable[[float], float]:
    """From values to places, evenly."""
    span = (high - low) or 1.0
    return lambda value: begin + (min(max(value, low), high) - low) / span * (end - begin)


def log_scale(low: float, high: float, begin: float, end: float) -> Callable[[float], float]:
    """From values to places, so that twice as much is always as far."""
    even = scale(math.log(low), math.log(high), begin, end)
    return lambda value: even(math.log(min(max(value, low), high)))


def steps(high: float, about: int) -> list[float]:
    """Round numbers from 0 to at least `high`, about so many."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / max(about, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    return [step * number for number in range(math.ceil(high / step) + 1)]


def count(number: float) -> str:
    """12345 as "12 345"."""
    return f"{number:,.0f}".replace(",", THIN)


def seconds(value: float) -> str:
    """A moment of the run."""
    if value < 120:
        return f"{value:g}{THIN}s"
    return f"{int(value // 60)}:{int(value % 60):02d}"


def duration(ms: float | None) -> str:
    """How long something took, with the digits that matter."""
    if ms is None:
        return NOTHING
    if ms < 9.95:
        return f"{ms:.1f}{THIN}ms"
    return f"{ms:.0f}{THIN}ms" if ms < 999.5 else f"{ms / 1000:.2f}{THIN}s"


def in_round(ms: float) -> str:
    """A round duration, for an axis."""
    if not ms:
        return "0"
    return f"{ms:g}{THIN}ms" if ms < 1000 else f"{ms / 1000:g}{THIN}s"


def text(x: float, y: float, result: str, *, kind: str = "tick", anchor: str = "middle") -> str:
    """A text in the drawing."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(result)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """A line through points, or the surface between them."""
    if not points:
        return ""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    tag = "polygon" if closed else "polyline"
    return f'<{tag} class="{kind}" points="{corners}"/>'


def mark(x: float, y: float, state: str) -> str:
    """A state as a shape: a disc, a triangle, a square."""
    if state == "good":
        return f'<circle class="dot {state}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
    if state == "degraded":
        corners = ((x, y - 3.6), (x + 3.6, y + 2.8), (x - 3.6, y + 2.8))
        return path(corners, f"dot {state}", closed=True)
    return f'<rect class="dot {state}" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'


class Frame:
    """One drawing: where its time and its values are, and the parts added so far."""

    def __init__(self, size: Size, until: float) -> None:
        self.size = size
        self.x = scale(0, until, size.left, size.width - size.right)
        self.floor, self.roof = size.height - size.bottom, size.top
        self.parts: list[str] = []

    def add(self, *parts: str) -> None:
        """Add on top of what is there."""
        self.parts.extend(part for part in parts if part)

    def time_axis(self, until: float) -> None:
        """Moments under the floor."""
        for value in steps(until, self.size.ticks):
            if value <= until:
                self.add(text(self.x(value), self.size.height - 9, seconds(value)))

    def value_axis(
        self, values: Sequence[tuple[float, str]], place: Callable[[float], float]
    ) -> None:
        """Gridlines and their values at the left."""
        right = self.size.width - self.size.right
        for value, result in values:
            at = place(value)
            self.add(line(self.size.left, at, right, at, "grid"))
            self.add(text(self.size.left - 7, at + 4, result, anchor="end"))

    def svg(self, title: str, kind: str) -> str:
        """The whole drawing, with a sentence for screen readers."""
        size = f"0 0 {self.size.width:g} {self.size.height:g}"
        inside = "".join(self.parts)
        return (
            f'<svg class="{kind}" viewBox="{size}" role="img" aria-label="{escape(title)}">'
            f"{inside}</svg>"
        )
