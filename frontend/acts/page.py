"""The pages of acts: the list, one act, and its speaker's notes."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from frontend.acts import presenter
from frontend.acts.panels import act_panel, act_view, notes_panel
from frontend.acts.scenario_runner import ScenarioRunner
from frontend.live_state import DashboardState
from frontend.settings import DashboardSettings
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest, Pages
from scenarios.loader import read_all
from scenarios.lock import holder


def act_routes(
    pages: Pages, state: DashboardState, settings: DashboardSettings, runner: ScenarioRunner
) -> list[HTTPRouteHandler]:
    """GET /acts, /acts/{name} and /acts/{name}/notes, with their panels."""

    @get("/acts", summary="Every act", include_in_schema=False)
    async def show_acts(request: HttpRequest) -> Response[str]:
        elsewhere = await holder(settings.database_url)
        view = presenter.act_list(read_all(), state.scenario.performance, elsewhere)
        return pages.page(request, "acts/page.html", view=view)

    @get("/acts/{name:str}", summary="One act", include_in_schema=False)
    async def show_act(name: FromPath[str], request: HttpRequest) -> Response[str]:
        view = await act_view(settings, state, name)
        act, panel = view(utc_now()), act_panel(name, view)
        return pages.page(request, "acts/act_page.html", act=act, body=panel)

    @get("/acts/{name:str}/notes", summary="The speaker's notes", include_in_schema=False)
    async def show_notes(name: FromPath[str], request: HttpRequest) -> Response[str]:
        runner.attend(pages.sessions.identify(request))
        view = await act_view(settings, state, name)
        act, panel = view(utc_now()), notes_panel(name, view)
        return pages.page(request, "acts/notes_page.html", act=act, body=panel)

    @get("/panels/act/{name:str}", include_in_schema=False)
    async def show_act_panel(name: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.panel(request, act_panel(name, await act_view(settings, state, name)))

    @get("/panels/notes/{name:str}", include_in_schema=False)
    async def show_notes_panel(name: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.panel(request, notes_panel(name, await act_view(settings, state, name)))

    return [show_acts, show_act, show_notes, show_act_panel, show_notes_panel]
