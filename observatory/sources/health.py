"""Asks every service how it is, all at once, each with its own short deadline."""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec
from msgspec import Struct

# Longer than a service's own probes (0.5 s) and far shorter than a latency gremlin, so that a
# service which answers late is told from one that is merely busy.
DEADLINE_S = 1.2
_WELL = frozenset({"connected", "reachable", "current"})


class Health(Struct, frozen=True):
    """What one service said, or why it said nothing (`trouble`)."""

    service: str
    dependencies: tuple[tuple[str, bool, str], ...] = ()
    trouble: str = ""


class _Body(Struct):
    status: str
    dependencies: dict[str, str]


class HealthProbe:
    """Holds one connection per service."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask_all(self) -> tuple[Health, ...]:
        """One answer per service, in order; takes no longer than the deadline."""
        return tuple(await asyncio.gather(*(self._ask(service) for service in self._urls)))

    async def _ask(self, service: str) -> Health:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with (
                asyncio.timeout(DEADLINE_S),
                self._session.get(f"{self._urls[service]}/health") as response,
            ):
                if response.status != 200:
                    return Health(service, trouble=f"answers {response.status}")
                body = msgspec.json.decode(await response.content.read(65_536), type=_Body)
        except TimeoutError:
            return Health(service, trouble=f"no answer in {DEADLINE_S:g} s")
        except aiohttp.ClientConnectorError:
            return Health(service, trouble="not running")
        except (aiohttp.ClientError, OSError):
            return Health(service, trouble="hangs up")
        except msgspec.MsgspecError:
            return Health(service, trouble="answers nonsense")
        return Health(
            service,
            tuple((name, word in _WELL, word) for name, word in body.dependencies.items()),
        )
