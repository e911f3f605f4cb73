"""The caller of a request, from the bearer token it shows."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chassis.addresses import is_loopback
from chassis.http.operator_auth import is_operator, try_token
from chassis.http.problems import Problem
from chassis.settings import Settings

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `client` is the program that got the token, `shop` the shop it is good for."""

    subject: str
    roles: frozenset[str] = frozenset()
    shop: str = ""
    client: str = ""


ANONYMOUS = Caller("anonymous")
_OPERATOR = Caller("operator", frozenset({"operator"}), client="operator-token")


def caller_of(connection: "ASGIConnection") -> Caller:  # type: ignore[type-arg]
    """Who asks; raises `Problem` 401 for a token that is not good, or none where one is needed."""
    settings: Settings = connection.app.state["settings"]
    shown = connection.headers.get("authorization")
    if shown is not None:
        if settings.operator_token and try_token(connection, lambda: is_operator(shown, settings)):
            return _OPERATOR
        raise _refused()
    if is_loopback(settings.published_on or settings.host):
        return ANONYMOUS
    raise _refused()


def _refused() -> Problem:
    return Problem(
        401, "operator-token-needed", "This needs a token", headers={"WWW-Authenticate": "Bearer"}
    )


def needs_role(role: str) -> Callable[..., None]:
    """A guard: 401 without a token where one is needed, 403 without the role."""

    def guard(connection: "ASGIConnection", _: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
        settings: Settings = connection.app.state["settings"]
        caller = caller_of(connection)
        if caller is ANONYMOUS and not settings.operator_token:
            return
        if caller is ANONYMOUS:
            raise _refused()
        if role not in caller.roles and "admin" not in caller.roles:
            raise Problem(403, "role-needed", f"This needs the role {role}")

    return guard
