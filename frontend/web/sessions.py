"""Who is looking: a token against forged forms, and whether the operator has signed in."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from msgspec import Struct

from chassis.database.pool import Database
from chassis.http.operator_auth import is_token
from chassis.http.problems import Problem
from chassis.settings import Settings
from frontend.web.session_store import SESSION_S, SessionStore

VISITOR_COOKIE, OPERATOR_COOKIE = "valerix_visitor", "valerix_operator"
_VISITOR = re.compile(r"[0-9a-f]{32}")
_VISITOR_S = 365 * 24 * 3600
# One sign-in and one look of the store at a time.
_POOL = 2


class Visitor(Struct, frozen=True):
    """One browser. `locked` means that gremlins wait for the operator's token."""

    id: str
    csrf: str
    guarded: bool
    locked: bool
    is_new: bool


class Sessions:
    """Gives each browser a random cookie, and each of its forms the HMAC of that cookie.

    A double submit: another site can make a browser send the cookie but can neither read it nor
    compute the token, whose key is random and the same for every dashboard and after a restart.
    Who has signed in has a second cookie, a random one, and a session in the database."""

    def __init__(self, settings: Settings, *, seen: Callable[[str], None] = lambda _: None) -> None:
        """`seen` is called for every request, with the browser's own id."""
        self._seen = seen
        self._settings = settings
        self._is_guarded = bool(settings.operator_token)
        self.store = SessionStore(Database(settings, size=_POOL), has_sessions=self._is_guarded)

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
            locked=self._is_guarded and not self._is_operator(request, visitor_id, attended),
            is_new=is_new,
        )

    async def check(self, request: Request[Any, Any, Any], csrf: str) -> Visitor:
        """Who asks for a change; `Problem` 403 unless the form came from one of our pages."""
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

    def is_token(self, claimed: str) -> bool:
        """Whether this is the operator token; compared in constant time."""
        return is_token(claimed, self._settings)

    async def sign_in(self, visitor: Visitor) -> Cookie:
        """Begin a session of the operator in this browser, and the cookie that shows it: random,
        worthless in another browser. Raises what the database raises."""
        value = secrets.token_urlsafe(32)
        await self.store.open(value, visitor.id, self._token_under(value))
        return Cookie(
            OPERATOR_COOKIE, value=value, max_age=SESSION_S, httponly=True, samesite="strict"
        )

    async def sign_out(self, request: Request[Any, Any, Any]) -> None:
        """End the session: its cookie is worthless from now on."""
        await self.store.end(request.cookies.get(OPERATOR_COOKIE, ""))

    def cookie(self, visitor: Visitor) -> Cookie:
        """The browser's own cookie. Lax, so that a link from elsewhere does not make it new."""
        return Cookie(
            VISITOR_COOKIE, value=visitor.id, max_age=_VISITOR_S, httponly=True, samesite="lax"
        )

    def _is_operator(
        self, request: Request[Any, Any, Any], visitor_id: str, attended: bool
    ) -> bool:
        shown = request.cookies.get(OPERATOR_COOKIE, "")
        session = self.store.find(shown, attended=attended)
        return (
            session is not None
            and hmac.compare_digest(session.visitor, visitor_id)
            and hmac.compare_digest(session.token, self._token_under(shown))
        )

    def _token_under(self, cookie: str) -> bytes:
        token = self._settings.operator_token.encode()
        return hmac.new(cookie.encode(), token, hashlib.sha256).digest()


def _sign(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
