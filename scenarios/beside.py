"""An unsafe twin beside the shop: whatever an act does to ours, it does to the twin as well."""

import asyncio
from collections.abc import Coroutine, Mapping
from importlib.util import find_spec
from typing import Any

from msgspec.structs import replace

from chassis.addresses import is_loopback
from chassis.http.outbound import Peer
from scenarios.executor import Executor
from scenarios.failures import CannotPlay
from scenarios.loader import Scenario
from scenarios.model import Happening, LetLoose, Load, Pay, Shelf, Spend
from scenarios.settings import ScenarioSettings
from scenarios.twin_process import TwinFigures, TwinProcess
from topology import NAMES

# Its gremlins end with it, so it is not waited for as the shop is.
_CALM_TWIN_S = 5.0


def executor_of(
    settings: ScenarioSettings, peers: Mapping[str, Peer], scenario: Scenario
) -> Executor:
    """What does an act's things: to the shop, and to the twin if the act has one."""
    if isinstance(name := scenario.act.twin, str):
        return ExecutorBesideTwin(settings, peers, TwinProcess(name, settings.database_url),
                                  actor=scenario.actor)  # fmt: skip
    return Executor(settings, peers, actor=scenario.actor)


class ExecutorBesideTwin(Executor):
    """It begins the twin when the act begins, and ends it with the act. Customers and payers of the
    twin are its own; the act's answers and its proof are those of ours."""

    def __init__(
        self,
        settings: ScenarioSettings,
        peers: Mapping[str, Peer],
        process: TwinProcess,
        *,
        actor: str,
    ) -> None:
        super().__init__(settings, peers, actor=actor)
        self._process = process
        self._twin: Executor | None = None
        self._twin_peers: dict[str, Peer] = {}

    @property
    def figures(self) -> TwinFigures | None:
        """What came of either since the act began, once that is known."""
        return self._process.figures

    async def prepare(self, scenario: Scenario) -> None:
        """As ever; and the twin is on its way. Raises `CannotPlay`."""
        for host in filter(None, (self._settings.host, self._settings.published_on)):
            if not is_loopback(host):
                raise CannotPlay(
                    f"{scenario.file}: the twin loses money on purpose, so it runs on loopback "
                    f"only, and this shop is set to {host}: unset VALERIX_HOST to play this act"
                )
        if find_spec("twins") is None:
            raise CannotPlay(
                f"{scenario.file}: the unsafe twins are not installed here: play this act from a "
                "checkout of the repository"
            )
        await super().prepare(scenario)
        await self._process.start()

    async def ready(self) -> None:
        """Return once the twin takes requests; raises `ActionFailed`."""
        urls = await self._process.ready()
        # Nothing but its own addresses: what it does not have is not asked of ours.
        settings = replace(self._settings, urls=urls, operator_token="", control="")
        self._twin_peers = {
            key: Peer(name, urls[key], settings) for key, name in NAMES.items() if key in urls
        }
        self._twin = Executor(settings, self._twin_peers, actor=self._actor, sleep=self._sleep)

    async def do(self, happening: Happening) -> None:
        """To both at once."""
        if self._twin is not None and _process_of(happening) in self._twin_peers:
            await _both(super().do(happening), self._twin.do(happening))
        else:
            await super().do(happening)

    async def stock_shelf(self, shelf: Shelf) -> None:
        """In both."""
        if self._twin is not None and "inventory" in self._twin_peers:
            await _both(super().stock_shelf(shelf), self._twin.stock_shelf(shelf))
        else:
            await super().stock_shelf(shelf)

    async def stop_load(self) -> None:
        """In both."""
        if self._twin is not None:
            await self._twin.stop_load()
        await super().stop_load()

    async def calm(self, within_s: float) -> tuple[str, ...]:
        """Both; those of ours that did not answer."""
        if self._twin is not None:
            await self._twin.calm(min(within_s, _CALM_TWIN_S))
        return await super().calm(within_s)

    async def close(self) -> None:
        """The twin is gone when this returns."""
        await self._process.stop()
        peers, self._twin_peers, self._twin = self._twin_peers, {}, None
        await asyncio.gather(*(peer.close() for peer in peers.values()))


def _process_of(happening: Happening) -> str:
    """The process that it is done to."""
    match happening:
        case Load():
            return "order"
        case Pay():
            return "payment"
        case Spend():
            return "wallet"
        case LetLoose():
            return happening.service
    return "acquirer"


async def _both(*work: Coroutine[Any, Any, None]) -> None:
    """What one of them meets does not stop the other."""
    for found in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
