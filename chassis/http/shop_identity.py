"""Which shop a process belongs to, and whether a request comes from a process of the same shop.

One database is one shop, with an id of its own. The services send it with every call between them,
and with it a credential that `valerix up` makes for each run. Without an operator token, and only
on loopback, the same routes answer to anybody by hand; what is made so is recorded as made by hand.
"""

import hmac
import time
from contextvars import ContextVar
from typing import Literal

from litestar import get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from sqlalchemy import text

from chassis.database.pool import Connection, Database, statement
from chassis.http.problems import NOT_EXECUTED, Problem
from chassis.identity.caller import ANONYMOUS, Caller, caller_of, role_missing
from chassis.identity.owners import is_service, sees_all
from chassis.service_credential import ServiceCredential
from chassis.settings import Settings

SHOP_HEADER = "X-Valerix-Shop"
SHOP_PATH = "/shop"
FOREIGN_SHOP, CREDENTIAL_NEEDED = "foreign-shop", "service-credential-needed"

# What it means to the caller when another service refuses it.
REFUSALS = {
    FOREIGN_SHOP: "it belongs to another shop: check the addresses and VALERIX_DATABASE_URL",
    CREDENTIAL_NEEDED: "it does not accept our credential: give both one VALERIX_SERVICE_TOKEN",
}

_NOT_THE_FIRST = "another shop's than at the start: check VALERIX_DATABASE_URL and start again"
_NOT_THE_CALLER_S = "another shop's than that of who calls us: check VALERIX_DATABASE_URL of both"
# Long enough for somebody to see it; a caller that is still wrong calls again within seconds.
_DOUBT_S = 60.0

_SHOP = statement(text("SELECT id::text FROM public.shop"), "SELECT public.shop")
# Who made the request that is being served, as it is recorded with what the request makes.
MadeBy = Literal["order-service", "hand"]
caller_now: ContextVar[MadeBy] = ContextVar("caller_now", default="hand")


class ShopIdentity:
    """The id of the shop, read once from its database, and the credential of its processes."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._credential = ServiceCredential(settings)
        self._id = ""
        self._doubted_until = 0.0

    async def id(self) -> str:
        """The shop's id; raises what the database raises while it is not known yet."""
        if not self._id:
            async with self._database.connect() as connection:
                row = await connection.row(_SHOP)
            if row is None:
                raise LookupError("public.shop is empty: run `make migrate-up`")
            self._id = row["id"]
        return self._id

    @property
    def is_known(self) -> bool:
        """Whether the id has been read."""
        return bool(self._id)

    async def wrong_database(self, connection: Connection) -> str:
        """Asks the database whose it is: why it is another shop's than the one this process began
        with; empty where it is the same."""
        row = await connection.row(_SHOP)
        return _NOT_THE_FIRST if row is not None and row["id"] != self._id else ""

    def doubt(self) -> str:
        """Why this process or the one that calls it has the wrong database; empty while nobody
        with our credential has called as another shop."""
        return _NOT_THE_CALLER_S if time.monotonic() < self._doubted_until else ""

    async def headers(self) -> dict[str, str]:
        """What goes with every call to another process of the shop."""
        return {SHOP_HEADER: await self.id(), **self._credential.headers}

    async def is_service(self, connection: ASGIConnection) -> bool:  # type: ignore[type-arg]
        """Whether a process of this shop calls. Raises `Problem` 421 for one of another shop."""
        headers = connection.headers
        shop = headers.get(SHOP_HEADER.lower())
        if shop is not None and not hmac.compare_digest(shop.encode(), (await self.id()).encode()):
            if self._credential.is_shown(headers):
                self._doubted_until = time.monotonic() + _DOUBT_S
            raise Problem(
                421, FOREIGN_SHOP, "This service belongs to another shop; nothing was done",
                details={"shop": await self.id()}, headers=NOT_EXECUTED,
            )  # fmt: skip
        return self._credential.is_shown(headers) if self._credential.is_known else bool(shop)

    async def judge(self, connection: ASGIConnection) -> MadeBy:  # type: ignore[type-arg]
        """Who calls. Raises `Problem`: 421 for a process of another shop, 401 without a right, 403
        for a shopper, 429 to a client that only guesses."""
        if await self.is_service(connection):
            return "order-service"
        if (caller := caller_of(connection)) != ANONYMOUS:
            if sees_all(caller):
                return "order-service" if is_service(caller) else "hand"
            raise role_missing("operator")
        if not self._credential.is_demanded:
            return "hand"
        raise Problem(
            401, CREDENTIAL_NEEDED,
            "Only a service of this shop, or its operator, may ask for this; nothing was done",
            headers={"WWW-Authenticate": "Bearer", **NOT_EXECUTED},
        )  # fmt: skip


async def internal_guard(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard: only processes of this shop, and whoever `ShopIdentity.judge` lets in."""
    identity: ShopIdentity = connection.app.state["identity"]
    caller_now.set(await identity.judge(connection))


# Who shows a token of their own for what belongs to somebody; the shop itself sees all of it.
party_now: ContextVar[Caller] = ContextVar("party_now", default=ANONYMOUS)


async def party_guard(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard: as `internal_guard`, and a shopper with a token. What is theirs is for the
    handler to say, from `party_now`."""
    if not sees_all(caller := caller_of(connection)):
        party_now.set(caller)
        caller_now.set("hand")
    else:
        await internal_guard(connection, handler)


@get(SHOP_PATH, guards=[internal_guard], summary="The shop this service belongs to")
async def show_shop(state: State) -> dict[str, str]:
    """GET /shop, for processes of the same shop."""
    identity: ShopIdentity = state["identity"]
    return {"shop": await identity.id()}


shop_routes: list[HTTPRouteHandler] = [show_shop]
