"""The operator's sign-in and sign-out: plain forms, with a whole page behind them."""

import asyncio

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from frontend.web.actions import read_form
from frontend.web.pages import HttpRequest
from frontend.web.responses import html_response, own_page, problem_page, see_other
from frontend.web.sessions import OPERATOR_COOKIE, Sessions
from frontend.web.toasts import Toast

# Guessing a token of sixteen characters is hopeless; this keeps it from being cheap as well.
_WRONG_TOKEN_S = 0.5


def sign_in_routes(sessions: Sessions) -> list[HTTPRouteHandler]:
    """POST /operator/sign-in and /operator/sign-out."""

    @post("/operator/sign-in", status_code=200, include_in_schema=False)
    async def sign_in(request: HttpRequest) -> Response[str]:
        form, visitor = await read_form(request, sessions)
        if not sessions.is_token(form.get("token", "")):
            await asyncio.sleep(_WRONG_TOKEN_S)
            why = "Gremlins stay locked. Everything else on these pages is open to you."
            toast = Toast("refused", "That is not the operator's token", why)
            html = problem_page(toast, again=visitor)
            return html_response(html, sessions, visitor, status=401)
        cookies = (sessions.operator_cookie(visitor),)
        return see_other(own_page(form.get("back")), sessions, visitor, cookies=cookies)

    @post("/operator/sign-out", status_code=200, include_in_schema=False)
    async def sign_out(request: HttpRequest) -> Response[str]:
        _, visitor = await read_form(request, sessions)
        response = see_other("/", sessions, visitor)
        response.delete_cookie(OPERATOR_COOKIE)
        return response

    return [sign_in, sign_out]
