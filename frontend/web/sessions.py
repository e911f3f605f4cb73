"""Who is looking: a token against forged forms, and who has signed in."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from msgspec import Struct
from msgspec.structs import replace

from chassis.database.pool import Database
from chassis.http.operator_auth import bearer, is_token
from chassis.http.problems import Problem
from chassis.identity.caller import ANONYMOUS, OPERATOR, Caller, caller_of
from chassis.identity.owners import sees_all
from chassis.settings import Settings
from frontend.web.person_tokens import PersonTokens, SignedOut, TokenIssuer
from frontend.web.session_store import SESSION_S, Session, SessionStore

VISITOR_COOKIE, SESSION_COOKIE = "valerix_visitor", "valerix_session"
_VISITOR = re.compile(r"[0-9a-f]{32}")
_VISITOR_S = 365 * 24 * 3600
# One sign-in and one look of the store at a time.
_POOL = 2


class Visitor(Struct, frozen=True):
    """One browser, and who has signed in there. `guarded`: actions need an operator who has.
    `bearer` is what the visitor shows to services; a form that was checked has it."""

    id: str
    csrf: str
    guarded: bool
    is_new: bool
    person: Caller | None = None
    bearer: str = ""

    @property
    def is_shopper(self) -> bool:
        """Whether this is somebody who sees only what is theirs."""
        return self.person is not None and not sees_all(self.person)

    @property
    def locked(self) -> bool:
        """Whether what only an operator may do waits for one to sign in."""
        return self.is_shopper or (self.guarded and self.person is None)

    @property
    def name(self) -> str:
        """Who has signed in; empty where nobody has."""
        return "" if self.person is None else self.person.subject

    @property
    def actor(self) -> str:
        """Who does it, for the audit log; several share the operator token."""
        return "dashboard" if self.person in (None, OPERATOR) else self.name

    @property
    def headers(self) -> dict[str, str]:
        """What a request on this visitor's behalf carries."""
        return bearer(self.bearer)

    @property
    def operator_headers(self) -> dict[str, str]:
        """The same for what is written down with who did it."""
        return {"X-Valerix-Actor": "dashboard", **self.headers}


