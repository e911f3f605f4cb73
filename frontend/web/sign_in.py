"""Signing in and out: a page of its own and plain forms."""

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from chassis.http.operator_auth import try_token
from chassis.http.problems import Problem
from chassis.identity.owners import OPEN
from frontend.web.actions import read_form
from frontend.web.pages import HttpRequest
from frontend.web.responses import html_response, own_page, see_other
from frontend.web.sessions import SESSION_COOKIE, Sessions, Visitor
from frontend.web.templating import render


def sign_in_routes(sessions: Sessions) -> list[HTTPRouteHandler]:
    """GET and POST /login, POST /logout."""

    def page(visitor: Visitor, back: str, mistake: str = "", user: str = "") -> str:
        return render(
            "web/login.html", visitor=visitor, back=back, mistake=mistake, user=user, here="/login",
            with_password=sessions.issuer is not None, with_token=visitor.guarded,
        )  # fmt: skip

    @get("/login", summary="Sign in", include_in_schema=False, opt=OPEN)
    async def show_login(request: HttpRequest) -> Response[str]:
        visitor = sessions.identify(request, attended=True)
        back = own_page(request.query_params.get("back"))
        return html_response(page(visitor, back), sessions, visitor)

    @post("/login", status_code=200, include_in_schema=False, opt=OPEN)
    async def sign_in(request: HttpRequest) -> Response[str]:
        form, visitor = await read_form(request, sessions)
        back, user = own_page(form.get("back")), form.get("user", "")[:64]
        tokens, mistake, status = None, "", 401
        if "token" in form:
            if not try_token(request, lambda: sessions.is_token(form["token"])):
                mistake = "That is not the operator's token."
        elif sessions.issuer is not None:
            try:
                tokens = await sessions.issuer.log_in(user, form.get("password", ""))
                mistake = "" if tokens else "That user and password do not fit together."
            except Problem as problem:
                mistake, status = problem.detail, problem.status
        else:
            mistake = "There are no passwords here."
        if mistake:
            html = page(visitor, back, mistake, user)
            return html_response(html, sessions, visitor, status=status)
        await sessions.sign_out(request)  # of an earlier session, which its new cookie replaces
        cookies = (await sessions.sign_in(visitor, tokens),)
        return see_other(back, sessions, visitor, cookies=cookies)

    @post("/logout", status_code=200, include_in_schema=False, opt=OPEN)
    async def sign_out(request: HttpRequest) -> Response[str]:
        _, visitor = await read_form(request, sessions)
        await sessions.sign_out(request)
        response = see_other("/", sessions, visitor)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return [show_login, sign_in, sign_out]
