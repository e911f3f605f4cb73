"""One incident: gremlins whose times overlap, and what the lights and the orders did; pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chassis.faults.kinds import KINDS
from observatory.sla import RED
from observatory.timeline.fault_windows import FaultWindow
from observatory.timeline.light_log import LightPeriod
from topology import SERVICES

# A light averages over 30 s, and a bitten request may end 10 s after its gremlin: one that turns
# red later than this has another reason.
ECHO_S = 45.0
# So long after its end a request it bit may still end, and lift the average.
_STILL_BITES_S = 12.0
# Those that take time: they explain a light that is too slow. A failing one may have any cause.
SLOW = frozenset(each.kind for each in KINDS if each.delay_ms or each.never_answers)
# Whose gremlins a light can show: its own service's, and those of whom that one waits for.
_REACH = {each.key: (each.key, *each.calls) for each in SERVICES}
Period = tuple[datetime, datetime | None]
Phase = Literal["loose", "red", "settling", "over"]


class OrdersMeanwhile(Struct, frozen=True):
    """The orders of a time that is over, and the payments without an order: how many of both were
    still open at its end, and until when."""

    placed: int
    open_at_end: int
    open_now: int
    last_settled_at: datetime | None
    payments: int = 0


class RedPeriods(Struct, frozen=True):
    """One light's red times. `before` says that it was red already when the gremlin came;
    `causes` are all gremlins that can have turned it red, oldest first."""

    service: str
    spans: tuple[Period, ...]
    before: bool = False
    causes: tuple[FaultWindow, ...] = ()
    # What the light became after its last red time: "none" is grey for want of traffic.
    then: str = "good"
    # What it turned to first: "slow" or "failing".
    first: str = "slow"


class Incident(Struct, frozen=True):
    """Everything known about one, with what was not seen left empty.

    `unseen_until` is set when the dashboard began to watch only after the gremlin came; `cut_at`
    when the next incident began before this one was over; `followed` when it began so soon that a
    light it turns red may be this one's doing. `counts` are bites, one for each of `windows`."""

    windows: tuple[FaultWindow, ...]
    reds: tuple[RedPeriods, ...] = ()
    had_traffic: bool = False
    unseen_until: datetime | None = None
    cut_at: datetime | None = None
    followed: bool = False
    orders: OrdersMeanwhile | None = None
    counts: tuple[int | None, ...] = ()
    failures: int | None = None

    @property
    def on(self) -> datetime:
        """When the first gremlin was let loose."""
        return self.windows[0].on

    @property
    def off(self) -> datetime | None:
        """When the last gremlin ended; None while one is loose."""
        ends = [window.off for window in self.windows]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def key(self) -> tuple[str, str, datetime]:
        """Identifies it, for as long as its first gremlin is known."""
        return self.windows[0].key

    @property
    def bites(self) -> int | None:
        """How often its gremlins bit; None if that was not counted."""
        seen = [number for number in self.counts if number is not None]
        return sum(seen) if seen else None

    @property
    def first_red(self) -> RedPeriods | None:
        """What the platform showed first; None if it may have done so before anybody looked."""
        if self.unseen_until is not None:
            return None
        new = (red for red in self.reds if not red.before)
        return min(new, key=lambda red: red.spans[0][0], default=None)

    @property
    def first_red_at(self) -> datetime | None:
        """When the platform first showed it; None if it may have done so before anybody looked."""
        return self.first_red.spans[0][0] if self.first_red else None

    @property
    def blamed_at(self) -> tuple[datetime, datetime]:
        """When the first and the last of the gremlins that can have caused the first red were let
        loose: the same moment, unless it cannot be told which of them did it."""
        first = self.first_red
        begun = [window.on for window in first.causes] if first else []
        return (begun[0], begun[-1]) if begun else (self.on, self.on)

    @property
    def relieved_at(self) -> datetime | None:
        """When the last gremlin ended that can have caused the last red; None while one is on."""
        last = max(self.reds, key=lambda red: red.spans[-1][1] or datetime.max.replace(tzinfo=UTC))
        ends = [window.off for window in last.causes] or [self.off]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def last_red_at(self) -> datetime | None:
        """When the last red light stopped being red; None if none was, or one still is."""
        ends = [end for red in self.reds for _, end in red.spans]
        if not ends or None in ends:
            return None
        return max(end for end in ends if end is not None)

    @property
    def phase(self) -> Phase:
        """How far it is."""
        if self.off is None:
            return "loose"
        if self.reds and self.last_red_at is None and self.cut_at is None:
            return "red"
        return "settling" if self.orders is None or self.orders.open_now else "over"


