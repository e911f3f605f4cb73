"""Reads every service's health, all at once, each with its own short deadline."""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec
from msgspec import Struct

# Longer than a service's own probes (0.5 s) and far shorter than a latency gremlin: a service that
# responds late is distinguished from one that is merely busy.
DEADLINE_S = 1.2
_HEALTHY = frozenset({"connected", "reachable", "current"})


class Health(Struct, frozen=True):
    """What one service reports, or why there is no report (`problem`)."""

    service: str
    dependencies: tuple[tuple[str, bool, str], ...] = ()
    problem: str = ""


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

    async def read_all(self) -> tuple[Health, ...]:
        """The health of every service, in order; takes no longer than the deadline."""
        return tuple(await asyncio.gather(*(self._read(service) for service in self._urls)))

    async def _read(self, service: str) -> Health:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with (
                asyncio.timeout(DEADLINE_S),
                self._session.get(f"{self._urls[service]}/health") as response,
            ):
                if response.status != 200:
                    return Health(service, problem=f"answers {response.status}")
                body = msgspec.json.decode(await response.content.read(65_536), type=_Body)
        except TimeoutError:
            return Health(service, problem="no answer")
        except aiohttp.ClientConnectorError:
            return Health(service, problem="not running")
        except (aiohttp.ClientError, OSError):
            return Health(service, problem="connection closed")
        except msgspec.MsgspecError:
            return Health(service, problem="unreadable answer")
        return Health(
            service,
            tuple((name, state in _HEALTHY, state) for name, state in body.dependencies.items()),
        )
