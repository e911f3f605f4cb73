"""The staircase of a stress run: what more shoppers bring, what they wait, and where it bends."""

from collections.abc import Callable, Sequence

from loadtests.judge import Judgement
from loadtests.knee import Knee, Level
from loadtests.report.plot import (
    NARROW,
    Frame,
    Size,
    duration,
    in_round,
    line,
    path,
    scale,
    steps,
    text,
)

_HALF = Size(518, 270, 52, 20, 26, 30, columns=0, ticks=5)


def per_second(judgement: Judgement) -> str:
    """Throughput by number of shoppers, for a desk and for a phone."""
    title = "answered a second"
    return _both(judgement, lambda level: level.per_s, "{:g}".format, title, fitted=True)


def waiting(judgement: Judgement) -> str:
    """What 99 of 100 waited at most, by number of shoppers."""
    return _both(judgement, lambda level: level.p99_ms, in_round, "99 of 100 answered within")


def _both(
    judgement: Judgement,
    value: Callable[[Level], float],
    show: Callable[[float], str],
    what: str,
    *,
    fitted: bool = False,
) -> str:
    title = f"{what}, by number of shoppers"
    parts = []
    for size, kind in ((_HALF, "wide"), (NARROW, "narrow")):
        frame, place = _plot(judgement.levels, judgement.knee, value, show, size)
        knee, most = judgement.knee, judgement.levels[-1].users
        if fitted and knee and knee.reached:
            bend = ((0, 0.0), (knee.users, knee.per_s), (most, knee.per_s))
            frame.add(path([(frame.x(x), place(y)) for x, y in bend], "limit bend"))
        parts.append(frame.svg(title, kind))
    return "".join(parts)


def _plot(
    levels: Sequence[Level],
    knee: Knee | None,
    value: Callable[[Level], float],
    show: Callable[[float], str],
    size: Size,
) -> tuple[Frame, Callable[[float], float]]:
    frame = Frame(size, levels[-1].users)
    ticks = steps(max(map(value, levels)), 4)
    place = scale(0, ticks[-1], frame.floor, frame.roof)
    frame.value_axis([(tick, show(tick)) for tick in ticks], place)
    for level in levels[:: max(1, len(levels) // (2 * size.ticks))]:
        frame.add(text(frame.x(level.users), size.height - 9, str(level.users)))
    points = [(frame.x(level.users), place(value(level))) for level in levels]
    if knee:
        _mark(frame, knee, levels[-1].users)
    frame.add(path(points, "line ink"))
    for level, (x, y) in zip(levels, points, strict=True):
        result = f"{level.users} shoppers: {level.per_s:.1f} a second, p99 {duration(level.p99_ms)}"
        dot = f'<circle class="dot ink" cx="{x:.1f}" cy="{y:.1f}" r="3.2">'
        frame.add(f"{dot}<title>{result}</title></circle>")
    return frame, place


def _mark(frame: Frame, knee: Knee, most: int) -> None:
    at, late = frame.x(knee.users), knee.users > most / 2
    label = f"knee: {knee.users:.0f} shoppers" if knee.reached else f"no knee up to {most}"
    frame.add(line(at, frame.roof - 16, at, frame.floor, "knee"))
    beside, anchor = (at - 6, "end") if late else (at + 6, "start")
    frame.add(text(beside, frame.roof - 8, label, kind="tick strong", anchor=anchor))
