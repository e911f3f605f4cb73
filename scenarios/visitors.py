"""Those who come in an act: they ask again after a lost answer, and all are counted."""

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from chassis.http.operator_auth import operator_headers
from chassis.http.outbound import Peer
from chassis.outcome import CallResult
from scenarios.arrivals import Arrivals, Visit
from scenarios.model import Coming
from scenarios.settings import ScenarioSettings
from topology import NAMES

# After an unclear answer the same request is sent again under the same key, so it stays one.
_ATTEMPTS = 3
PAUSE_S = 0.3
# What was answered is compared with the database at the end; past this many, the rest is not.
REMEMBERED = 20_000
UNCLEAR = frozenset({"unclear", "turned_away"})
C = TypeVar("C", bound=Coming)


class Visitors(abc.ABC, Generic[C]):
    """One kind of them in one act, at the service `key`. Each `start` has connections of its own:
    the dashboard keeps its. `responses` counts what they were told, by these `labels`."""

    key: str
    labels: tuple[str, ...]
    attempts = _ATTEMPTS
    remembered = REMEMBERED
    longest_pause_s = PAUSE_S

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._sleep = settings, sleep
        self._arrivals = Arrivals(sleep)
        self.responses: dict[str, int] = dict.fromkeys(self.labels, 0)

    async def start(self, coming: C) -> None:
        """With `count`, return once each has an answer; with `rate`, keep them coming in the
        background, in place of those before."""
        await self._arrivals.start(coming, self._visits(coming))

    async def stop(self) -> None:
        """Nobody comes any more; those who wait are cut off."""
        await self._arrivals.stop()

    @abc.abstractmethod
    async def visit(self, peer: Peer, coming: C) -> None:
        """What one of them does."""

    def headers(self) -> dict[str, str]:
        """What each of their requests shows; what changes in it they show from then on. It is the
        operator token, where the shop has one: a published shop lets in nobody without any."""
        return operator_headers(self._settings)

    def address(self) -> str:
        """Where they come to."""
        return self._settings.urls[self.key]

    async def pause(self, asked: int) -> None:
        """Before one asks again, having asked so often: a crowd must not keep busy whom it asks."""
        await self._sleep(min(PAUSE_S * 1.5 ** (asked - 1), self.longest_pause_s))

    @contextlib.asynccontextmanager
    async def peer(self, coming: C) -> AsyncIterator[Peer]:
        """Connections for as many as come at once."""
        peer = Peer(
            NAMES[self.key],
            self.address(),
            self._settings,
            connections=coming.clients,
            headers=self.headers(),
        )
        try:
            yield peer
        finally:
            await peer.close()

    @contextlib.asynccontextmanager
    async def _visits(self, coming: C) -> AsyncIterator[Visit]:
        async with self.peer(coming) as peer:
            yield lambda: self.visit(peer, coming)

    async def ask(
        self, request: Callable[[], Awaitable[CallResult]], label_of: Callable[[CallResult], str]
    ) -> str:
        """The label of what was answered to a request that is sent until that is clear, or often
        enough."""
        word = "unclear"
        for asked in range(self.attempts):
            if asked:
                await self.pause(asked)
            word = label_of(await request())
            if word not in UNCLEAR:
                break
        return word
