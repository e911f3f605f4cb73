"""All that a performance needs when it does not run in the dashboard: eyes, wires, a database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.http.outbound import Peer
from observatory.live_state import LiveState
from observatory.sources.embedded_metrics import EmbeddedMetrics
from proof.scheduler import ProofScheduler
from scenarios.executor import Executor
from scenarios.loader import Scenario
from scenarios.lock import ScenarioLock
from scenarios.observer import Observer
from scenarios.settings import ScenarioSettings
from scenarios.timing import Timing
from topology import NAMES

# One connection looks, one counts what was lost.
POOL = 2
# The watch asks twice a second at the slowest; past this it will not see before the act begins.
_FIRST_LOOK_S = 5.0
_POLL_S = 0.05


class Standalone(Struct, frozen=True):
    """What several acts can be played with, one after the other."""

    settings: ScenarioSettings
    live: LiveState
    proof: ProofScheduler
    database: Database
    peers: dict[str, Peer]
    tempo: Timing

    def hands(self, scenario: Scenario) -> Executor:
        """The hands of one performance."""
        return Executor(self.settings, self.peers, actor=scenario.actor)

    def eyes(self) -> Observer:
        """Its eyes."""
        return Observer(self.live, self.proof, self.database, pace=self.tempo.pace)

    def turn(self, scenario: Scenario, who: str) -> ScenarioLock:
        """Its turn."""
        return ScenarioLock(self.settings.database_url, scenario.name, who)


@contextlib.asynccontextmanager
async def standalone(settings: ScenarioSettings, tempo: Timing) -> AsyncIterator[Standalone]:
    """A watch of our own, as the dashboard has one, looking while the block runs."""
    if tempo.judge_s is not None:
        settings = replace(settings, proof_interval_s=tempo.judge_s)
    urls = {key: settings.urls[key] for key in NAMES}
    watching, database = Database(settings, size=POOL), Database(settings, size=POOL)
    live = LiveState(
        urls,
        source=EmbeddedMetrics(
            urls, lambda _: None, window_s=tempo.window_s, every_s=tempo.scrape_s
        ),
        database=watching,
    )
    proof = ProofScheduler(settings, registry=CollectorRegistry())
    peers = {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    try:
        proof.start()
        await live.start()
        await _until_it_sees(live)
        yield Standalone(settings, live, proof, database, peers, tempo)
    finally:
        await asyncio.gather(live.stop(), proof.stop())
        await asyncio.gather(
            watching.close(), database.close(), *(peer.close() for peer in peers.values())
        )


async def _until_it_sees(live: LiveState) -> None:
    for _ in range(int(_FIRST_LOOK_S / _POLL_S)):
        if live.incidents.asked and live.health.asked:
            return
        await asyncio.sleep(_POLL_S)
