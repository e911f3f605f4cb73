"""What is known of the running shop right now: metrics, health and incidents, kept fresh."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from chassis.database.pace import changes_of
from chassis.database.pool import Database
from observatory.sources.event_progress import EventProgress, EventProgressReader
from observatory.sources.health import Health, HealthProbe
from observatory.sources.poller import Poller
from observatory.sources.protocols import MetricsSource
from observatory.timeline.incident import Incident
from observatory.timeline.kept_readings import KeptReadings
from observatory.timeline.queries import TimelineQueries
from observatory.timeline.recorder import IncidentRecorder

# The database is read every second, so a page shows a change within two.
READ_DATABASE_EVERY_S = 1.0
_READ_HEALTH_EVERY_S = 2.0
# Figures look back half a minute (`WINDOW_S`), and are read at least once more after it.
_STILL_S = 60.0
# Every process has its own, short deadline; this one ends only what hangs. Were it close to that, a
# busy machine would lose what the others said because one of them does not answer.
_HEALTH_DEADLINE_S = 4.0


class LiveState:
    """Reading it never waits and never fails: every result is data or `Down`.

    `changed` is called with a topic ("health", "metrics", "flow") when its result differs. With a
    `folder`, what the timeline measured outlives the process."""

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        source: MetricsSource,
        database: Database,
        changed: Callable[[str], None] = lambda _: None,
        is_watched: Callable[[], bool] = lambda: True,
        folder: Path | None = None,
    ) -> None:
        self.source = source
        self.timeline = TimelineQueries(database)
        self._probe = HealthProbe(urls)
        self.health: Poller[tuple[Health, ...]] = Poller(
            "health",
            self._probe.read_all,
            changed,
            every_s=_READ_HEALTH_EVERY_S,
            is_watched=is_watched,
            deadline_s=_HEALTH_DEADLINE_S,
        )
        self._database = database
        self.progress: Poller[EventProgress] = Poller(
            "flow",
            EventProgressReader(database).read,
            changed,
            every_s=READ_DATABASE_EVERY_S,
            still="Events wait in their outboxes; none is lost.",
            is_watched=is_watched,
            stands=lambda progress: self.stands(ages=progress.waits),
        )
        self.recorder = IncidentRecorder(source, self.timeline, kept=KeptReadings(folder))
        # No event of its own: gremlin and metric events already refresh it.
        self.incidents: Poller[tuple[Incident, ...]] = Poller(
            "incidents",
            self.recorder.update,
            lambda _: None,
            every_s=READ_DATABASE_EVERY_S,
            still="The lights are still being watched.",
            is_watched=lambda: is_watched() or self.recorder.is_busy,
        )

    async def fresh(self) -> None:
        """Read now whatever was left alone because nobody looked."""
        feeds = (self.health, self.progress, self.incidents)
        await asyncio.gather(self.source.fresh(), *(feed.fresh() for feed in feeds))

    async def stands(self, *, ages: bool) -> bool:
        """Whether what was read of the database is the same now: nothing in it `ages`, and nobody
        has written for longer than any reading looks back."""
        return not ages and await changes_of(self._database).still_s(self._database) > _STILL_S

    async def start(self) -> None:
        """Begin to poll."""
        await self.source.start()
        await asyncio.gather(self.health.start(), self.progress.start(), self.incidents.start())

    async def stop(self) -> None:
        """Stop polling and close the connections."""
        await asyncio.gather(self.health.stop(), self.progress.stop(), self.incidents.stop())
        await self.source.stop()
        await self._probe.close()
