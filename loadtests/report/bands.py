"""Gremlins' time on a chart: violet, with their names where there is room, else with a number."""

from collections.abc import Sequence
from html import escape

import msgspec

from loadtests.plan import Ran
from loadtests.report.plot import CHARACTER, Frame, text
from observatory.timeline.fault_windows import FaultWindow


class FaultBand(msgspec.Struct, frozen=True):
    """One gremlin's time, in seconds since the start of the run."""

    number: int
    name: str
    service: str
    what: str
    from_s: float
    to_s: float
    open_end: bool


def bands(windows: Sequence[FaultWindow], ran: Ran) -> list[FaultBand]:
    """The gremlins of the run, oldest first, cut to its time."""
    until = ran.ended_s - ran.began_s
    found = []
    for number, window in enumerate(windows, 1):
        off = window.off.timestamp() - ran.began_s if window.off else until
        on = window.on.timestamp() - ran.began_s
        what = f"{window.kind.replace('_', ' ')} {window.detail}".strip()
        found.append(
            FaultBand(
                number, window.name, window.service, what, max(0.0, on), min(until, off),
                open_end=window.off is None,
            )
        )  # fmt: skip
    return found


def add_bands(frame: Frame, found: Sequence[FaultBand]) -> None:
    """Under everything else. Two that overlap are darker where they do, and named in two rows; a
    name for which no row has room left is a number beside the shortest of them."""
    ends = [float("-inf")] * 3
    for band in found:
        left, right = frame.x(band.from_s), frame.x(band.to_s)
        title = f"<title>{escape(f'{band.name} on {band.service}: {band.what}')}</title>"
        frame.add(
            f'<rect class="band" x="{left:.1f}" y="{frame.roof:.1f}" '
            f'width="{max(right - left, 1.5):.1f}" height="{frame.floor - frame.roof:.1f}">'
            f"{title}</rect>"
        )
        row = next((r for r, end in enumerate(ends) if left >= end), ends.index(min(ends)))
        room = frame.size.width - frame.size.right - left
        full = f"{band.name} on {band.service}"
        fits = left >= ends[row] and len(full) * CHARACTER < max(right - left, room / 3)
        label, begins = full if fits else str(band.number), max(left, ends[row])
        ends[row] = begins + len(label) * CHARACTER + 8
        frame.add(text(begins + 4, frame.roof + 13 + 14 * row, label, kind="named", anchor="start"))
