"""Where each process stands on the map and how the lines between them run: from the topology alone,
so that it is the same at every visit. Columns follow the direction of calls.

The grid's rows are half as high as a process; a line that passes a column has a row of its own
there, so that no line runs behind a process. Below, on a lane of their own, stand the processes in
the background, and under all of them the database."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from topology import SERVICES, Process

# How wide the space between two columns is, where a column is 1.
GAP = 0.42
# Of that space the part before a process, where what is written at a line stands; there it is flat.
_FLAT = 0.3
Kind = Literal["call", "event", "notice"]


class Spot(Struct, frozen=True):
    """Where a process stands: its column, and the first of its two rows, from 0."""

    column: int
    row: int

    @property
    def left(self) -> float:
        return self.column * (1 + GAP)

    @property
    def middle(self) -> float:
        return self.row + 1


class MapPath(Struct, frozen=True):
    """From one process to another; what is written at it ends (a call) or begins at `x`, `y`."""

    caller: str
    callee: str
    kind: Kind
    path: str
    x: float
    y: float


class MapLayout(Struct, frozen=True):
    """`width` and `height` are those of the lines' coordinates; a row is 1 high."""

    spots: dict[str, Spot]
    lines: tuple[MapPath, ...]
    columns: int
    rows: int

    @property
    def width(self) -> float:
        return self.columns + GAP * (self.columns - 1)

    @property
    def height(self) -> int:
        """The database has the last row."""
        return self.rows + 1


@lru_cache(maxsize=4)
def lay_out(processes: tuple[Process, ...] = SERVICES) -> MapLayout:
    """The map of these processes."""
    front = {each.key: each for each in processes if not each.is_background}
    lane = sorted((e for e in processes if e.is_background), key=lambda each: each.takes_events)
    ranks = _ranks(front)
    columns = _columns(front, ranks)
    depth = max((sum(height for _, height in each) for each in columns), default=0)
    spots, passes = _places(columns, depth)
    for place, each in enumerate(lane):
        spots[each.key] = Spot(place, depth + 1)
    lines = [*_calls(front, ranks, spots, passes), *_notices(processes, spots)]
    if lane and not lane[0].takes_events:
        lines += [_event(lane[0], each, spots) for each in lane[1:] if each.takes_events]
    rows = depth + 3 if lane else depth
    return MapLayout(spots, tuple(lines), max(len(columns), len(lane)), rows)


def _ranks(front: dict[str, Process]) -> dict[str, int]:
    """The column of each process: one further than the last of those that call it."""
    callers: dict[str, list[str]] = {key: [] for key in front}
    for each in front.values():
        for callee in each.calls:
            if callee in front:
                callers[callee].append(each.key)

    def rank(key: str, above: tuple[str, ...]) -> int:
        # Of processes that call each other in a circle the first one begins.
        new = (each for each in callers[key] if each not in above)
        return max((rank(each, (*above, key)) + 1 for each in new), default=0)

    return {key: rank(key, (key,)) for key in front}


def _columns(
    front: dict[str, Process], ranks: dict[str, int]
) -> list[list[tuple[tuple[str, bool], int]]]:
    """What stands in each column from top to bottom, with its height in rows: (key, False) is a
    process, (key, True) the line that passes on its way to that process."""
    columns: list[list[tuple[tuple[str, bool], int]]] = []
    before: dict[tuple[str, bool], float] = {}
    for rank in range(max(ranks.values(), default=-1) + 1):
        wanted: dict[tuple[str, bool], list[float]] = {
            (key, False): [] for key in front if ranks[key] == rank
        }
        for caller, each in front.items():
            for callee in each.calls:
                if callee in ranks and ranks[caller] < rank <= ranks[callee]:
                    entry = (callee, rank < ranks[callee])
                    came = (caller, False) if ranks[caller] == rank - 1 else (callee, True)
                    wanted.setdefault(entry, []).append(before.get(came, 0.0))
        # Beside those that call it; where two are alike, in the order of the topology.
        ordered = sorted(wanted, key=lambda e: sum(wanted[e]) / max(1, len(wanted[e])))
        before, top, column = {}, 0, []
        for entry in ordered:
            height = 1 if entry[1] else 2
            before[entry] = top + height / 2
            top += height
            column.append((entry, height))
        columns.append(column)
    return columns


def _places(
    columns: Sequence[Sequence[tuple[tuple[str, bool], int]]], depth: int
) -> tuple[dict[str, Spot], dict[tuple[str, int], float]]:
    """Each column in the middle of the height: processes, and where lines pass (key, column)."""
    spots, passes = {}, {}
    for number, column in enumerate(columns):
        row = (depth - sum(height for _, height in column)) // 2
        for (key, is_line), height in column:
            if is_line:
                passes[key, number] = row + height / 2
            else:
                spots[key] = Spot(number, row)
            row += height
    return spots, passes


def _calls(
    front: dict[str, Process],
    ranks: dict[str, int],
    spots: dict[str, Spot],
    passes: dict[tuple[str, int], float],
) -> list[MapPath]:
    lines = []
    for caller, each in front.items():
        for callee in each.calls:
            first, last = ranks[caller], ranks.get(callee, -1)
            if last <= first:
                continue
            between = [passes[callee, column] for column in range(first + 1, last)]
            heights = [spots[caller].middle, *between, spots[callee].middle]
            path = f"M{spots[caller].left + 1:.3f} {heights[0]:g}"
            for step, (y, onward) in enumerate(pairwise(heights), first + 1):
                left = step * (1 + GAP)
                bend, flat = left - GAP, left - _FLAT
                half = (bend + flat) / 2
                path += f"H{bend:.3f}C{half:.3f} {y:g} {half:.3f} {onward:g} {flat:.3f} {onward:g}"
                path += f"H{left:.3f}"
            # Where it enters the next column, lines from one caller are furthest from each other.
            x, y = (first + 1) * (1 + GAP), heights[1]
            lines.append(MapPath(caller, callee, "call", path, x, y))
    return lines


def _notices(processes: Sequence[Process], spots: dict[str, Spot]) -> list[MapPath]:
    """What somebody is sent at the address it gave: back, below the processes between them."""
    lines = []
    lane = {each.key for each in processes if each.is_background}
    for each in processes:
        for receiver in each.notifies:
            if receiver in spots and each.key in spots:
                here, there = spots[each.key], spots[receiver]
                ends = sorted((here.column, there.column))
                low = 2.15 + max(
                    spot.row
                    for key, spot in spots.items()
                    if ends[0] <= spot.column <= ends[1] and key not in lane
                )
                # A curve comes three quarters of the way to where it is pulled.
                pull = here.middle + (low - here.middle) / 0.75
                path = f"M{here.left + 0.5:.3f} {here.middle:g}"
                path += f"C{here.left + 0.5:.3f} {pull:g} {there.left + 0.8:.3f} {pull:g}"
                path += f" {there.left + 0.8:.3f} {there.middle:g}"
                lines.append(MapPath(each.key, receiver, "notice", path, there.left + 1, low))
    return lines


def _event(relay: Process, consumer: Process, spots: dict[str, Spot]) -> MapPath:
    """Along the top of the lane, and down to who takes it."""
    here, there = spots[relay.key], spots[consumer.key]
    bus, down = here.row - 0.5, there.left + 0.5
    path = f"M{here.left + 0.5:.3f} {here.middle:g}V{bus:g}H{down:.3f}V{there.middle:g}"
    return MapPath(relay.key, consumer.key, "event", path, down, there.row - 0.3)
