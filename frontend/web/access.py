"""Who may open a page: beyond loopback nobody who has not signed in; a shopper what is theirs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from chassis.http.problems import Problem
from chassis.identity.caller import ROLE_MISSING
from chassis.identity.owners import sees_all
from frontend.web.sessions import Sessions

SIGN_IN_NEEDED = "sign-in-needed"


async def page_guard(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard of every route of the dashboard that is not open: by the session of the browser, or
    by the token of a program."""
    if handler.opt.get("credential") is not None:
        return
    sessions: Sessions = connection.app.state["sessions"]
    person = sessions.person_of(connection)
    if person is None and sessions.is_demanded:
        raise Problem(
            401, SIGN_IN_NEEDED, "Sign in to see this.", headers={"WWW-Authenticate": "Bearer"}
        )
    if person is not None and not sees_all(person) and "for_shoppers" not in handler.opt:
        raise Problem(403, ROLE_MISSING, "This page is for the operators of the shop.")
