"""Responses to a browser: HTML, strict headers, and the cookie of a new visitor."""

import re
from typing import Any
from urllib.parse import quote, unquote

from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie

from chassis.http.app import answer_exception, as_problem
from chassis.telemetry.context import current_trace_id, span_now
from frontend.web.formatting import choose_zone
from frontend.web.sessions import Sessions, Visitor
from frontend.web.templating import render
from frontend.web.toasts import Toast

# Everything comes from this origin, nothing is inline, nobody frames the page. `data:` nowhere.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # A page shows the state of a moment and carries a form's token: never from a cache.
    "Cache-Control": "no-store",
}
# Written by the page's own script; a name of IANA's, such as Europe/Berlin.
ZONE_COOKIE = "valerix_zone"
_NO_PAGES = ("/panels/", "/api/", "/nudges", "/charts/")
_TITLES = {
    401: "Sign in first",
    403: "Not from here",
    404: "Nothing here",
    429: "Too much at once",
    503: "Busy",
}


def html_response(
    html: str,
    sessions: Sessions,
    visitor: Visitor,
    *,
    status: int = 200,
    cookies: tuple[Cookie, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response[str]:
    """A page or a fragment."""
    sent = [*cookies, *([sessions.cookie(visitor)] if visitor.is_new else [])]
    return Response(
        html,
        status_code=status,
        media_type=MediaType.HTML,
        headers={**HEADERS, **(headers or {})},
        cookies=sent,
    )


def see_other(
    url: str, sessions: Sessions, visitor: Visitor, *, cookies: tuple[Cookie, ...] = ()
) -> Response[str]:
    """After a plain form: 303, so that a reload does not send it again."""
    return html_response(
        "", sessions, visitor, status=303, cookies=cookies, headers={"Location": url}
    )


def problem_page(toast: Toast, *, reference: str = "") -> str:
    """What went wrong, as a page; `reference` is what to look for in the dashboard's own log."""
    return render("web/problem.html", toast=toast, reference=reference, here="")


def show_problem(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """An error as a page for people: what happened, what was not affected, what to do."""
    problem = as_problem(error)
    path = request.url.path
    # A panel that refreshes itself leaves the page as it is.
    is_page = request.method == "GET" and not path.startswith(_NO_PAGES)
    if is_page and problem.code == "sign-in-needed":
        login = f"/login?back={quote(own_page(path))}"
        return Response("", status_code=303, headers={**HEADERS, "Location": login})
    toast = Toast(
        "failed" if problem.status >= 500 else "refused",
        _TITLES.get(problem.status, "That did not work"),
        problem.detail,
        status=problem.status,
    )
    # The dashboard's own trace is not kept here: a link to it would lead nowhere.
    reference = current_trace_id() or "" if problem.status >= 500 else ""
    return Response(
        problem_page(toast, reference=reference),
        status_code=problem.status,
        media_type=MediaType.HTML,
        headers={**HEADERS, **problem.headers},
    )


def show_unknown(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An error at an address that is not a page's: a page for a browser, else a document."""
    reads_html = "text/html" in request.headers.get("accept", "")
    return show_problem(request, error) if reads_html else answer_exception(request, error)


def own_page(path: object) -> str:
    """The path, if it is one of our own pages: a form field must not send anyone elsewhere."""
    text = str(path or "/")
    return quote(text, safe="/#-") if re.fullmatch(r"/(?!/)[\w/#-]*", text) else "/"


async def begin_page(request: Request[Any, Any, Any]) -> None:
    """Before a handler that shows something to a browser: in the browser's zone, and untraced."""
    choose_zone(unquote(request.cookies.get(ZONE_COOKIE, "")))
    await leave_untraced(request)


async def leave_untraced(_: Request[Any, Any, Any]) -> None:
    """Before a handler that only shows: an open page asks several times a second, and there are
    two hundred of them. That is watching, not the shop's story; what a visitor does, a POST, is."""
    if (span := span_now.get()) is not None:
        span.sampled = False
