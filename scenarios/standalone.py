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
from proof.scheduler import ProofLoop
from scenarios.executor import Hands
from scenarios.loader import Scenario
from scenarios.lock import Turn
from scenarios.observer import Eyes
from scenarios.settings import ScenarioSettings
from scenarios.timing import Tempo
from topology import NAMES

# One connection looks, one counts what was lost.
POOL = 2
# The watch asks twice a second at the slowest; past this it will not see before the act begins.
_FIRST_LOOK_S = 5.0
_POLL_S = 0.05


class Company(Struct, frozen=True):
    """What several acts can be played with, one after the other."""

    settings: ScenarioSettings
    live: LiveState
    proof: ProofLoop
    database: Database
    peers: dict[str, Peer]
    tempo: Tempo

    def hands(self, scenario: Scenario) -> Hands:
        """The hands of one performance."""
        return Hands(self.settings, self.peers, actor=scenario.actor)

    def eyes(self) -> Eyes:
        """Its eyes."""
        return Eyes(self.live, self.proof, self.database, pace=self.tempo.pace)

    def turn(self, scenario: Scenario, who: str) -> Turn:
        """Its turn."""
        return Turn(self.settings.database_url, scenario.name, who)


@contextlib.asynccontextmanager
async def company(settings: ScenarioSettings, tempo: Tempo) -> AsyncIterator[Company]:
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
    proof = ProofLoop(settings, registry=CollectorRegistry())
    peers = {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    try:
        proof.start()
        await live.start()
        await _until_it_sees(live)
        yield Company(settings, live, proof, database, peers, tempo)
    finally:
        await asyncio.gather(live.stop(), proof.stop())
        await asyncio.gather(
            watching.close(), database.close(), *(peer.close() for peer in peers.values())
        )


async def _until_it_sees(live: LiveState) -> None:
    for _ in range(int(_FIRST_LOOK_S / _POLL_S)):
        if live.incidents.has_polled and live.health.has_polled:
            return
        await asyncio.sleep(_POLL_S)
