"""Requests to one server of the stack: bounded in time, size and number, with readable errors."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec

from observatory.sources.down import Down
from observatory.sources.poller import SourceError

# As long as a page may wait for a panel; a server that needs longer is as good as down.
DEADLINE_S = 1.5
# Two hundred traces of the shop have 2 MiB; a larger response is a fault.
LARGEST = 16 << 20
# msgspec passes on what it cannot decode as UTF-8 and what is nested too deeply as these two.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Requests at once: twice the tabs and filters that one audience usually has open.
_PLACES = 8


class ResourceNotFound(Exception):
    """The server responded with 404."""


class HttpSource:
    """One server. The messages of its errors contain no address."""

    def __init__(self, name: str, base_url: str) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._places = asyncio.Semaphore(_PLACES)
        self._session: aiohttp.ClientSession | None = None
        self._failing_since: datetime | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> bytes:
        """The body of a 200 response, within the deadline; raises `SourceError`, or
        `ResourceNotFound` for a 404."""
        try:
            # aiohttp's own timeouts are per operation; only this one holds against a trickle.
            async with asyncio.timeout(deadline_s), self._places:
                body = await self._fetch(path, params, headers)
        except ResourceNotFound:
            self._failing_since = None
            raise
        except TimeoutError:
            raise self.error("does not answer in time") from None
        except aiohttp.ClientConnectorError:
            raise self.error("cannot be reached") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise self.error("closed the connection") from None
        self._failing_since = None
        return body

    def error(self, what: str) -> SourceError:
        """The error to raise; an outage begins with the first one and ends with a good response."""
        self._failing_since = self._failing_since or datetime.now(UTC)
        return SourceError(f"{self.name} {what}")

    def down(self, error: SourceError, still: str) -> Down:
        """The error as a panel shows it, since when it lasts, and what still works."""
        return Down(str(error), self._failing_since or datetime.now(UTC), still)

    async def _fetch(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str] | None
    ) -> bytes:
        session = self._opened()
        async with session.get(
            self._base_url + path, params=dict(params), headers=headers, allow_redirects=False
        ) as response:
            if response.status == 404:
                raise ResourceNotFound
            if response.status != 200:
                raise self.error(f"answers with an error ({response.status})")
            parts = bytearray()
            async for part in response.content.iter_any():
                parts += part
                if len(parts) > LARGEST:
                    raise self.error(f"sent more than {LARGEST >> 20} MiB at once")
            return bytes(parts)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                # It runs nearby: unpacking would cost more than the transfer saves.
                headers={"Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
