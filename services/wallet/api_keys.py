"""Who may ask: one API key for each client application, of which the database has a digest.

A key is `wk_<id>_<secret>`. It opens every wallet, or one user's. `valerix keys` makes, rotates and
revokes them; a token opens the wallet of its subject as well. On loopback, and nowhere else, there
is a default one."""

import hashlib
import hmac
import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import datetime

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy import text

from chassis.database.pool import Connection, Database, statement
from chassis.http.brake import Brake
from chassis.http.problems import NOT_EXECUTED, Problem
from chassis.identity.caller import ANONYMOUS, Caller, caller_of, role_missing
from chassis.identity.owners import sees_all
from services.wallet import contract
from services.wallet.settings import WalletSettings

logger = logging.getLogger(__name__)

HEADER = "X-API-Key"
# A key that is revoked opens nothing this much later; a request costs no statement for it.
_KNOWN_FOR_S = 1.0
_MOST_KNOWN = 1000
_SHAPE = re.compile(r"wk_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")

_FIND = statement(
    text(
        "SELECT application, user_id, digest FROM wallets.api_keys"
        " WHERE key_id = :key_id AND (ends_at IS NULL OR ends_at > now())"
    ),
    "SELECT wallets.api_keys",
)
_LIST = statement(
    text(
        "SELECT key_id, application, user_id, created_at, ends_at FROM wallets.api_keys"
        " ORDER BY created_at, key_id"
    ),
    "SELECT wallets.api_keys",
)
_ADD = statement(
    text(
        "INSERT INTO wallets.api_keys (key_id, application, user_id, digest)"
        " VALUES (:key_id, :application, :user_id, :digest)"
    ),
    "INSERT wallets.api_keys",
)
_END = statement(
    text(
        "UPDATE wallets.api_keys SET ends_at = now() + :in_s * interval '1 second'"
        " WHERE key_id = :key_id AND (ends_at IS NULL OR ends_at > now())"
        " RETURNING application, user_id"
    ),
    "UPDATE wallets.api_keys",
)


class Client(msgspec.Struct, frozen=True):
    """A client application; `user_id` is the one user whose wallet it may see, None: every one."""

    application: str
    user_id: str | None = None


class KeyRow(msgspec.Struct, frozen=True):
    """A key as it is listed: everything but what opens a wallet."""

    key_id: str
    application: str
    user_id: str | None
    created_at: datetime
    ends_at: datetime | None


# Who makes the request that is being served.
client_now: ContextVar[Client] = ContextVar("client_now")


class ApiKeys:
    """Judges what a request shows."""

    def __init__(self, database: Database, settings: WalletSettings) -> None:
        self._database = database
        self.default = "" if settings.is_exposed else settings.wallet_default_key
        self.brake = Brake(what="API keys")
        self._known: dict[bytes, tuple[float, Client | None]] = {}
        self._right: dict[bytes, None] = {}

    async def announce(self) -> None:
        """Say at the start that there is a default key, and which."""
        if self.default:
            logger.warning(
                "on loopback %s: %s opens every wallet", HEADER, self.default,
            )  # fmt: skip

    def was_right(self, shown: str) -> bool:
        """Whether it opened something before. Keys are as long as no guess hits, so one of these
        need not wait for those who guess at the same address."""
        return _digest(shown) in self._right

    async def client_of(self, shown: str) -> Client | None:
        """Whose key it is. The time a comparison takes tells nothing."""
        digest = _digest(shown)
        if self.default and hmac.compare_digest(digest, _digest(self.default)):
            self._right[digest] = None
            return Client("default")
        until, client = self._known.get(digest, (0.0, None))
        if time.monotonic() < until:
            return client
        client = await self._looked_up(shown, digest)
        self._right.pop(digest, None)
        if client is not None:
            self._right[digest] = None
        for known in (self._known, self._right):
            if len(known) >= _MOST_KNOWN:
                del known[next(iter(known))]
        self._known[digest] = (time.monotonic() + _KNOWN_FOR_S, client)
        return client

    async def _looked_up(self, shown: str, digest: bytes) -> Client | None:
        if (shape := _SHAPE.fullmatch(shown)) is None:
            return None
        async with self._database.connect() as connection:
            row = await connection.row(_FIND, key_id=shape[1])
        if row is None or not hmac.compare_digest(row["digest"], digest):
            return None
        return Client(row["application"], row["user_id"])


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode()).digest()


async def api_key_guard(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard: 401 without a key or a token that is good, 429 to a client that only
    guesses."""
    shown = connection.headers.getall(HEADER.lower(), [])
    if not shown and (caller := caller_of(connection)) != ANONYMOUS:
        client_now.set(_bearer(caller))
        return
    keys: ApiKeys = connection.app.state["api_keys"]
    address = connection.client.host if connection.client else ""
    if len(shown) == 1 and shown[0]:
        if not keys.was_right(shown[0]):
            keys.brake.check(address)
        client = await keys.client_of(shown[0])
        if client is not None:
            client_now.set(client)
            return
        keys.brake.wrong(address)
    raise Problem(
        401,
        contract.API_KEY_NEEDED,
        f"Send the API key of your application in {HEADER}; nothing was done",
        headers={"WWW-Authenticate": 'ApiKey realm="wallets"', **NOT_EXECUTED},
    )


async def incoming_money_guard(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard, after the one of the key: money comes in by an application that has seen
    it, or by an operator; 403 where somebody says so with a token of their own."""
    if HEADER.lower() not in connection.headers and not sees_all(caller_of(connection)):
        raise role_missing("operator")


def _bearer(caller: Caller) -> Client:
    """Whoever shows a token: a shopper opens one wallet, an operator every one. No application has
    a space in its name, so their keys are theirs."""
    only = None if sees_all(caller) else caller.subject
    return Client(f"token of {caller.subject}", only)


def may_see(user_id: str) -> bool:
    """Whether the client that asks may know of this user's wallet."""
    only = client_now.get().user_id
    return only is None or only == user_id


# ---- for `valerix keys` --------------------------------------------------------------------------


async def list_keys(c: Connection) -> list[KeyRow]:
    """Every key there ever was, the oldest first."""
    return [msgspec.convert(dict(row), KeyRow) for row in await c.rows(_LIST)]


async def create_key(c: Connection, application: str, user_id: str | None) -> str:
    """Make a key. It is seen this once."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    key_id = "".join(secrets.choice(alphabet) for _ in range(8))
    key = f"wk_{key_id}_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(key.encode()).digest()
    await c.execute(_ADD, key_id=key_id, application=application, user_id=user_id, digest=digest)
    return key


async def end_key(c: Connection, key_id: str, *, in_s: float) -> Client | None:
    """Let a key open nothing, some seconds from now; whose it was, None if it opens nothing."""
    row = await c.row(_END, key_id=key_id, in_s=in_s)
    return None if row is None else Client(row["application"], row["user_id"])
