"""The figures of two load runs beside each other; pure."""

from collections.abc import Mapping

from msgspec import Struct

from observatory.load_runs import LoadReport

# A smaller difference between two runs is chance.
_CLEARLY = 0.1
# The figures that are compared, with their unit and whether more is better.
_FIGURES = {"throughput": ("/s", True), "p50": ("ms", False), "p95": ("ms", False),
            "p99": ("ms", False), "errors": ("%", False), "degraded": ("%", False)}  # fmt: skip
Figures = Mapping[str, float | None]


class ComparedFigure(Struct, frozen=True):
    """One figure of both runs in its unit, None where it was not measured; `difference` is b less
    a, and `is_worse` where b is clearly worse than a."""

    name: str
    unit: str
    a: float | None
    b: float | None
    difference: float | None
    is_worse: bool


def compare(a: Figures, b: Figures) -> tuple[ComparedFigure, ...]:
    """Every figure of b beside that of a."""
    return tuple(_compared(name, a.get(name), value) for name, value in b.items())


def figures_of(report: LoadReport) -> Figures:
    """What is compared of a run."""
    errors = next((each.actual for each in report.thresholds if each.name == "errors"), None)
    latency = report.latency.all
    return {
        "throughput": report.orders_per_s, "p50": latency.p50_ms, "p95": latency.p95_ms,
        "p99": latency.p99_ms, "errors": errors, "degraded": report.degraded_percent,
    }  # fmt: skip


def _compared(name: str, a: float | None, b: float | None) -> ComparedFigure:
    unit, more_is_better = _FIGURES[name]
    if a is None or b is None:
        return ComparedFigure(name, unit, a, b, None, False)
    worse_by = a - b if more_is_better else b - a
    # One request in a hundred counts where there was no failure before.
    is_worse = worse_by > max(_CLEARLY * abs(a), 1.0 if unit == "%" else 0.0)
    return ComparedFigure(name, unit, a, b, b - a, is_worse)
