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

from chassis.http.problems import Problem
from chassis.settings import Settings

VISITOR_COOKIE, OPERATOR_COOKIE = "valerix_visitor", "valerix_operator"
_VISITOR = re.compile(r"[0-9a-f]{32}")
# A working day: a forgotten laptop does not stay an operator's for ever.
_OPERATOR_S = 12 * 3600
_VISITOR_S = 365 * 24 * 3600


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
    compute the token. Litestar's own CSRF middleware works the same way but keeps a cookie that
    its secret no longer fits, so every open page would fail for good after a restart."""

    def __init__(self, settings: Settings, *, seen: Callable[[str], None] = lambda _: None) -> None:
        """`seen` is called for every request, with the browser's own id."""
        self._seen = seen
        self._token = settings.operator_token.encode()
        # With an operator token every replica must agree; without one there is one process.
        self._secret = self._sign(self._token, "forms") if self._token else secrets.token_hex(32)

    def identify(self, request: Request[Any, Any, Any]) -> Visitor:
        """Who asks; a browser without a usable cookie is new and gets one with the response."""
        known = request.cookies.get(VISITOR_COOKIE, "")
        is_new = _VISITOR.fullmatch(known) is None
        visitor_id = secrets.token_hex(16) if is_new else known
        self._seen(visitor_id)
        return Visitor(
            id=visitor_id,
            csrf=self._sign(self._secret.encode(), visitor_id),
            guarded=bool(self._token),
            locked=bool(self._token) and not self._is_operator(request, visitor_id),
            is_new=is_new,
        )

    def check(self, request: Request[Any, Any, Any], csrf: str) -> Visitor:
        """Who asks for a change; `Problem` 403 unless the form came from one of our pages."""
        visitor = self.identify(request)
        if visitor.is_new or not hmac.compare_digest(csrf.encode(), visitor.csrf.encode()):
            raise Problem(
                403,
                "stale-form",
                "This page is older than the dashboard behind it. Nothing was done: load it again.",
            )
        return visitor

    def is_token(self, claimed: str) -> bool:
        """Whether this is the operator token; compared in constant time."""
        return bool(self._token) and hmac.compare_digest(claimed.encode(), self._token)

    def cookie(self, visitor: Visitor) -> Cookie:
        """The browser's own cookie. Lax, so that a link from elsewhere does not make it new."""
        return Cookie(
            VISITOR_COOKIE, value=visitor.id, max_age=_VISITOR_S, httponly=True, samesite="lax"
        )

    def operator_cookie(self, visitor: Visitor) -> Cookie:
        """The operator's pass: worthless in another browser, and it does not hold the token."""
        value = self._sign(self._token, f"operator {visitor.id}")
        return Cookie(
            OPERATOR_COOKIE, value=value, max_age=_OPERATOR_S, httponly=True, samesite="strict"
        )

    def _is_operator(self, request: Request[Any, Any, Any], visitor_id: str) -> bool:
        shown = request.cookies.get(OPERATOR_COOKIE, "")
        return hmac.compare_digest(
            shown.encode(), self._sign(self._token, f"operator {visitor_id}").encode()
        )

    @staticmethod
    def _sign(key: bytes, text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
