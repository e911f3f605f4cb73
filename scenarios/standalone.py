"""All that a performance needs outside the dashboard: live state, connections, a database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.http.operator_auth import operator_headers
from chassis.http.outbound import Peer
from observatory.live_state import LiveState
from observatory.sources.embedded_metrics import EmbeddedMetrics
from proof.scheduler import ProofScheduler
from scenarios.beside import executor_of
from scenarios.executor import Executor
from scenarios.loader import Scenario
from scenarios.lock import ScenarioLock
from scenarios.observer import Observer
from scenarios.settings import ScenarioSettings
from scenarios.timing import Timing
from topology import NAMES

# One connection observes, one counts what was lost.
POOL = 2
# The live state asks at least twice a second; after this the act begins without its first answer.
_FIRST_STATE_S = 5.0
_POLL_S = 0.05


class Standalone(Struct, frozen=True):
    """What several acts can be played with, one after the other."""

    settings: ScenarioSettings
    live: LiveState
    proof: ProofScheduler
    database: Database
    peers: dict[str, Peer]
    timing: Timing

    def executor(self, scenario: Scenario) -> Executor:
        """The executor of one performance."""
        return executor_of(self.settings, self.peers, scenario)

    def observer(self) -> Observer:
        """Its observer."""
        return Observer(self.live, self.proof, self.database, pace=self.timing.pace)

    def lock(self, scenario: Scenario, who: str) -> ScenarioLock:
        """Its lock."""
        return ScenarioLock(self.settings.database_url, scenario.name, who)


@contextlib.asynccontextmanager
async def standalone(settings: ScenarioSettings, timing: Timing) -> AsyncIterator[Standalone]:
    """A live state of our own, as the dashboard has one, kept while the block runs."""
    if timing.judge_s is not None:
        settings = replace(settings, proof_interval_s=timing.judge_s)
    urls = {key: settings.urls[key] for key in NAMES}
    watching, database = Database(settings, size=POOL), Database(settings, size=POOL)
    live = LiveState(
        urls,
        source=EmbeddedMetrics(
            urls, lambda _: None, window_s=timing.window_s, every_s=timing.scrape_s
        ),
        database=watching,
    )
    proof = ProofScheduler(settings, registry=CollectorRegistry())
    asking = operator_headers(settings)
    peers = {key: Peer(name, urls[key], settings, headers=asking) for key, name in NAMES.items()}
    try:
        proof.start()
        await live.start()
        await _until_it_sees(live)
        yield Standalone(settings, live, proof, database, peers, timing)
    finally:
        await asyncio.gather(live.stop(), proof.stop())
        await asyncio.gather(
            watching.close(), database.close(), *(peer.close() for peer in peers.values())
        )


async def _until_it_sees(live: LiveState) -> None:
    for _ in range(int(_FIRST_STATE_S / _POLL_S)):
        if live.incidents.has_polled and live.health.has_polled:
            return
        await asyncio.sleep(_POLL_S)
