"""What the dashboard knows right now: all feeds, started and stopped together, read at once."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from chassis.database.pool import Database
from chassis.settings import Settings
from frontend.acts.current_scenario import Playing
from frontend.overview.view_models import Down
from frontend.queries import Ledger
from frontend.query_results import GremlinFacts, ShopFacts
from frontend.web.panel_cache import Painted
from frontend.web.sse import Hub, closing_on_stop
from observatory.sources import Source
from observatory.sources.health import Health, HealthProbe
from observatory.sources.poller import Feed
from observatory.timeline.incident import Incident
from observatory.timeline.recorder import Chronicle
from proof.evaluate import Report

# Orders and gremlins are looked at every second, so a page shows them within two.
LOOK_EVERY_S = 1.0
ASK_HEALTH_EVERY_S = 2.0


class Proof(Protocol):
    """The part of the proof loop that a page needs."""

    report: Report

    @property
    def age_s(self) -> float:
        """Seconds since the report was made."""

    async def judge(self) -> Report:
        """Make a fresh report now."""

    def start(self) -> None:
        """Begin judging."""

    async def stop(self) -> None:
        """End it."""


class Watch:
    """All feeds of one dashboard. Reading one never waits and never fails: it is data or `Down`."""

    def __init__(
        self,
        settings: Settings,
        *,
        hub: Hub,
        source: Source,
        database: Database,
        proof: Proof,
    ) -> None:
        self.source = source
        self.hub = hub
        self.painted = Painted()
        self.playing = Playing()
        self.ledger = Ledger(database)
        self._database = database
        self._proof = proof
        self._proof_stale_s = 10 * settings.proof_interval_s
        self._probe = HealthProbe(service_urls(settings))
        self.health: Feed[tuple[Health, ...]] = Feed(
            "health", self._probe.ask_all, hub.nudge, every_s=ASK_HEALTH_EVERY_S
        )
        self.shop: Feed[ShopFacts] = Feed(
            "shop",
            self.ledger.shop,
            hub.nudge,
            every_s=LOOK_EVERY_S,
            still="Everything else on this page goes on.",
        )
        self.gremlins: Feed[tuple[GremlinFacts, ...]] = Feed(
            "gremlins",
            self.ledger.gremlins,
            hub.nudge,
            every_s=LOOK_EVERY_S,
            still="Gremlins still run out by themselves.",
        )
        self.chronicle = Chronicle(source, self.ledger)
        # Told with the next nudge of gremlins or metrics: those are what an incident is made of.
        self.incidents: Feed[tuple[Incident, ...]] = Feed(
            "incidents",
            self.chronicle.look,
            lambda _: None,
            every_s=LOOK_EVERY_S,
            still="The lights are still being watched.",
        )
        self._judged: Feed[datetime] = Feed(
            "proof", self._report_time, hub.nudge, every_s=LOOK_EVERY_S
        )
        self._feeds = (self.health, self.shop, self.gremlins, self.incidents, self._judged)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            with closing_on_stop(self.hub):
                self._proof.start()
                await self.source.start()
                await asyncio.gather(*(feed.start() for feed in self._feeds))
                await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End every loop and close every connection."""
        self.hub.close()
        await asyncio.gather(*(feed.stop() for feed in self._feeds))
        await self.source.stop()
        await self._proof.stop()
        await self._probe.close()
        await self._database.close()

    async def look_again(self) -> None:
        """Look at once, because a visitor has just changed something."""
        await asyncio.gather(self.shop.refresh(), self.gremlins.refresh())

    async def judge(self) -> None:
        """Renew the verdict now, because somebody waits for it."""
        await self._proof.judge()

    def report(self) -> Report | Down:
        """The newest verdict, or why there is none that can be trusted."""
        report = self._proof.report
        if self._proof.age_s > self._proof_stale_s:
            return Down("The proof has not been renewed", report.at)
        if report.findings and all(finding.state == "unknown" for finding in report.findings):
            # The reason holds the driver's own words, addresses included: that is for the log.
            return Down("Nothing can be judged", report.at, "The database does not answer.")
        return report

    async def _report_time(self) -> datetime:
        return self._proof.report.at


def service_urls(settings: Settings) -> dict[str, str]:
    """Where the three services are, by key."""
    return {
        "order": settings.order_url.rstrip("/"),
        "inventory": settings.inventory_url.rstrip("/"),
        "payment": settings.payment_url.rstrip("/"),
    }


def utc_now() -> datetime:
    """The wall clock, for ages on the page."""
    return datetime.now(UTC)
