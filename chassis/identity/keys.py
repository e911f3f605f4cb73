"""The public keys that tokens are signed with: fetched, kept, and good while nobody answers."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from chassis.http.ask import ask

logger = logging.getLogger(__name__)

PATH = "/.well-known/jwks.json"
# A key that is not known may be new, or a lie: one look in so many seconds, whoever asks.
LOOK_EVERY_S = 2.0
_TIMEOUT_S = 1.0
# While there are none yet: as soon as the process that publishes them is up.
_FIRST_S = 1.0

Fetch = Callable[[], Awaitable[bytes]]


class _Published(msgspec.Struct):
    keys: list[dict[str, Any]]


def read_keys(document: bytes) -> dict[str, Any]:
    """The keys of a JWK Set (RFC 7517) that may verify, by thumbprint (RFC 7638); others are left
    out. `msgspec.MsgspecError` where it is none."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey

    found = {}
    for each in msgspec.json.decode(document, type=_Published).keys:
        if not _may_verify(each):
            continue
        try:
            key = ECKey.import_key(each)
            if key.thumbprint() == each["kid"]:
                found[each["kid"]] = key
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return found


def _may_verify(key: Mapping[str, Any]) -> bool:
    return (
        (key.get("kty"), key.get("crv"), key.get("use", "sig")) == ("EC", "P-256", "sig")
        and key.get("alg", "ES256") == "ES256"
        and key.get("key_ops", ["verify"]) == ["verify"]
        and "d" not in key
    )


class PublishedKeys:
    """What is published under one address. Whoever publishes may be away for as long as it likes:
    the keys we have go on to be good."""

    def __init__(
        self, url: str, every_s: float, *, fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`fetch` gets the document, or raises OSError."""
        self._url, self._every_s, self._clock = url, every_s, clock
        self._fetch = fetch or self._fetched
        self._document = b""
        self._keys: Mapping[str, Any] | None = None
        self._looked_at: float | None = None
        self._fetched_at = -math.inf
        self._is_used = asyncio.Event()
        self._look = asyncio.Lock()

    @property
    def are_known(self) -> bool:
        """Whether there are any."""
        return bool(self._document)

    def now(self) -> Mapping[str, Any]:
        """The keys as they were published last; read when the first token comes."""
        if self._keys is None:
            self._keys = read_keys(self._document) if self._document else {}
        return self._keys

    async def fresh(self) -> None:
        """Before a token is judged: the first one after a rest waits for a look, since nobody has
        looked meanwhile."""
        self._is_used.set()
        if self.are_known and not self._is_good():
            async with self._look:
                if not self._is_good():
                    await self._refresh()

    def _is_good(self) -> bool:
        """Whether the last look is as new as `run` keeps it, even where nobody answers that."""
        return self._clock() - self._fetched_at < self._every_s + 2 * _TIMEOUT_S

    async def look_again(self) -> bool:
        """Whether they are others than before; at most one look every `LOOK_EVERY_S`, and whoever
        asks meanwhile waits for it."""
        before = self._document
        async with self._look:
            if self._document != before:
                return True
            # None at all yet: whoever publishes them is starting, and looks again help.
            wait_s = LOOK_EVERY_S if self.are_known else _FIRST_S / 10
            if self._looked_at is None or self._clock() - self._looked_at >= wait_s:
                await self._refresh()
        return self._document != before

    async def run(self) -> None:
        """Fetch them now and then, while tokens come, for the life of the process."""
        while True:
            async with self._look:
                await self._refresh()
            await asyncio.sleep(self._every_s if self.are_known else _FIRST_S)
            if self.are_known:
                await self._is_used.wait()
                self._is_used.clear()

    async def _refresh(self) -> None:
        self._looked_at = self._clock()
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            document = await self._fetch()
            if document != self._document:
                msgspec.json.decode(document, type=_Published)
                self._document, self._keys = document, None
        self._fetched_at = self._clock()

    async def _fetched(self) -> bytes:
        if not self._url:
            raise OSError("nobody publishes keys here")
        status, body = await asyncio.to_thread(ask, "GET", self._url + PATH, timeout_s=_TIMEOUT_S)
        if status != 200:
            raise OSError(f"{self._url} answers {status}")
        return body