class Sessions:
    """Gives each browser a random cookie, and each of its forms the HMAC of that cookie.

    A double submit: another site can make a browser send the cookie but can neither read it nor
    compute the token, whose key is random and the same for every dashboard and after a restart.
    Who has signed in has a second cookie, a random one, and a session in the database."""

    def __init__(
        self,
        settings: Settings,
        issuer: TokenIssuer | None = None,
        *,
        seen: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`issuer` is who gives tokens for passwords; `seen` is called for every request, with the
        browser's own id."""
        self._seen = seen
        self._settings = settings
        self.issuer = issuer
        self._is_guarded = bool(settings.operator_token)
        # Beyond loopback nothing is shown to somebody who is nobody.
        self.is_demanded = settings.is_exposed
        self.store = SessionStore(
            Database(settings, size=_POOL), has_sessions=self._is_guarded or issuer is not None
        )

    def identify(self, request: Request[Any, Any, Any], *, attended: bool = False) -> Visitor:
        """Who asks; a browser without a usable cookie is new and gets one with the response.
        `attended` where a person did something: an open page refreshes itself without one."""
        known = request.cookies.get(VISITOR_COOKIE, "")
        is_new = _VISITOR.fullmatch(known) is None
        visitor_id = secrets.token_hex(16) if is_new else known
        self._seen(visitor_id)
        return Visitor(
            id=visitor_id,
            csrf=_sign(self.store.keys[0], visitor_id),
            guarded=self._is_guarded,
            is_new=is_new,
            person=self._person(request, visitor_id, attended),
        )

    def person_of(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller | None:
        """Who asks: whom a token names, or who has signed in at this browser; None where nobody
        has. `Problem` 401 where a bad token is shown."""
        return self._person(connection, connection.cookies.get(VISITOR_COOKIE, ""), attended=False)

    async def check(self, request: Request[Any, Any, Any], csrf: str) -> Visitor:
        """Who asks for a change. `Problem` 403 unless the form came from one of our pages."""
        await self.store.read_key()
        visitor = self.identify(request, attended=True)
        good = [_sign(key, visitor.id) for key in self.store.keys]
        if visitor.is_new or not any(
            hmac.compare_digest(csrf.encode(), each.encode()) for each in good
        ):
            raise Problem(
                403,
                "stale-form",
                "This page is older than the dashboard behind it. Nothing was done: load it again.",
            )
        return visitor

    async def with_bearer(self, request: Request[Any, Any, Any], visitor: Visitor) -> Visitor:
        """The visitor with what they show to services. `Problem` 401 where their tokens have ended,
        503 where nobody renews them."""
        session = self._session(request, visitor.id, attended=True)
        if session is None:
            return visitor
        return replace(visitor, bearer=await self._bearer_of(request, session))

    def is_token(self, claimed: str) -> bool:
        """Whether this is the operator token; compared in constant time."""
        return is_token(claimed, self._settings)

    async def sign_in(self, visitor: Visitor, tokens: PersonTokens | None = None) -> Cookie:
        """Begin a session in this browser, of the person whose tokens these are, or of whoever has
        the operator token; and the cookie that shows it: random, worthless in another browser.
        Raises what the database raises."""
        value = secrets.token_urlsafe(32)
        who = OPERATOR if tokens is None else tokens.person
        await self.store.open(
            value,
            visitor=visitor.id,
            token=self._token_under(value),
            subject=who.subject,
            roles=tuple(sorted(who.roles)),
            sealed=None if tokens is None else tokens.sealed(value),
        )
        return Cookie(
            SESSION_COOKIE, value=value, max_age=SESSION_S, httponly=True, samesite="strict"
        )

    async def sign_out(self, request: Request[Any, Any, Any]) -> None:
        """End the session: its cookie is worthless from now on, and so are its tokens."""
        cookie = request.cookies.get(SESSION_COOKIE, "")
        session = self.store.find(cookie, attended=False)
        await self.store.end(cookie)
        if session is not None and session.sealed is not None and self.issuer is not None:
            await self.issuer.revoke(PersonTokens.opened(session.sealed, cookie))

    def cookie(self, visitor: Visitor) -> Cookie:
        """The browser's own cookie. Lax, so that a link from elsewhere does not make it new."""
        return Cookie(
            VISITOR_COOKIE, value=visitor.id, max_age=_VISITOR_S, httponly=True, samesite="lax"
        )

    def _person(
        self, connection: ASGIConnection[Any, Any, Any, Any], visitor_id: str, attended: bool
    ) -> Caller | None:
        if (caller := caller_of(connection)) != ANONYMOUS:
            return caller
        return _signed_in(self._session(connection, visitor_id, attended))

    def _session(
        self, request: ASGIConnection[Any, Any, Any, Any], visitor_id: str, attended: bool
    ) -> Session | None:
        """The session of this browser; the operator's ends with the token."""
        shown = request.cookies.get(SESSION_COOKIE, "")
        session = self.store.find(shown, attended=attended)
        if session is None or not hmac.compare_digest(session.visitor, visitor_id):
            return None
        if session.sealed is None and not (
            self._is_guarded and hmac.compare_digest(session.token, self._token_under(shown))
        ):
            return None
        return session

    async def _bearer_of(self, request: Request[Any, Any, Any], session: Session) -> str:
        """The operator token, or an access token that is good for a while yet."""
        if session.sealed is None or self.issuer is None:
            return self._settings.operator_token
        cookie = request.cookies.get(SESSION_COOKIE, "")
        tokens = PersonTokens.opened(session.sealed, cookie)
        if tokens.is_fresh:
            return tokens.access
        async with self.issuer.renewing:
            # Another form of this session, or another dashboard, may have been here before.
            before = await self.store.newest(cookie)
            if before is None:
                raise SignedOut
            tokens = PersonTokens.opened(before, cookie)
            if tokens.is_fresh:
                return tokens.access
            try:
                tokens = await self.issuer.renew(tokens)
            except SignedOut:
                await self.store.end(cookie)
                raise
            await self.store.reseal(cookie, before, tokens.sealed(cookie))
        return tokens.access

    def _token_under(self, cookie: str) -> bytes:
        token = self._settings.operator_token.encode()
        return hmac.new(cookie.encode(), token, hashlib.sha256).digest()


def _signed_in(session: Session | None) -> Caller | None:
    if session is None:
        return None
    if session.sealed is None:
        return OPERATOR
    return Caller(session.subject, frozenset(session.roles), client="dashboard")


def _sign(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
