"""The page of one process, and the same as the drawer of the map."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.problems import Problem
from fleet.client import POSTGRES
from frontend.gremlins.panels import faults_panel
from frontend.live_state import DashboardState
from frontend.overview.charts import sparks
from frontend.processes.panels import about_panel, evidence, evidence_panel, known_key
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest, Pages
from observatory.sources.protocols import TelemetrySource
from topology import LABELS


def process_routes(
    pages: Pages, state: DashboardState, telemetry: TelemetrySource
) -> list[HTTPRouteHandler]:
    """GET /processes/{key} and its panels."""

    async def parts(key: str) -> dict[str, object]:
        known = known_key(key)
        shown = {
            "key": known,
            "label": LABELS.get(known, "PostgreSQL"),
            "about": about_panel(state, telemetry, known),
            "faults": None,
            "evidence": None,
            "spark": None,
        }
        if known != POSTGRES:
            shown["faults"] = faults_panel(state, known)
            shown["evidence"] = evidence_panel(known, await evidence(telemetry, known))
            (shown["spark"],) = sparks(state.source, utc_now().timestamp(), (known,))
        return shown

    @get("/processes/{key:str}", summary="One process", include_in_schema=False)
    async def show_process(key: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.page(request, "processes/page.html", **await parts(key))

    @get("/panels/process/{key:str}", summary="The drawer of one process", include_in_schema=False)
    async def show_drawer(key: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.page(request, "processes/drawer.html", **await parts(key))

    @get("/panels/about/{key:str}", summary="How a process is", include_in_schema=False)
    async def show_about(key: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.panel(request, about_panel(state, telemetry, known_key(key)))

    @get("/panels/faults/{key:str}", summary="The faults of a process", include_in_schema=False)
    async def show_faults(key: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.panel(request, faults_panel(state, _of_shop(key)))

    @get("/panels/evidence/{key:str}", summary="What a process did", include_in_schema=False)
    async def show_evidence(key: FromPath[str], request: HttpRequest) -> Response[str]:
        known = _of_shop(key)
        return pages.panel(request, evidence_panel(known, await evidence(telemetry, known)))

    return [show_process, show_drawer, show_about, show_faults, show_evidence]


def _of_shop(key: str) -> str:
    if key == POSTGRES:
        raise Problem(404, "not-found", "The database has no faults and no telemetry of its own.")
    return known_key(key)