def incidents(
    windows: Sequence[FaultWindow],
    lights: Mapping[str, Sequence[LightPeriod]],
    began: datetime | None,
) -> tuple[Incident, ...]:
    """All incidents, oldest first. `began` is when the lights were first looked at."""
    groups = _overlapping(windows)
    starts = [group[0].on for group in groups]
    return tuple(
        _incident(group, windows, lights, began, next_on)
        for group, next_on in zip(groups, [*starts[1:], None], strict=False)
    )


def _overlapping(windows: Sequence[FaultWindow]) -> list[list[FaultWindow]]:
    groups: list[list[FaultWindow]] = []
    for window in sorted(windows, key=lambda each: each.on):
        if groups and any(each.off is None or each.off >= window.on for each in groups[-1]):
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def _incident(
    group: list[FaultWindow],
    windows: Sequence[FaultWindow],
    lights: Mapping[str, Sequence[LightPeriod]],
    began: datetime | None,
    next_on: datetime | None,
) -> Incident:
    bare = Incident(tuple(group))
    late = None if bare.off is None else bare.off + timedelta(seconds=ECHO_S)
    limit = min((moment for moment in (late, next_on) if moment is not None), default=None)
    reds = [
        _red_periods(name, periods, bare.on, limit, next_on) for name, periods in lights.items()
    ]
    found = tuple(
        red if red.before else replace(red, causes=_causes(red, windows))
        for red in reds
        if red is not None
    )
    unfinished = any(end is None for red in found for _, end in red.spans)
    return Incident(
        bare.windows,
        reds=tuple(sorted(found, key=lambda red: red.spans[0][0])),
        had_traffic=any(
            period.state != "none" and period.within(bare.on, limit)
            for periods in lights.values()
            for period in periods
        ),
        unseen_until=began if began is None or began > bare.on else None,
        cut_at=next_on if unfinished else None,
        followed=next_on is not None and late is not None and next_on < late,
    )


def _causes(red: RedPeriods, windows: Sequence[FaultWindow]) -> tuple[FaultWindow, ...]:
    """All gremlins that can have turned this light red, where its service meets them; if it was too
    slow, those that take time, if any of them does."""
    service, at = red.service, red.spans[0][0]
    reached = [
        window
        for window in sorted(windows, key=lambda each: each.on)
        if window.service in _REACH.get(service, (service,)) and window.on <= at
    ]
    for kinds in (SLOW, None) if red.first == "slow" else (None,):
        near = [window for window in reached if kinds is None or window.kind in kinds]
        loose = [window for window in near if window.off is None or window.off >= at]
        # Where one is loose that explains it, one that is over counts only while it still bites.
        echo = timedelta(seconds=_STILL_BITES_S if loose else ECHO_S)
        if found := [each for each in near if each.off is None or each.off + echo >= at]:
            return tuple(found)
    return ()


def _red_periods(
    service: str,
    periods: Sequence[LightPeriod],
    on: datetime,
    limit: datetime | None,
    next_on: datetime | None,
) -> RedPeriods | None:
    spans: list[Period] = []
    before, then, first = False, "good", ""
    for index, period in enumerate(periods):
        if period.state not in RED or not period.within(on, limit):
            continue
        # The first period of all may have begun long before anybody looked.
        before = before or period.since < on
        cut = next_on is not None and (period.until is None or period.until > next_on)
        since, first = max(period.since, on), first or period.state
        if spans and spans[-1][1] == since:
            # From one kind of red to the other: it was red all the time.
            since = spans.pop()[0]
        spans.append((since, None if cut else period.until))
        then = periods[index + 1].state if index + 1 < len(periods) else period.state
    return RedPeriods(service, tuple(spans), before, then=then, first=first) if spans else None
