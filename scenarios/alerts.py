"""The platform's own alerts, by the same names, thresholds and waits as in Prometheus; pure.

An act must not depend on Prometheus being installed, so what it reports as fired is decided here,
from what the dashboard sees anyway."""

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
    """Remembers since when each alert has its reason. `pace` shortens the waits: see tempo.py."""

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._since: dict[str, datetime] = {}

    def firing(self, seen: Observation) -> frozenset[str]:
        """The alerts that fire, this look included."""
        given = {name for name, is_given in _reasons(seen).items() if is_given}
        self._since = {name: self._since.get(name, seen.at) for name in given}
        return frozenset(
            alert.name
            for alert in ALERTS
            if alert.name in given
            and (seen.at - self._since[alert.name]).total_seconds() >= alert.wait_s * self._pace
        )


def _reasons(seen: Observation) -> dict[str, bool]:
    return {
        "SlaLightRed": "red" in seen.lights.values(),
        "ServiceDown": "down" in seen.services.values(),
        "ReconcilerLag": seen.books is not None and seen.books.overdue_s > LAG_S,
        "InvariantViolated": seen.promises == "violated",
    }
