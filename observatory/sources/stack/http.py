"""Asks one server of the stack: bounded in time, size and number, its troubles put into words."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec

from observatory.sources.down import Down
from observatory.sources.poller import SourceError

# As long as a page may wait for a panel; a server that needs longer is as good as down.
DEADLINE_S = 1.5
# Two hundred traces of the shop are 2 MiB; more than this is a fault, not an answer.
LARGEST = 16 << 20
# msgspec lets text that is no UTF-8 and objects within objects without end through as themselves.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Questions at once: twice the tabs and filters that one audience usually has open.
_PLACES = 8


class NotFound(Exception):
    """The server answered that it has no such thing."""


class HttpSource:
    """One server. `get` answers or raises `Trouble`, whose words hold no address."""

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
        asked: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> bytes:
        """The body of a good answer, within the deadline; raises `Trouble` or `NotThere`."""
        try:
            # aiohttp's own timeouts are per operation; only this one holds against a trickle.
            async with asyncio.timeout(deadline_s), self._places:
                body = await self._fetch(path, asked, headers)
        except NotFound:
            self._failing_since = None
            raise
        except TimeoutError:
            raise self.trouble("does not answer in time") from None
        except aiohttp.ClientConnectorError:
            raise self.trouble("is not there") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise self.trouble("hangs up") from None
        self._failing_since = None
        return body

    def trouble(self, words: str) -> SourceError:
        """What is wrong with this server, noted as the beginning or the going on of an outage."""
        self._failing_since = self._failing_since or datetime.now(UTC)
        return SourceError(f"{self.name} {words}")

    def down(self, trouble: SourceError, still: str) -> Down:
        """The trouble as a panel shows it, since when it lasts, and what works all the same."""
        return Down(str(trouble), self._failing_since or datetime.now(UTC), still)

    async def _fetch(
        self, path: str, asked: Mapping[str, str], headers: Mapping[str, str] | None
    ) -> bytes:
        session = self._opened()
        async with session.get(
            self._base_url + path, params=dict(asked), headers=headers, allow_redirects=False
        ) as response:
            if response.status == 404:
                raise NotFound
            if response.status != 200:
                raise self.trouble(f"answers with an error ({response.status})")
            parts = bytearray()
            async for part in response.content.iter_any():
                parts += part
                if len(parts) > LARGEST:
                    raise self.trouble(f"answers more than {LARGEST >> 20} MiB at once")
            return bytes(parts)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                # It is next door: what unpacking costs here is more than the wire's time.
                headers={"Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
