"""The report's figures that are neither a chart nor a sentence: thresholds, orders, slow traces."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from loadtests.judge import Judgement
from loadtests.measures import Measures
from loadtests.outcomes import ORDER_OUTCOMES, Outcome
from loadtests.report.plot import NOTHING, THIN, duration
from loadtests.thresholds import ThresholdCheck


class Bullet(msgspec.Struct, frozen=True):
    """A threshold as a bar: how long it is, and where on it the limit stands, both in percent."""

    check: ThresholdCheck
    actual: str
    limit: str
    filled: float
    limit_at: float


class BarPart(msgspec.Struct, frozen=True):
    """One part of a stacked bar."""

    name: str
    state: str
    count: int
    percent: float


class SlowRequest(msgspec.Struct, frozen=True):
    """One slow request and where to look at it; no link if its trace is not known."""

    name: str
    took: str
    outcome: Outcome
    result: str
    at: str
    trace_id: str
    link: str


_STATES = {
    "confirmed": "good", "declined": "good", "out_of_stock": "good", "degraded": "degraded",
    "cut_off": "none",
}  # fmt: skip
_LABELS = {"out_of_stock": "sold out", "cut_off": "cut off by the end"}


def bullets(checks: Sequence[ThresholdCheck]) -> list[Bullet]:
    """The thresholds, each on a scale of its own: the limit in the middle for times, percentages
    from nothing to all or to twice the limit."""
    return [_bullet(check) for check in checks]


def _bullet(check: ThresholdCheck) -> Bullet:
    actual = check.actual or 0.0
    whole = 100.0 if check.name == "success" else max(2 * check.limit, 1.15 * actual)
    return Bullet(
        check, _value(check.actual, check.unit), _value(check.limit, check.unit),
        round(100 * actual / whole, 1), round(100 * check.limit / whole, 1),
    )  # fmt: skip


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    return duration(value) if unit == "ms" else f"{value:.1f}".removesuffix(".0") + f"{THIN}%"


def bar(measures: Measures) -> list[BarPart]:
    """What became of the orders, by the first decisive reply."""
    whole = sum(measures.orders.values()) or 1
    return [
        BarPart(_LABELS.get(name, name), _STATES.get(name, "failed"), count, 100 * count / whole)
        for name in ORDER_OUTCOMES
        if (count := measures.orders.get(name, 0))
    ]


def traces(judgement: Judgement) -> list[SlowRequest]:
    """The slowest requests, slowest first."""
    found = []
    for slow in sorted(judgement.measures.slowest, reverse=True):
        trace_id = slow.trace_id or judgement.clients.traces.get(slow.key, "")
        at = datetime.fromtimestamp(slow.at_s, UTC)
        link = f"{judgement.dashboard_url}/traces/{trace_id}" if trace_id else ""
        found.append(
            SlowRequest(slow.name, duration(slow.ms), slow.outcome, slow.result, f"{at:%H:%M:%S}",
                  trace_id, link)
        )  # fmt: skip
    return found
