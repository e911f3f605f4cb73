"""What a run has to keep, and whether it did."""

import msgspec

from loadtests.measures import Measures
from loadtests.outcomes import SUCCESSES, WORK
from scenarios.load_profiles import Thresholds


class ThresholdCheck(msgspec.Struct, frozen=True):
    """One threshold with what was measured; None where there was nothing to measure."""

    name: str
    about: str
    limit: float
    actual: float | None
    unit: str
    kept: bool

    @property
    def sign(self) -> str:
        """How the limit reads."""
        return ">" if self.name == "success" else "<"


def checks(thresholds: Thresholds, measures: Measures) -> tuple[ThresholdCheck, ...]:
    """Every threshold, judged. A run in which nothing was ordered keeps none of them."""
    work = measures.of(WORK)
    return (
        _below("p95", "19 of 20 orders and changes were answered within", "ms",
               thresholds.p95_ms, work.quantile(0.95)),
        _below("p99", "99 of 100 orders and changes were answered within", "ms",
               thresholds.p99_ms, work.quantile(0.99)),
        _below("errors", "requests that failed: no answer, 5xx, a refusal without a reason", "%",
               thresholds.errors_percent, errors_percent(measures)),
        _above_success(thresholds, measures),
    )  # fmt: skip


def errors_percent(measures: Measures) -> float | None:
    """Failed requests of all requests."""
    tally = measures.tally()
    asked = sum(tally.values())
    return 100 * tally["failed"] / asked if asked else None


def success_percent(measures: Measures) -> float | None:
    """Orders that were confirmed, accepted, or refused for a reason of the business, of all orders
    whose shopper was there to hear the answer."""
    ended = sum(n for outcome, n in measures.orders.items() if outcome != "cut_off")
    well = sum(n for outcome, n in measures.orders.items() if outcome in SUCCESSES)
    return 100 * well / ended if ended else None


def _below(name: str, about: str, unit: str, limit: float, actual: float | None) -> ThresholdCheck:
    return ThresholdCheck(name, about, limit, actual, unit, actual is not None and actual < limit)


def _above_success(thresholds: Thresholds, measures: Measures) -> ThresholdCheck:
    actual, limit = success_percent(measures), thresholds.success_percent
    about = "orders confirmed, accepted, or refused for a reason of the business"
    return ThresholdCheck(
        "success", about, limit, actual, "%", actual is not None and actual > limit
    )
