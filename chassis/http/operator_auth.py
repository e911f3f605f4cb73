"""Guards what only an operator may do: one token, compared in constant time."""

import hmac

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from chassis.http.problems import Problem
from chassis.settings import Settings


def is_operator(authorization: str | None, settings: Settings) -> bool:
    """Whether the header carries the operator token; true when none is set (loopback only)."""
    if not settings.operator_token:
        return True
    scheme, _, token = (authorization or "").partition(" ")
    right = hmac.compare_digest(token.strip().encode(), settings.operator_token.encode())
    return right and scheme.lower() == "bearer"


def operator_headers(settings: Settings) -> dict[str, str]:
    """What a request carries to be the operator's; nothing where no token is set."""
    token = settings.operator_token
    return {"Authorization": f"Bearer {token}"} if token else {}


def operator_guard(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard: 401 unless the operator asks."""
    settings: Settings = connection.app.state["settings"]
    if not is_operator(connection.headers.get("authorization"), settings):
        raise Problem(
            401,
            "operator-token-needed",
            "This needs the operator token (Authorization: Bearer …)",
            headers={"WWW-Authenticate": "Bearer"},
        )


def actor_of(connection: ASGIConnection) -> str:  # type: ignore[type-arg]
    """The actor that the client names, for the audit row; printable and short."""
    claimed = connection.headers.get("x-valerix-actor", "api")
    return "".join(c for c in claimed if c.isprintable())[:80] or "api"
