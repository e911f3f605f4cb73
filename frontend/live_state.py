"""What the dashboard knows right now: all feeds, started and stopped together, read at once."""

import asyncio
from datetime import datetime

from chassis.database.pool import Database
from frontend.acts.current_scenario import CurrentScenario
from frontend.operations import Operations
from frontend.payments.queries import PaymentQueries
from frontend.policies.queries import PolicyQueries
from frontend.providers.queries import ProviderQueries
from frontend.queries import Queries
from frontend.query_results import ActiveGremlin, ShopSnapshot
from frontend.settings import DashboardSettings
from frontend.web.sse import Hub, closing_on_stop
from observatory.live_state import READ_DATABASE_EVERY_S, LiveState
from observatory.sources.down import Down
from observatory.sources.poller import Poller
from observatory.sources.protocols import MetricsSource
from proof.evaluate import Report
from proof.scheduler import Proof, Untrusted
from topology import NAMES

# A page that waits no longer is not felt to wait.
_FIRST_S = 0.15


class DashboardState:
    """All feeds of one dashboard. Reading one never waits and never fails: it is data or `Down`."""

    def __init__(
        self,
        settings: DashboardSettings,
        *,
        hub: Hub,
        source: MetricsSource,
        database: Database,
        proof: Proof,
    ) -> None:
        self.hub = hub
        self._is_reading = False
        self.scenario = CurrentScenario()
        self.queries = Queries(database)
        self.payments = PaymentQueries(database)
        self.policies = PolicyQueries(database)
        self.providers = ProviderQueries(database)
        self.operations = Operations(database)
        self.proof = proof
        self._database = database
        self.live = LiveState(
            service_urls(settings),
            source=source,
            database=database,
            changed=hub.nudge,
            is_watched=lambda: hub.has_listeners,
            folder=settings.folder("timeline"),
        )
        self.source, self.health, self.incidents = source, self.live.health, self.live.incidents
        self.shop: Poller[ShopSnapshot] = Poller(
            "shop",
            self.queries.shop,
            hub.nudge,
            every_s=READ_DATABASE_EVERY_S,
            is_watched=lambda: hub.has_listeners,
            still="Everything else on this page goes on.",
            stands=lambda _: self.live.stands(ages=False),
        )
        self.gremlins: Poller[tuple[ActiveGremlin, ...]] = Poller(
            "gremlins",
            self.queries.gremlins,
            hub.nudge,
            every_s=READ_DATABASE_EVERY_S,
            is_watched=lambda: hub.has_listeners,
            still="Gremlins still run out by themselves.",
            stands=lambda loose: self.live.stands(ages=bool(loose)),
        )
        self._proof: Poller[datetime] = Poller(
            "proof", self._judged_at, hub.nudge, every_s=READ_DATABASE_EVERY_S
        )
        self._feeds = (self.shop, self.gremlins, self._proof)

    async def run(self) -> None:
        """Read every source until cancelled."""
        try:
            with closing_on_stop(self.hub):
                self.proof.start()
                await asyncio.gather(self.live.start(), *(feed.start() for feed in self._feeds))
                await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End every loop and close every connection."""
        self.hub.close()
        await asyncio.gather(*(feed.stop() for feed in self._feeds))
        await self.live.stop()
        await self.proof.stop()
        await self._database.close()

    async def fresh(self) -> None:
        """Before a page is made: read now whatever was left alone because nobody looked. What does
        not answer soon comes to the open page a moment later, and so does everything to a crowd
        that comes at once, which would wait for all its pages together."""
        if self._is_reading:
            return
        self._is_reading = True
        try:
            async with asyncio.timeout(_FIRST_S):
                await asyncio.gather(self.live.fresh(), *(feed.fresh() for feed in self._feeds))
        except TimeoutError:
            pass
        finally:
            self._is_reading = False

    async def refresh(self) -> None:
        """Read at once, because a visitor has just changed something."""
        await asyncio.gather(self.shop.refresh(), self.gremlins.refresh())

    def report(self) -> Report | Down:
        """The newest report, or why there is none that can be trusted."""
        report = self.proof.trusted()
        if isinstance(report, Untrusted):
            return Down(report.reason, report.since, report.detail)
        return report

    async def _judged_at(self) -> datetime:
        return self.proof.report.at


def service_urls(settings: DashboardSettings) -> dict[str, str]:
    """Where the services are, by key: the processes that are watched."""
    return {key: settings.urls[key] for key in NAMES}
