"""The pages of acts: the list, the stage, the speaker's notes; and Begin, Next, End."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.problems import Problem
from frontend.acts import presenter
from frontend.acts.scenario_runner import Stage, scenario_of
from frontend.acts.view_models import ActView
from frontend.gremlins.actions import own_page
from frontend.live_state import Watch, utc_now
from frontend.overview.view_models import Told
from frontend.settings import DashboardSettings
from frontend.web.panels import Panel, paint_panel, paint_view
from frontend.web.responses import page, see_other
from frontend.web.sessions import Doorman, Visitor
from frontend.web.templating import render
from scenarios.loader import read_all
from scenarios.lock import holder

Asked = Request[Any, Any, Any]


def act_panel(name: str) -> Panel:
    """The stage of one act."""
    return Panel("act", ("acts",), lambda *_: None, f"/panels/act/{name}")


def notes_panel(name: str) -> Panel:
    """Its speaker's notes."""
    return Panel("notes", ("acts",), lambda *_: None, f"/panels/notes/{name}")


class Playbill:
    """Draws pages around the act that is on, or around one that could be."""

    def __init__(self, settings: DashboardSettings, watch: Watch, doorman: Doorman) -> None:
        self._url, self._watch, self._doorman = settings.database_url, watch, doorman

    async def view(self, name: str, now: datetime) -> ActView:
        """The act of this name: as it is played here, or as it lies in its file."""
        played = self._watch.playing.now
        if played is not None and played.scenario.name == name:
            return presenter.act(played, now)
        scenario = scenario_of(name)
        is_on = self._watch.playing.is_on
        return presenter.idle(scenario, played, None if is_on else await holder(self._url))

    async def page(self, request: Asked, template: str, panel: Panel, name: str) -> Response[str]:
        """A page around a panel; its first paint holds the panel's own bytes."""
        visitor, now = self._doorman.welcome(request), utc_now()
        view = await self.view(name, now)
        body = paint_view(panel, view, visitor, now)
        return self._page(request, visitor, template, now, body=body, act=view)

    async def panel(self, request: Asked, panel: Panel, name: str) -> Response[str]:
        """The panel alone."""
        visitor, now = self._doorman.welcome(request), utc_now()
        html = paint_view(panel, await self.view(name, now), visitor, now)
        return page(html, self._doorman, visitor)

    async def list(self, request: Asked) -> Response[str]:
        """Every act."""
        visitor, now = self._doorman.welcome(request), utc_now()
        found = presenter.listed(read_all(), self._watch.playing.now, await holder(self._url))
        return self._page(request, visitor, "acts.html", now, view=found)

    def _page(
        self, request: Asked, visitor: Visitor, template: str, now: datetime, **more: object
    ) -> Response[str]:
        html = render(
            template,
            panel=partial(paint_panel, watch=self._watch, visitor=visitor, now=now),
            visitor=visitor,
            here=request.url.path,
            now=now,
            **more,
        )
        return page(html, self._doorman, visitor)


def act_routes(
    settings: DashboardSettings, stage: Stage, watch: Watch, doorman: Doorman
) -> list[HTTPRouteHandler]:
    """GET /acts, /acts/{name}, /acts/{name}/notes with their panels; POST to play them."""
    bill = Playbill(settings, watch, doorman)

    @get("/acts", summary="Every act", include_in_schema=False)
    async def show_acts(request: Asked) -> Response[str]:
        return await bill.list(request)

    @get("/acts/{name:str}", summary="An act on stage", include_in_schema=False)
    async def show_act(name: FromPath[str], request: Asked) -> Response[str]:
        return await bill.page(request, "act.html", act_panel(name), name)

    @get("/acts/{name:str}/notes", summary="The speaker's notes", include_in_schema=False)
    async def show_notes(name: FromPath[str], request: Asked) -> Response[str]:
        stage.attend(doorman.welcome(request))
        return await bill.page(request, "notes.html", notes_panel(name), name)

    @get("/panels/act/{name:str}", include_in_schema=False)
    async def show_act_panel(name: FromPath[str], request: Asked) -> Response[str]:
        return await bill.panel(request, act_panel(name), name)

    @get("/panels/notes/{name:str}", include_in_schema=False)
    async def show_notes_panel(name: FromPath[str], request: Asked) -> Response[str]:
        return await bill.panel(request, notes_panel(name), name)

    pages = [show_acts, show_act, show_notes, show_act_panel, show_notes_panel]
    return [*pages, *_deeds(stage, doorman)]


def _deeds(stage: Stage, doorman: Doorman) -> list[HTTPRouteHandler]:
    """POST /do/act/{verb} answers with a page, POST /actions/act/{verb} with a toast or nothing."""
    verbs: dict[str, Callable[[str], None]] = {
        "next": stage.next,
        "skip": stage.skip,
        "end": lambda _: stage.end(),
        "put-away": lambda _: stage.put_away(),
    }

    async def act(verb: str, request: Asked) -> Visitor:
        form = {key: str(value) for key, value in (await request.form()).items()}
        visitor = doorman.check(request, form.get("csrf", ""))
        if visitor.locked:
            raise Problem(
                401, "operator-token-needed", "Acts wait for the operator: unlock the gremlins."
            )
        if verb == "begin":
            await stage.begin(form.get("act", ""), visitor.id)
        elif verb in verbs:
            verbs[verb](visitor.id)
        else:
            raise Problem(404, "not-found", "There is no such thing to do with an act.")
        return visitor

    @post("/do/act/{verb:str}", status_code=200, include_in_schema=False)
    async def do_plainly(verb: FromPath[str], request: Asked) -> Response[str]:
        visitor = await act(verb, request)
        came_from = urlsplit(request.headers.get("referer", "")).path
        return see_other(own_page(came_from), doorman, visitor)

    @post("/actions/act/{verb:str}", status_code=200, include_in_schema=False)
    async def do_here(verb: FromPath[str], request: Asked) -> Response[str]:
        try:
            visitor = await act(verb, request)
        except Problem as problem:
            visitor = doorman.welcome(request)
            told = Told("failed", "That did not work", problem.detail)
            return page(render("panels/toast.html", told=told, order_key=None), doorman, visitor)
        return page("", doorman, visitor, status=204)

    return [do_plainly, do_here]
