"""Answers a browser with a whole page, or with one panel of it."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.identity.owners import FOR_SHOPPERS
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel, Panels
from frontend.web.responses import html_response, see_other
from frontend.web.sessions import Sessions
from frontend.web.templating import render
from frontend.web.time_range import TimeRange, clean_query

HttpRequest = Request[Any, Any, Any]


class Pages:
    """Renders pages within the layout, whose panels are the same on all of them."""

    def __init__(self, panels: Panels, sessions: Sessions) -> None:
        self._panels, self.sessions = panels, sessions

    def page(self, request: HttpRequest, template: str, **context: object) -> Response[str]:
        """A page. In its template `panel(p)` is a panel, by its name or given in the context. An
        address with empty fields, as a plain form makes it, leads to the one without."""
        visitor, now = self.sessions.identify(request, attended=True), utc_now()
        given = list(request.query_params.items())
        if urlencode(given) != (query := clean_query(given)):
            path = request.url.path
            return see_other(f"{path}?{query}" if query else path, self.sessions, visitor)
        html = render(
            template,
            panel=partial(self._panels.render, visitor=visitor, now=now),
            visitor=visitor,
            here=request.url.path,
            time_query=TimeRange.of(request.query_params).query,
            now=now,
            **context,
        )
        return html_response(html, self.sessions, visitor)

    def panel(self, request: HttpRequest, panel: Panel | str) -> Response[str]:
        """A panel alone: the bytes that the page holds as well."""
        visitor = self.sessions.identify(request)
        html = self._panels.render(panel, visitor, utc_now())
        return html_response(html, self.sessions, visitor)


def panel_routes(pages: Pages) -> list[HTTPRouteHandler]:
    """GET /panels/{name}, for every panel that has no id in its URL."""

    @get("/panels/{name:str}", summary="One panel", include_in_schema=False, opt=FOR_SHOPPERS)
    async def show_panel(name: FromPath[str], request: HttpRequest) -> Response[str]:
        return pages.panel(request, name)

    return [show_panel]
