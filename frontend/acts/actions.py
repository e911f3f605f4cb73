"""What the operator does to an act: begin it, go on, wait no longer, end it, put it away."""

from collections.abc import Callable
from urllib.parse import urlsplit

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.problems import Problem
from frontend.acts.scenario_runner import ScenarioRunner
from frontend.web.actions import operator_only, read_form, refusal
from frontend.web.pages import HttpRequest
from frontend.web.responses import html_response, own_page, see_other
from frontend.web.sessions import Sessions, Visitor

_LOCKED = "Acts wait"


def act_action_routes(runner: ScenarioRunner, sessions: Sessions) -> list[HTTPRouteHandler]:
    """POST /do/act/{verb} answers with a page, POST /actions/act/{verb} with a toast or nothing."""
    verbs: dict[str, Callable[[str], None]] = {
        "next": runner.next,
        "skip": runner.skip,
        "end": lambda _: runner.end(),
        "put-away": lambda _: runner.put_away(),
    }

    async def act(verb: str, request: HttpRequest) -> Visitor:
        form, visitor = await read_form(request, sessions)
        operator_only(visitor, _LOCKED)
        if verb == "begin":
            await runner.begin(form.get("act", ""), visitor.id)
        elif verb in verbs:
            verbs[verb](visitor.id)
        else:
            raise Problem(404, "not-found", "There is no such thing to do with an act.")
        return visitor

    @post("/do/act/{verb:str}", status_code=200, include_in_schema=False)
    async def act_by_form(verb: FromPath[str], request: HttpRequest) -> Response[str]:
        visitor = await act(verb, request)
        came_from = urlsplit(request.headers.get("referer", "")).path
        return see_other(own_page(came_from), sessions, visitor)

    @post("/actions/act/{verb:str}", status_code=200, include_in_schema=False)
    async def act_in_place(verb: FromPath[str], request: HttpRequest) -> Response[str]:
        try:
            visitor = await act(verb, request)
        except Problem as problem:
            return refusal(problem, request, sessions)
        return html_response("", sessions, visitor, status=204)

    return [act_by_form, act_in_place]
