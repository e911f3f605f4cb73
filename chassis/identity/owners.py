"""Whose something is: what a caller may see and end of what belongs to somebody.

It belongs to the subject of the token that was shown when it was made. On loopback, where none need
be shown, whoever shows none sees everything."""

from typing import TYPE_CHECKING

from chassis.http.operator_auth import claimed_actor
from chassis.http.problems import Problem
from chassis.identity.caller import ANONYMOUS, Caller, caller_of
from chassis.service_credential import ServiceCredential
from chassis.settings import Settings

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

# Those whose work is about everybody's.
_OF_THE_SHOP = frozenset({"operator", "admin", "service"})
# Of whom nobody in particular is the subject.
_SHARED = ("", "operator-token")
# What a route says of itself where it needs nobody's token: nothing at all, or a credential of
# another kind that it looks at by itself.
OPEN: dict[str, object] = {"credential": "none"}
OTHER_CREDENTIAL: dict[str, object] = {"credential": "other"}


def sees_all(caller: Caller) -> bool:
    """Whether what is others' is shown to this caller as well."""
    return caller == ANONYMOUS or not caller.roles.isdisjoint(_OF_THE_SHOP)


def may_see(caller: Caller, owner: str) -> bool:
    """Whether this caller may know of what belongs to `owner`."""
    return sees_all(caller) or caller.subject == owner


def caller_guard(connection: "ASGIConnection", handler: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
    """The guard of every route that has none of its own: 401 without a good token or service
    credential, where one is needed."""
    if handler.opt.get("credential") is None and not handler.guards:
        credential: ServiceCredential = connection.app.state["service_credential"]
        if not credential.is_shown(connection.headers):
            caller_of(connection)


def known_caller(connection: "ASGIConnection", _: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
    """A guard: 401 unless the caller is somebody, wherever the shop has an operator."""
    settings: Settings = connection.app.state["settings"]
    if caller_of(connection) == ANONYMOUS and settings.operator_token:
        raise Problem(
            401, "operator-token-needed", "This needs a token: the owner's or an operator's",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip


def actor_of(connection: "ASGIConnection") -> str:  # type: ignore[type-arg]
    """Who does it, for the audit row: the subject of the token that is shown. Where none is, or one
    that several share, the client says who."""
    caller = caller_of(connection)
    return claimed_actor(connection) if caller.client in _SHARED else caller.subject
