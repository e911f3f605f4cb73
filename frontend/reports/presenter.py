"""From reports as they are kept to what is shown of them; pure."""

from datetime import timedelta

from frontend.reports.view_models import (
    AnomalyRow,
    CapacityView,
    LimitRow,
    ReasonBar,
    ReportRow,
    ReportsView,
    ReportView,
    RequestRow,
)
from frontend.web.formatting import THIN, count, percent, share, took
from frontend.web.labels import State
from observatory.capacity.plan import BUSY, CapacityPlan, shown_volume
from observatory.retrospective.model import Anomaly, RetrospectiveReport

# More reasons than this are the tail of a list.
_MOST_BARS = 12


def reports(found: tuple[RetrospectiveReport, ...], every: timedelta) -> ReportsView:
    """The list."""
    return ReportsView(tuple(map(_row, found)), shown_length(every) if every else "")


def report(found: RetrospectiveReport) -> ReportView:
    """One report."""
    longest = max((each.count for each in found.reasons), default=1)
    return ReportView(
        found,
        _state(found),
        shown_length(found.until - found.since),
        _share(found),
        tuple(
            RequestRow(
                each,
                "" if each.p50_ms is None else took(each.p50_ms),
                "" if each.p99_ms is None else took(each.p99_ms),
            )
            for each in found.requests
        ),
        tuple(
            ReasonBar(each.of, each.reason, each.count, share(each.count / longest))
            for each in found.reasons[:_MOST_BARS]
        ),
        tuple(map(_anomaly, found.anomalies)),
    )


def capacity(found: CapacityPlan) -> CapacityView:
    """What so many orders a second take."""
    needs = [
        (each.process, str(each.replicas), f"{each.cores:.2f}", percent(each.busy))
        for each in found.processes
    ]
    needs.append(("PostgreSQL", "", f"{found.database_cores:.2f}", percent(BUSY)))
    return CapacityView(
        f"{found.orders_per_s:g}",
        found,
        tuple(needs),
        tuple((each.what, shown_volume(each)) for each in found.volumes),
        tuple(
            LimitRow(
                each.what, count(each.orders_per_s), each.why,
                found.orders_per_s > each.orders_per_s,
            )
            for each in found.limits
        ),
    )  # fmt: skip


def shown_length(length: timedelta) -> str:
    """`1 hour`, `7 days`."""
    minutes = int(length.total_seconds()) // 60
    for word, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes % size == 0:
            number = minutes // size
            return f"{number} {word}{'' if number == 1 else 's'}"
    return f"{minutes} minutes"


def _row(found: RetrospectiveReport) -> ReportRow:
    return ReportRow(
        found,
        _state(found),
        shown_length(found.until - found.since),
        _share(found),
        sum(each.count for each in found.violations),
    )


def _state(found: RetrospectiveReport) -> State:
    """A reader looks at what is unlike the usual, and at broken contracts; that some requests fail
    is usual."""
    if found.anomalies or found.violations:
        return "degraded"
    return "good" if found.total_requests else "none"


def _share(found: RetrospectiveReport) -> str:
    if not found.total_requests:
        return ""
    return f"{100 * found.failures / found.total_requests:.1f}{THIN}%"


def _anomaly(found: Anomaly) -> AnomalyRow:
    shown = took if found.unit == "ms" else count
    return AnomalyRow(found, shown(found.now), shown(found.usual), found.deviations > 0)
