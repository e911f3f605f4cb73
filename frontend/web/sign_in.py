"""The operator's sign-in and sign-out: plain forms, with a whole page behind them."""

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from chassis.http.operator_auth import try_token
from frontend.web.actions import read_form
from frontend.web.pages import HttpRequest
from frontend.web.responses import html_response, own_page, problem_page, see_other
from frontend.web.sessions import OPERATOR_COOKIE, Sessions
from frontend.web.toasts import Toast


def sign_in_routes(sessions: Sessions) -> list[HTTPRouteHandler]:
    """POST /operator/sign-in and /operator/sign-out."""

    @post("/operator/sign-in", status_code=200, include_in_schema=False)
    async def sign_in(request: HttpRequest) -> Response[str]:
        form, visitor = await read_form(request, sessions)
        if not try_token(request, lambda: sessions.is_token(form.get("token", ""))):
            why = "Gremlins stay locked. Everything else on these pages is open to you."
            toast = Toast("refused", "That is not the operator's token", why)
            html = problem_page(toast, again=visitor)
            return html_response(html, sessions, visitor, status=401)
        await sessions.sign_out(request)  # of an earlier session, which its new cookie replaces
        cookies = (await sessions.sign_in(visitor),)
        return see_other(own_page(form.get("back")), sessions, visitor, cookies=cookies)

    @post("/operator/sign-out", status_code=200, include_in_schema=False)
    async def sign_out(request: HttpRequest) -> Response[str]:
        _, visitor = await read_form(request, sessions)
        await sessions.sign_out(request)
        response = see_other("/", sessions, visitor)
        response.delete_cookie(OPERATOR_COOKIE)
        return response

    return [sign_in, sign_out]
