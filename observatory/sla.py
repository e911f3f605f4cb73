"""The light of a service: the one rule that the tile, timeline, acts, rules, dashboards follow.

It imports nothing of the shop, so that what writes Prometheus' rules may read it too."""

import re
from typing import Literal

from msgspec import Struct

# Red from one second on average over the last thirty.
LIMIT_S = 1.0
WINDOW_S = 30.0
# Red as well when more than one request in twenty failed: ten times what the objective on orders
# allows, so that customers notice, and one failure in a busy half minute does not turn it.
FAILING_SHARE = 0.05
# Amber when more than one in twenty was accepted but is not decided yet: as many customers wait for
# an answer as would have to fail for red.
PENDING_SHARE = 0.05

# Not business requests: probes, the scrape itself, the API page, gremlins, whoever asks which shop
# this is, and the keys that the processes themselves ask for every few seconds.
NOT_BUSINESS = r"^(/health.*|/metrics.*|/schema.*|/gremlin.*|/shop|/.well-known/.*)$"
# By status: the service failed, its caller gave up on it (499), or nobody was answered (000).
FAILED = "5..|499|000"
PENDING = "202"

LightState = Literal["good", "degraded", "slow", "failing", "none"]
RED: frozenset[LightState] = frozenset({"slow", "failing"})
LIGHT_LABELS: dict[LightState, str] = {
    "good": "Fast",
    "degraded": "Degraded",
    "slow": "Too slow",
    "failing": "Failing",
    "none": "No traffic",
}

_FAILED = re.compile(FAILED)


class Traffic(Struct, frozen=True):
    """Business requests over a window: how many, how many of them failed, and how many were
    accepted but not decided (`pending`). `average_s` is None without any: 0/0 is not green."""

    requests: float
    errors: float
    per_second: float
    average_s: float | None
    pending: float = 0.0


def is_failed(status: str) -> bool:
    """Whether a request with this status, as the metrics write it ("503", "000"), failed."""
    return _FAILED.fullmatch(status) is not None


def light_state(traffic: object) -> LightState:
    """The state of one service's light. Without traffic, or without a reading of it, it is `none`:
    neither good nor bad. Where a service is slow and fails, it mostly fails because it is slow, so
    that is what its light says."""
    if not isinstance(traffic, Traffic) or traffic.average_s is None or not traffic.requests:
        return "none"
    if traffic.average_s >= LIMIT_S:
        return "slow"
    if traffic.errors / traffic.requests > FAILING_SHARE:
        return "failing"
    return "degraded" if traffic.pending / traffic.requests > PENDING_SHARE else "good"
