"""The panels of reports: the last ones, one of them, and contracts that are broken now."""

import asyncio
from datetime import timedelta

from chassis.http.query import with_query
from frontend.reports import presenter
from frontend.reports.view_models import CapacityView, ContractsView, ReportsView, ReportView
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.capacity.plan import BadRate, MeasuredFigures, plan, rate_of
from observatory.retrospective.model import RetrospectiveReport
from observatory.retrospective.violations import violations_between
from observatory.retrospective.writer import ReportWriter
from observatory.sources.down import Down
from observatory.sources.poller import reason_of
from observatory.sources.protocols import TelemetrySource

# What is broken now is what a presenter has just broken, or what a deployment did this morning.
LATELY = timedelta(hours=1)


def reports_panel(view: ReportsView | Down) -> Panel:
    """The list of reports."""
    return Panel("reports/reports.html", (), lambda _: view)


def contracts_panel(view: ContractsView | Down) -> Panel:
    """What broke its contract lately."""
    return Panel("reports/contracts.html", ("logs",), lambda _: view)


def capacity_panel(figures: MeasuredFigures, orders_per_s: str) -> Panel:
    """What so many orders a second take; what cannot be computed is named in it."""
    try:
        view = presenter.capacity(plan(figures, rate_of(orders_per_s)))
    except BadRate as error:
        view = CapacityView(orders_per_s, refused=str(error))
    url = with_query("/panels/capacity", orders_per_s=orders_per_s)
    return Panel("reports/capacity.html", (), lambda _: view, url)


def report_panel(report: RetrospectiveReport) -> Panel:
    """One report, which does not change any more."""
    view: ReportView = presenter.report(report)
    return Panel("reports/report.html", (), lambda _: view)


async def reports_view(writer: ReportWriter, every: timedelta) -> ReportsView | Down:
    """The last reports."""
    try:
        return presenter.reports(await asyncio.to_thread(writer.kept.all), every)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Reports stay in their folder.")


async def contracts_view(telemetry: TelemetrySource) -> ContractsView | Down:
    """What broke its contract in the last hour."""
    try:
        now = utc_now()
        return ContractsView(*await violations_between(telemetry, now - LATELY, now))
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Messages are still checked, and counted.")
