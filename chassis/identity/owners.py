"""Whose something is: what a caller may see and end of what belongs to somebody.

It belongs to the subject of the token that was shown when it was made. On loopback, where none need
be shown, whoever shows none sees everything."""

from typing import TYPE_CHECKING

from chassis.http.operator_auth import claimed_actor
from chassis.identity.caller import (
    ANONYMOUS,
    OPERATOR,
    Caller,
    caller_of,
    is_open,
    role_missing,
    token_needed,
)
from chassis.service_credential import ServiceCredential

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

# What a route says of itself where it needs nobody's token: nothing at all, or a credential of
# another kind that it looks at by itself.
OPEN: dict[str, object] = {"credential": "none"}
OTHER_CREDENTIAL: dict[str, object] = {"credential": "other"}
# And where a shopper may ask as well: it shows what is theirs, or what is for sale.
FOR_SHOPPERS: dict[str, object] = {"for_shoppers": True}


def sees_all(caller: Caller) -> bool:
    """Whether what is others' is shown to this caller as well: to an operator, to a service of the
    shop, and to whoever shows no token, where none is needed."""
    return caller.is_anonymous or caller.is_operator or is_service(caller)


def is_service(caller: Caller) -> bool:
    """Whether it asks for itself: a person uses another program, and has a role."""
    return not caller.roles and caller.client == caller.subject


def may_see(caller: Caller, owner: str) -> bool:
    """Whether this caller may know of what belongs to `owner`."""
    return sees_all(caller) or caller.subject == owner


async def caller_guard(connection: "ASGIConnection", handler: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
    """The guard of every route that has none of its own: beyond loopback 401 without a good token
    or the service credential; 403 to a shopper where the route does not say that it is for them."""
    if handler.opt.get("credential") is not None or handler.guards:
        return
    credential: ServiceCredential = connection.app.state["service_credential"]
    caller = caller_of(connection)
    if credential.is_shown(connection.headers):
        return
    if caller.is_anonymous and not is_open(connection.app.state["settings"], "shopper"):
        raise token_needed("This needs a token")
    if not sees_all(caller) and "for_shoppers" not in handler.opt:
        raise role_missing("operator")


async def known_caller(connection: "ASGIConnection", _: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
    """A guard: 401 unless the caller is somebody, wherever the shop has an operator."""
    if caller_of(connection).is_anonymous and not is_open(
        connection.app.state["settings"], "operator"
    ):
        raise token_needed("This needs a token, the owner's or an operator's")


def actor_of(connection: "ASGIConnection") -> str:  # type: ignore[type-arg]
    """Who does it, for the audit row: the subject of the token that is shown. Where none is, or the
    operator token that several share, the client says who."""
    caller = caller_of(connection)
    return claimed_actor(connection) if caller in (ANONYMOUS, OPERATOR) else caller.subject
