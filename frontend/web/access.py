"""Who may open a page: beyond loopback nobody who has not signed in; a shopper what is theirs."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from chassis.http.problems import Problem
from chassis.identity.caller import ANONYMOUS, ROLE_MISSING, caller_of
from chassis.identity.owners import sees_all
from frontend.web.sessions import Sessions

# What a route says of itself that a shopper may open as well: it shows what is theirs alone.
FOR_SHOPPERS: dict[str, object] = {"for_shoppers": True}
SIGN_IN_NEEDED = "sign-in-needed"


async def page_guard(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard of every route of the dashboard that is not open: by the session of the browser, or
    by the token of a program."""
    if handler.opt.get("credential") is not None:
        return
    sessions: Sessions = connection.app.state["sessions"]
    caller = caller_of(connection)
    person = sessions.person_of(connection) if caller == ANONYMOUS else caller
    if person is None and sessions.is_demanded:
        raise Problem(
            401, SIGN_IN_NEEDED, "Sign in to see this.", headers={"WWW-Authenticate": "Bearer"}
        )
    if person is not None and not sees_all(person) and "for_shoppers" not in handler.opt:
        raise Problem(403, ROLE_MISSING, "This page is for the operators of the shop.")
