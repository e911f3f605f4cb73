"""The pages of reports, the button that writes one, and the same as JSON and YAML."""

import asyncio
from datetime import timedelta

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.parameters import takes
from chassis.http.problems import Problem, invalid, invalid_parameter
from chassis.identity.caller import needs_role
from frontend.reports.panels import (
    capacity_panel,
    contracts_panel,
    contracts_view,
    report_panel,
    reports_panel,
    reports_view,
)
from frontend.web.actions import Done, Form, operator_only
from frontend.web.filters import field
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast
from observatory.capacity.plan import BadRate, CapacityPlan, MeasuredFigures, plan, rate_of
from observatory.retrospective.kept import to_yaml
from observatory.retrospective.model import RetrospectiveReport
from observatory.retrospective.writer import BadPeriod, ReportWriter, period_of
from observatory.sources.protocols import TelemetrySource

# What the page computes before anybody asks.
_ORDERS_PER_S = "250"
_LOCKED = "Reports wait"


class WriteReport(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/reports: how far back it looks, as `90m`, `1h` or `7d`."""

    since: str = "1h"


class ReportList(Struct, frozen=True):
    """The reports that are kept, the newest first."""

    reports: tuple[RetrospectiveReport, ...]


def report_routes(
    pages: Pages,
    writer: ReportWriter,
    telemetry: TelemetrySource,
    every: timedelta,
    figures: MeasuredFigures,
) -> list[HTTPRouteHandler]:
    """GET /reports and /reports/{name}, with their panels."""

    @get("/reports", summary="Reports", include_in_schema=False)
    async def show_reports(request: HttpRequest) -> Response[str]:
        kept, contracts = await asyncio.gather(
            reports_view(writer, every), contracts_view(telemetry)
        )
        return pages.page(
            request,
            "reports/page.html",
            reports=reports_panel(kept),
            contracts=contracts_panel(contracts),
            capacity=capacity_panel(figures, _wanted(request)),
            wanted=_wanted(request),
        )

    @get("/panels/capacity", summary="What orders take", include_in_schema=False)
    async def show_capacity(request: HttpRequest) -> Response[str]:
        return pages.panel(request, capacity_panel(figures, _wanted(request)))

    @get("/panels/reports", summary="The last reports", include_in_schema=False)
    async def show_list(request: HttpRequest) -> Response[str]:
        return pages.panel(request, reports_panel(await reports_view(writer, every)))

    @get("/panels/contracts", summary="Contracts broken now", include_in_schema=False)
    async def show_contracts(request: HttpRequest) -> Response[str]:
        return pages.panel(request, contracts_panel(await contracts_view(telemetry)))

    @get("/reports/{name:str}", summary="One report", include_in_schema=False)
    async def show_report(name: FromPath[str], request: HttpRequest) -> Response[str]:
        panel = report_panel(await _known(writer, name))
        return pages.page(request, "reports/report_page.html", report=panel, name=name)

    return [show_reports, show_list, show_contracts, show_capacity, show_report]


def report_api(writer: ReportWriter) -> list[HTTPRouteHandler]:
    """Reports as JSON and YAML."""

    @get("/api/reports", summary="Reports, newest first", before_request=leave_untraced)
    async def list_reports() -> ReportList:
        """GET /api/reports."""
        return ReportList(await asyncio.to_thread(writer.kept.all))

    @get(
        "/api/reports/{name:str}",
        summary="One report",
        responses={404: refused("There is no such report")},
        before_request=leave_untraced,
    )
    async def read_report(name: FromPath[str]) -> RetrospectiveReport:
        """GET /api/reports/{name}."""
        return await _known(writer, name)

    @get(
        "/api/reports/{name:str}/yaml",
        summary="One report as YAML",
        media_type="application/yaml",
        responses={404: refused("There is no such report")},
        before_request=leave_untraced,
    )
    async def read_yaml(name: FromPath[str]) -> str:
        """GET /api/reports/{name}/yaml."""
        return to_yaml(await _known(writer, name))

    @post(
        "/api/reports",
        guards=[needs_role("operator")],
        dto=Strict[WriteReport],
        return_dto=None,
        summary="Write a report now",
        responses={401: refused("This needs the operator token")},
    )
    async def write_report(data: JSONBody[WriteReport]) -> RetrospectiveReport:
        """POST /api/reports: 201 with the report, which is kept."""
        try:
            length = period_of(data.since)
        except BadPeriod as error:
            raise invalid("/since", str(error)) from None
        return await _written(writer, length, "api")

    return [list_reports, read_report, read_yaml, write_report]


def capacity_api(figures: MeasuredFigures) -> HTTPRouteHandler:
    """What `valerix capacity` computes, as JSON."""

    @get(
        "/api/capacity",
        summary="What so many orders a second take",
        responses={400: refused("It is no number of orders a second")},
        before_request=leave_untraced,
        opt=takes(("orders_per_s",)),
    )
    async def read_capacity(request: HttpRequest) -> CapacityPlan:
        """GET /api/capacity?orders_per_s=."""
        try:
            return plan(figures, rate_of(field(request, "orders_per_s")))
        except BadRate as error:
            raise invalid_parameter("orders_per_s", str(error).removeprefix("it ")) from None

    return read_capacity


def _wanted(request: HttpRequest) -> str:
    return field(request, "orders_per_s") or _ORDERS_PER_S


class ReportActions:
    """What a visitor does on the page."""

    def __init__(self, writer: ReportWriter) -> None:
        self._writer = writer

    async def write(self, form: Form, visitor: Visitor) -> Done:
        """Write a report on the time that the form names."""
        operator_only(visitor, _LOCKED)
        try:
            length = period_of(form.get("since", ""))
        except BadPeriod as error:
            raise Problem(400, "validation", f"{error}.") from None
        report = await _written(self._writer, length, "page")
        what = f"{report.total_requests} requests, {report.failures} failed."
        return Done(Toast("good", "Report written", what), f"/reports/{report.name}")


async def _known(writer: ReportWriter, name: str) -> RetrospectiveReport:
    found = await asyncio.to_thread(writer.kept.report, name)
    if found is None:
        raise Problem(404, "report-not-found", "There is no such report; the oldest are not kept.")
    return found


async def _written(writer: ReportWriter, length: timedelta, by: str) -> RetrospectiveReport:
    try:
        return await writer.write(length, by=by)
    except OSError as error:
        # A database that cannot be reached has a problem of its own.
        if error.filename is None:
            raise
        why = error.strerror or str(error)
        raise Problem(
            507, "report-not-kept", f"The report could not be kept ({why}); nothing was written"
        ) from None
