"""The order service's light over a run: the dashboard's rule on what the shoppers measured."""

from collections.abc import Iterable

import msgspec

from loadtests.timeline import Slot, Timeline
from observatory.sla import LIGHT_LABELS, RED, WINDOW_S, LightState, Traffic, light_state

_WORST_FIRST: tuple[LightState, ...] = ("failing", "slow", "degraded", "good", "none")


class LightTime(msgspec.Struct, frozen=True):
    """How long the light was in one state."""

    state: LightState
    label: str
    seconds: float

    @property
    def is_red(self) -> bool:
        """Whether the service's objective was missed meanwhile."""
        return self.state in RED


def light_times(timeline: Timeline) -> tuple[LightTime, ...]:
    """How long it was in each state, the worst first; at each moment it is about the seconds
    before, as on the dashboard. Empty without a request."""
    if not timeline.slots:
        return ()
    width_s, window = timeline.width_s, max(1, round(WINDOW_S / timeline.width_s))
    found: dict[LightState, float] = {}
    for number in range(min(timeline.slots), max(timeline.slots) + 1):
        last = (timeline.slots.get(each) for each in range(number - window + 1, number + 1))
        state = light_state(_traffic(filter(None, last), window * width_s))
        found[state] = found.get(state, 0.0) + width_s
    return tuple(
        LightTime(state, LIGHT_LABELS[state], found[state])
        for state in _WORST_FIRST
        if state in found
    )


def _traffic(slots: Iterable[Slot], seconds: float) -> Traffic:
    requests = failed = pending = 0
    total_ms = 0.0
    for slot in slots:
        requests += slot.requests
        failed += slot.failed
        pending += slot.pending
        total_ms += slot.total_ms
    average_s = total_ms / requests / 1000 if requests else None
    return Traffic(requests, failed, requests / seconds, average_s, pending)
