"""Guards what only an operator may do: one token, compared in constant time, and few guesses."""

import hashlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING

from chassis.http.brake import Brake
from chassis.settings import Settings

if TYPE_CHECKING:
    # Commands need the token alone, and the framework takes longer to import than they run.
    from litestar.connection import ASGIConnection

# Where a process of ours finds the token.
OPERATOR_VARIABLE = "VALERIX_OPERATOR_TOKEN"


def is_token(claimed: str, settings: Settings) -> bool:
    """Whether this is the operator token; the time it takes tells nothing, its length included."""
    digests = (
        hashlib.sha256(each.encode()).digest() for each in (claimed, settings.operator_token)
    )
    return hmac.compare_digest(*digests) and bool(settings.operator_token)


def is_operator(authorization: str | None, settings: Settings) -> bool:
    """Whether the header carries the operator token; true when none is set (loopback only)."""
    if not settings.operator_token:
        return True
    scheme, _, token = (authorization or "").partition(" ")
    return is_token(token.strip(), settings) and scheme.lower() == "bearer"


def try_token(connection: "ASGIConnection", is_right: Callable[[], bool]) -> bool:  # type: ignore[type-arg]
    """As `Brake.attempt`, of the client that asks."""
    brake: Brake = connection.app.state["brake"]
    return brake.attempt(connection.client.host if connection.client else "", is_right)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token; none without one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def operator_headers(settings: Settings) -> dict[str, str]:
    """What a request carries to be the operator's; nothing where no token is set."""
    return bearer(settings.operator_token)


def claimed_actor(connection: "ASGIConnection") -> str:  # type: ignore[type-arg]
    """The actor that the client names, for the audit row; printable and short."""
    claimed = connection.headers.get("x-valerix-actor", "api")
    return "".join(c for c in claimed if c.isprintable())[:80] or "api"
