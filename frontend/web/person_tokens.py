"""The tokens of a person who has signed in: sealed under the cookie, renewed before they end."""

import asyncio
import hashlib
import os
import time
from base64 import urlsafe_b64decode
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.http.ask import ask
from chassis.http.outbound import Peer
from chassis.http.problems import Problem
from chassis.identity.caller import Caller
from services.identity.contract import LogIn, TokenView

# A form is sent, and the services behind it ask others, well within this.
_MARGIN_S = 30.0
_NONCE_BYTES = 12
_LOGIN_S, _FORM_S = 5.0, 2.0


class SignedOut(Problem):
    """The person's tokens have ended, or were revoked."""

    def __init__(self) -> None:
        super().__init__(
            401, "sign-in-needed", "Your sign-in has ended. Nothing was done: sign in again."
        )


class PersonTokens(msgspec.Struct, frozen=True):
    """What the identity service gave: `until` is when `access` ends, in seconds since 1970."""

    subject: str
    roles: tuple[str, ...]
    access: str
    refresh: str
    until: float

    @property
    def person(self) -> Caller:
        """Whose they are."""
        return Caller(self.subject, frozenset(self.roles), client="dashboard")

    @property
    def is_fresh(self) -> bool:
        """Whether the access token is good for a request yet."""
        return time.time() < self.until - _MARGIN_S

    def sealed(self, cookie: str) -> bytes:
        """Encrypted under the cookie, of which the database has a digest only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(_key(cookie)).encrypt(nonce, msgspec.json.encode(self), None)

    @classmethod
    def opened(cls, sealed: bytes, cookie: str) -> "PersonTokens":
        """What `sealed` made of them."""
        nonce, secret = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return msgspec.json.decode(AESGCM(_key(cookie)).decrypt(nonce, secret, None), type=cls)


def _key(cookie: str) -> bytes:
    return hashlib.sha256(b"tokens under " + cookie.encode()).digest()


class _Claims(msgspec.Struct):
    sub: str
    roles: tuple[str, ...] = ()


class TokenIssuer:
    """The identity service, asked for the tokens of a person."""

    def __init__(self, peer: Peer, url: str) -> None:
        """`peer` for JSON, `url` for the forms of OAuth."""
        self._peer, self._url = peer, url
        # A refresh token is good once: two forms of one session must not both show it.
        self.renewing = asyncio.Lock()

    async def log_in(self, user: str, password: str) -> PersonTokens | None:
        """The tokens of somebody who knows the password; None for a wrong one. Raises `Problem`
        where the identity service does not answer, or wants no more tries for a while."""
        asked = LogIn(user, password)
        # A hash takes its time, and others may wait for theirs.
        found = await self._peer.call("POST", "/login", asked, route="/login", deadline_s=_LOGIN_S)
        if found.status in (400, 401):
            return None
        if found.status == 429:
            raise Problem(429, "too-many-attempts", "Too many tries. Wait before the next one.")
        return _tokens(found.status, found.body)

    async def renew(self, tokens: PersonTokens) -> PersonTokens:
        """Their successors. Raises `SignedOut` where there are none any more."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        status, body = await self._ask("/oauth2/token", form)
        if 400 <= status < 500:
            raise SignedOut
        return _tokens(status, body)

    async def revoke(self, tokens: PersonTokens) -> None:
        """End them; where nobody answers they end by themselves."""
        await self._ask("/oauth2/revoke", {"token": tokens.refresh})

    async def _ask(self, path: str, form: dict[str, str]) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        try:
            return await asyncio.to_thread(
                ask, "POST", self._url + path, headers, body=body, timeout_s=_FORM_S
            )
        except OSError:
            return 0, b""


def _tokens(status: int, body: bytes) -> PersonTokens:
    try:
        issued = msgspec.json.decode(body, type=TokenView) if status == 200 else None
    except msgspec.DecodeError:
        issued = None
    if issued is None or issued.refresh_token is None:
        raise Problem(503, "identity-unavailable", "Nobody can sign in now. Try again in a moment.")
    claims = _claims_of(issued.access_token)
    return PersonTokens(
        claims.sub, claims.roles, issued.access_token, issued.refresh_token,
        time.time() + issued.expires_in,
    )  # fmt: skip


def _claims_of(token: str) -> _Claims:
    """What the token says: it came from its issuer itself, and whoever it is shown to checks it."""
    part = token.split(".")[1]
    return msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=_Claims)
