"""The page of load, each run's own report, and the same as JSON."""

import asyncio
from typing import Annotated, Any

from litestar import MediaType, Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem, invalid_parameter
from chassis.identity.caller import needs_role
from chassis.identity.owners import actor_of
from fleet.client import LoadState
from frontend.load import presenter
from frontend.load.desk import LoadDesk
from frontend.load.panels import load_panel, load_view, runs_panel, runs_view
from frontend.web.filters import field
from frontend.web.formatting import cut
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import HEADERS, leave_untraced
from observatory.load_comparison import ComparedFigure, compare, figures_of
from observatory.load_runs import LoadProgress, LoadReport
from scenarios.load_profiles import PROFILES, Profile

_NO_OPERATOR = refused("This needs the operator token")
# A report is one file whose style and icon stand in it; it has no script, and gets none.
_REPORT_HEADERS = HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


class StartLoad(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/load: `scale` stretches time, `rate` 0 is a closed loop, else visits a second."""

    profile: str
    scale: float = 1.0
    rate: float = 0.0


class LoadStatus(Struct, frozen=True):
    """What the fleet runs or ran last, how the run is doing that is on, and the runs before;
    `obstacle` says why none can be started now."""

    is_on: bool
    run: LoadState | None
    progress: LoadProgress | None
    reports: tuple[LoadReport, ...]
    obstacle: str
    profiles: tuple[Profile, ...] = tuple(PROFILES.values())


class LoadComparison(Struct, frozen=True):
    """Two runs and their figures beside each other; `is_one_kind` where profile, scale and rate are
    equal."""

    a: LoadReport
    b: LoadReport
    is_one_kind: bool
    figures: tuple[ComparedFigure, ...]


def load_routes(pages: Pages, desk: LoadDesk) -> list[HTTPRouteHandler]:
    """GET /load with its panels, GET /load/{name}, a run's report, and two of them compared."""

    @get("/load", summary="Load profiles", include_in_schema=False)
    async def show_load(request: HttpRequest) -> Response[str]:
        return pages.page(
            request,
            "load/page.html",
            load=load_panel(await load_view(desk)),
            runs=runs_panel(await runs_view(desk)),
        )

    @get("/panels/load", summary="The run that is on", include_in_schema=False)
    async def show_run(request: HttpRequest) -> Response[str]:
        return pages.panel(request, load_panel(await load_view(desk)))

    @get("/panels/runs", summary="The runs before", include_in_schema=False)
    async def show_runs(request: HttpRequest) -> Response[str]:
        return pages.panel(request, runs_panel(await runs_view(desk)))

    @get("/load/{name:str}", summary="A run's report", include_in_schema=False)
    async def show_report(name: FromPath[str]) -> Response[bytes]:
        page = await asyncio.to_thread(desk.runs.page, name)
        if page is None:
            raise Problem(404, "report-not-found", "There is no such report of a load run.")
        content = await asyncio.to_thread(page.read_bytes)
        return Response(content, media_type=MediaType.HTML, headers=_REPORT_HEADERS)

    @get("/load/compare", summary="Two load reports compared", include_in_schema=False)
    async def show_comparison(request: HttpRequest) -> Response[str]:
        reports = await asyncio.to_thread(desk.runs.reports)
        a, b = _two_of(reports, field(request, "a"), field(request, "b"))
        view = presenter.comparison(reports, a, b)
        return pages.page(request, "load/compare_page.html", view=view)

    return [show_load, show_run, show_runs, show_report, show_comparison]


def load_api(desk: LoadDesk) -> list[HTTPRouteHandler]:
    """GET, POST and DELETE /api/load, GET /api/load/compare."""

    async def status() -> LoadStatus:
        reports = await asyncio.to_thread(desk.runs.reports)
        progress = await asyncio.to_thread(desk.runs.current)
        return LoadStatus(desk.is_on, desk.state(), progress, reports, desk.obstacle)

    @get("/api/load", summary="Load profiles and runs", before_request=leave_untraced)
    async def read_load() -> LoadStatus:
        return await status()

    @post(
        "/api/load",
        guards=[needs_role("operator")],
        dto=Strict[StartLoad],
        return_dto=None,
        summary="Start a load profile",
        responses={
            401: _NO_OPERATOR,
            404: refused("There is no such profile"),
            409: refused("One is running already, or the shop cannot run it"),
        },
    )
    async def start_load(data: JSONBody[StartLoad], request: Request[Any, Any, Any]) -> LoadStatus:
        await desk.start(data.profile, data.scale, data.rate, actor_of(request))
        return await status()

    @delete(
        "/api/load",
        guards=[needs_role("operator")],
        status_code=200,
        summary="Stop the run",
        responses={401: _NO_OPERATOR, 409: refused("None is running")},
    )
    async def stop_load(request: Request[Any, Any, Any]) -> LoadStatus:
        await desk.stop(actor_of(request))
        return await status()

    return [read_load, start_load, stop_load, _compare_api(desk)]


def _compare_api(desk: LoadDesk) -> HTTPRouteHandler:
    """GET /api/load/compare."""

    @get(
        "/api/load/compare",
        summary="Two load reports compared, figure by figure",
        responses={404: refused("There is no such report")},
        before_request=leave_untraced,
    )
    async def compare_reports(
        a: Annotated[str, QueryParameter()], b: Annotated[str, QueryParameter()]
    ) -> LoadComparison:
        """GET /api/load/compare?a=NAME&b=NAME."""
        first, second = _two_of(await asyncio.to_thread(desk.runs.reports), a, b)
        figures = compare(figures_of(first), figures_of(second))
        return LoadComparison(first, second, first.kind == second.kind, figures)

    return compare_reports


def _two_of(reports: tuple[LoadReport, ...], a: str, b: str) -> tuple[LoadReport, LoadReport]:
    """The reports of these names; `Problem` 404 for one that is not listed, 400 for one twice."""
    known = {each.name: each for each in reports}
    for which, name in (("a", a), ("b", b)):
        if not name:
            raise invalid_parameter(which, "must be the name of a load report")
        if name not in known:
            raise Problem(
                404, "report-not-found", f"There is no load report {cut(name, 60)} on /load"
            )
    if a == b:
        raise invalid_parameter("b", "must be another report than a")
    return known[a], known[b]
