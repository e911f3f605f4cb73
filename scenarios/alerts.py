"""The platform's own alerts, by the same names, thresholds and waits as in Prometheus; pure.

An act must not depend on Prometheus being installed, so what it reports as fired is decided here,
from what the dashboard knows anyway."""

from datetime import datetime

from msgspec import Struct

from scenarios.conditions import Observation

# Retries come at most ten seconds apart: what is overdue by more is not being settled.
LAG_S = 15.0


class PlatformAlert(Struct, frozen=True):
    """`wait_s` is how long the reason must last before it fires."""

    name: str
    wait_s: float


ALERTS = (
    PlatformAlert("SlaLightRed", 0.0),
    PlatformAlert("ServiceDown", 10.0),
    PlatformAlert("ReconcilerLag", 15.0),
    PlatformAlert("InvariantViolated", 0.0),
)


class AlertEvaluator:
    """Remembers since when each alert has its reason. `pace` shortens the waits: see timing.py."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._since: dict[str, datetime] = {}

    def firing(self, observation: Observation) -> frozenset[str]:
        """The alerts that fire, this observation included."""
        given = {name for name, is_given in _reasons(observation).items() if is_given}
        self._since = {name: self._since.get(name, observation.at) for name in given}
        return frozenset(
            alert.name
            for alert in ALERTS
            if alert.name in given
            and (observation.at - self._since[alert.name]).total_seconds()
            >= alert.wait_s * self._pace
        )


def _reasons(observation: Observation) -> dict[str, bool]:
    return {
        "SlaLightRed": "red" in observation.lights.values(),
        "ServiceDown": "down" in observation.services.values(),
        "ReconcilerLag": observation.counts is not None and observation.counts.overdue_s > LAG_S,
        "InvariantViolated": observation.promises == "violated",
    }
