"""What a visitor can do: every action has a plain form's URL (/do) and htmx's (/actions)."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from chassis.http.problems import Problem
from chassis.identity.caller import ROLE_MISSING
from chassis.identity.owners import FOR_SHOPPERS
from frontend.web.access import SIGN_IN_NEEDED
from frontend.web.pages import HttpRequest
from frontend.web.responses import html_response, problem_page, see_other
from frontend.web.sessions import Sessions, Visitor
from frontend.web.templating import render
from frontend.web.toasts import Toast

Form = Mapping[str, str]
_KEY = re.compile(r"[!-~]{16,255}")
_WHOLE = re.compile(r"[0-9]{1,9}")


class NextForm(Struct, frozen=True):
    """What changes in the form that was sent, by its name: its next key, where it has a new one;
    what is wrong with it, where it has a place for that; and whether what was written into it is
    done, and emptied."""

    name: str
    key: str = ""
    mistake: str | None = None
    is_done: bool = False


class Done(Struct, frozen=True):
    """What came of an action. `url` is where a plain form goes next when there is no bad news."""

    toast: Toast
    url: str = "/"
    form: NextForm | None = None


Action = Callable[[Form, Visitor], Awaitable[Done]]


def action_routes(
    actions: Mapping[str, Action], sessions: Sessions, refresh: Callable[[], Awaitable[None]]
) -> list[HTTPRouteHandler]:
    """POST /do/{action} answers with a page, POST /actions/{action} with a toast. After an action
    `refresh` makes the panels show what it changed."""

    async def act(name: str, request: HttpRequest) -> tuple[Done, Visitor]:
        form, visitor = await read_form(request, sessions)
        if name not in actions:
            raise Problem(404, "not-found", "There is no such action.")
        visitor = await sessions.with_bearer(request, visitor)
        done = await actions[name](form, visitor)
        await refresh()
        return done, visitor

    @post("/do/{name:str}", status_code=200, include_in_schema=False, opt=FOR_SHOPPERS)
    async def act_by_form(name: FromPath[str], request: HttpRequest) -> Response[str]:
        done, visitor = await act(name, request)
        if done.toast.status < 400 or done.toast.order_id:
            return see_other(done.url, sessions, visitor)
        html = problem_page(done.toast)
        return html_response(html, sessions, visitor, status=done.toast.status)

    @post("/actions/{name:str}", status_code=200, include_in_schema=False, opt=FOR_SHOPPERS)
    async def act_in_place(name: FromPath[str], request: HttpRequest) -> Response[str]:
        try:
            done, visitor = await act(name, request)
        except Problem as problem:
            return refusal(problem, request, sessions)
        html = render_toast(done.toast, done.form)
        return html_response(html, sessions, visitor)

    return [act_by_form, act_in_place]


async def read_form(request: HttpRequest, sessions: Sessions) -> tuple[Form, Visitor]:
    """A form and who sent it; `Problem` 403 unless it came from one of our pages."""
    form = {key: str(value) for key, value in (await request.form()).items()}
    return form, await sessions.check(request, form.get("csrf", ""))


def render_toast(toast: Toast, form: NextForm | None = None) -> str:
    """A toast as HTML, with what changes in the form beside it."""
    return render("web/toast.html", toast=toast, form=form)


def refusal(problem: Problem, request: HttpRequest, sessions: Sessions) -> Response[str]:
    """The toast of an action that was not begun."""
    html = render_toast(Toast("failed", "That did not work", problem.detail))
    return html_response(html, sessions, sessions.identify(request))


def operator_only(visitor: Visitor, what: str) -> None:
    """`Problem` 401 until an operator has signed in, 403 to somebody else; `what` waits for it."""
    if visitor.is_shopper:
        raise Problem(403, ROLE_MISSING, f"{what} for an operator, and {visitor.name} is none.")
    if visitor.locked:
        raise Problem(401, SIGN_IN_NEEDED, f"{what} for an operator: sign in first.")


def new_form_key() -> str:
    """The Idempotency-Key of a form as it is shown; sending it twice does what it says once."""
    return secrets.token_hex(16)


def form_key(form: Form) -> str:
    """The key of a form; `Problem` 400 without one."""
    if not _KEY.fullmatch(key := form.get("key", "")):
        raise Problem(400, "validation", "The form's key is missing: load the page again.")
    return key


def number(form: Form, field: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number of a form; `Problem` 400 if it is missing or out of bounds."""
    raw = form.get(field, "").strip()
    if not raw and default is not None:
        return default
    if not _WHOLE.fullmatch(raw) or not least <= int(raw) <= most:
        raise Problem(400, "validation", f"{field} must be a whole number from {least} to {most}.")
    return int(raw)
