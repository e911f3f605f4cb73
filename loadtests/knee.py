"""Where more shoppers stop bringing more orders and only make everybody wait."""

from collections.abc import Sequence

import msgspec

from loadtests.histogram import COARSE, together
from loadtests.measures import Measures
from scenarios.load_profiles import Profile

# A plateau that lies less than this under the rising line's end is noise, not a plateau.
_BEND = 0.9


class Level(msgspec.Struct, frozen=True):
    """One step of the staircase: so many shoppers, so much work a second, so long a wait."""

    users: int
    per_s: float
    mean_ms: float
    p99_ms: float
    failed_percent: float


class Knee(msgspec.Struct, frozen=True):
    """Where the rising line and the plateau meet: about so many shoppers, and the measured level
    next to it. Not `reached` where throughput still rose at the last level."""

    users: float
    per_s: float
    level: Level
    reached: bool


def find_knee(levels: Sequence[Level]) -> Knee | None:
    """The saturation point N* of operational analysis (Denning and Buzen, 1978): shoppers bring
    throughput in proportion up to there, and none beyond. Of all ways to part the levels into a
    line through nothing and a plateau the one with the least squares is taken, so that one noisy
    level on a shared machine does not decide. None for fewer than three levels."""
    if len(levels) < 3:
        return None
    slope, plateau = min(
        (_fit(levels, parted) for parted in range(1, len(levels))),
        key=lambda fit: sum(
            (each.per_s - min(fit[0] * each.users, fit[1])) ** 2 for each in levels
        ),
    )
    if plateau >= _BEND * slope * levels[-1].users:
        best = max(levels, key=lambda level: level.per_s)
        return Knee(best.users, best.per_s, best, reached=False)
    users = plateau / slope if slope else float(levels[0].users)
    return Knee(users, plateau, min(levels, key=lambda level: abs(level.users - users)), True)


def _fit(levels: Sequence[Level], parted: int) -> tuple[float, float]:
    """The slope through the first levels and the height of the others."""
    first, rest = levels[:parted], levels[parted:]
    squares = sum(each.users**2 for each in first)
    slope = sum(each.users * each.per_s for each in first) / squares
    return slope, sum(level.per_s for level in rest) / len(rest)


def levels_of(
    profile: Profile, scale: float, measures: Measures, began_s: float, ended_s: float
) -> list[Level]:
    """What was measured at each step that the run came to the end of."""
    found = []
    for users, from_s, to_s in profile.levels(scale) if profile.steps else ():
        end_s = began_s + to_s
        # A step cut short by the end of the run is still one when half of it was there.
        slots = measures.timeline.between(began_s + from_s, min(end_s, ended_s))
        work = together([slot.whole for slot in slots], COARSE)
        seconds = len(slots) * measures.timeline.width_s
        if not work.count or seconds < (to_s - from_s) / 2:
            continue
        failed = sum(slot.count("failed") for slot in slots)
        found.append(
            Level(
                users, work.count / seconds, work.mean_ms or 0.0, work.quantile(0.99) or 0.0,
                100 * failed / work.count,
            )
        )  # fmt: skip
    return found
