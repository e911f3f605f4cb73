"""The SLA light: the one rule that the tile, the timeline, acts and the load report follow."""

from typing import Literal

from observatory.metrics.counter_window import Traffic
from observatory.sources.down import Down

# Green under one second, red from it, averaged over the last thirty.
LIMIT_S = 1.0
WINDOW_S = 30.0

LightState = Literal["good", "degraded", "failed", "none"]


def light_state(traffic: Traffic | Down) -> LightState:
    """The state of one service's light. Without traffic, or without a reading of it, it is
    `none`: neither good nor bad."""
    if isinstance(traffic, Down) or traffic.average_s is None:
        return "none"
    return "good" if traffic.average_s < LIMIT_S else "failed"
