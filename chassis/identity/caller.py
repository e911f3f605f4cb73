"""Who makes a request: handlers ask `caller_of`, routes have `needs_role` as a guard.

Without a token a caller is anonymous, and on loopback the shop is open to them. Beyond loopback, or
with an operator token set, what has a guard wants a token. A bad token is never anonymous."""

import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from chassis.http.asgi import Scope
from chassis.http.operator_auth import is_token, try_token
from chassis.http.problems import NOT_EXECUTED, Problem
from chassis.identity.keys import PublishedKeys
from chassis.identity.tokens import BadToken, Claims, KnownTokens, UnknownKey, check, is_shaped
from chassis.settings import Settings

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

TOKEN_NEEDED, BAD_TOKEN, ROLE_MISSING = "token-needed", "bad-token", "role-missing"
KEYS_UNKNOWN = "keys-unknown"

Role = Literal["shopper", "operator", "admin"]
# An admin may do what an operator may, and an operator what a shopper may.
_RANK: dict[str, int] = {"shopper": 0, "operator": 1, "admin": 2}
_STATE = "caller"


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `shop` is the id of the shop that says so, `client` the program that they use; a
    service asks for itself: its subject is its name, and it has no roles."""

    subject: str
    roles: frozenset[str] = frozenset()
    shop: str | None = None
    client: str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody was named: a token never does that, whatever its subject is."""
        return self == ANONYMOUS

    @property
    def is_operator(self) -> bool:
        """Whether they may do what is the operator's."""
        return self.has("operator")

    def has(self, role: Role) -> bool:
        """Whether they have this role, or one that includes it."""
        return any(_RANK.get(each, -1) >= _RANK[role] for each in self.roles)


ANONYMOUS = Caller("anonymous")
# Who shows the operator token itself (VALERIX_OPERATOR_TOKEN).
OPERATOR = Caller("operator", frozenset({"operator"}))


class Callers:
    """Finds out who asks, once for each request: one process's."""

    def __init__(self, service: str, settings: Settings, keys: PublishedKeys | None = None) -> None:
        self._service, self._issuer = service, settings.identity_issuer
        self.keys = keys or PublishedKeys(
            settings.urls.get("identity", ""), settings.identity_keys_every_s
        )
        self._known, self._known_by = KnownTokens(), self.keys.now()

    async def resolve(self, scope: Scope, authorization: str) -> None:
        """Keep in the connection's state whom its token names, or why it is refused. What is no
        token of identity is left to `caller_of`."""
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() == "bearer" and is_shaped(shown):
            scope.setdefault("state", {})[_STATE] = await self.judge(shown)

    async def judge(self, token: str) -> Caller | Problem:
        """Whom a token names, or the problem that whoever shows it gets."""
        await self.keys.fresh()
        if (claims := self._find(token)) is None:
            try:
                claims = await self._checked(token)
            except BadToken as error:
                return self._refused(error)
            self._known.keep(token, claims)
        return Caller(claims.sub, frozenset(claims.roles), claims.shop, claims.client_id)

    def _find(self, token: str) -> Claims | None:
        """What is known of it already; with other keys nothing is."""
        if self._known_by is not (keys := self.keys.now()):
            self._known_by = keys
            self._known.forget()
        return self._known.find(token)

    async def _checked(self, token: str) -> Claims:
        try:
            return self._check(token)
        except UnknownKey:
            if not await self.keys.look_again():
                raise
            return self._check(token)

    def _check(self, token: str) -> Claims:
        keys = self.keys.now()
        return check(token, keys, issuer=self._issuer, audience=self._service, now=time.time())

    def _refused(self, error: BadToken) -> Problem:
        if isinstance(error, UnknownKey) and not self.keys.are_known:
            return Problem(
                503, KEYS_UNKNOWN,
                "The keys that tokens are signed with are not known yet; nothing was done",
                retryable=True, headers={"Retry-After": "1", **NOT_EXECUTED},
            )  # fmt: skip
        return bad_token(f"The token opens nothing: {error}")


def bad_token(why: str) -> Problem:
    """What RFC 6750 wants a client to read that shows a token which opens nothing."""
    shown = 'Bearer realm="valerix", error="invalid_token"'
    return Problem(
        401,
        BAD_TOKEN,
        f"{why}; nothing was done",
        headers={"WWW-Authenticate": shown, **NOT_EXECUTED},
    )


def token_needed(detail: str) -> Problem:
    """The same for a client that shows none where one is needed."""
    return Problem(
        401,
        TOKEN_NEEDED,
        f"{detail}; nothing was done",
        headers={"WWW-Authenticate": 'Bearer realm="valerix"', **NOT_EXECUTED},
    )


def role_missing(role: Role) -> Problem:
    """What somebody gets whom we know, and who is not one of those who may do it."""
    detail = f"This needs the role {role}; nothing was done"
    return Problem(403, ROLE_MISSING, detail, headers=NOT_EXECUTED)


def caller_of(connection: "ASGIConnection") -> Caller:  # type: ignore[type-arg]
    """Who makes this request. `Problem`: 401 where a bad token is shown, 429 to a client that only
    guesses, 503 while the keys of tokens are not known."""
    state = connection.scope["state"]
    if _STATE not in state:
        try:
            state[_STATE] = _without_token_of_identity(connection)
        except Problem as problem:
            state[_STATE] = problem
    found: Caller | Problem = state[_STATE]
    if isinstance(found, Problem):
        raise found
    return found


def _without_token_of_identity(connection: "ASGIConnection") -> Caller:  # type: ignore[type-arg]
    settings: Settings = connection.app.state["settings"]
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return ANONYMOUS
    if settings.operator_token and try_token(connection, lambda: is_token(shown.strip(), settings)):
        return OPERATOR
    raise bad_token("This is neither an access token nor the operator's")


def is_open(settings: Settings, role: Role) -> bool:
    """Whether somebody without a token may do what this role may: on loopback, and what is the
    operator's only while no operator token is set."""
    return not settings.is_exposed and (role == "shopper" or not settings.operator_token)


@cache
def needs_role(role: Role) -> "Callable[[ASGIConnection, BaseRouteHandler], Awaitable[None]]":  # type: ignore[type-arg]
    """A Litestar guard: 401 without a good token, 403 where its bearer has not this role."""

    async def guard(connection: "ASGIConnection", _: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
        caller = caller_of(connection)
        if caller.has(role):
            return
        if not caller.is_anonymous:
            raise role_missing(role)
        if not is_open(connection.app.state["settings"], role):
            raise token_needed(f"This needs a token with the role {role}")

    return guard
