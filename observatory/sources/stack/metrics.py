"""Metrics from Prometheus: its raw samples, polled every two seconds into the same windows."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from observatory.metrics.history import BUCKET
from observatory.metrics.prometheus_text import Series
from observatory.sla import NOT_BUSINESS
from observatory.sources.counters import FAMILIES, STILL, STOCK, Counters
from observatory.sources.down import Down
from observatory.sources.poller import STALE_S, Poller, SourceError
from observatory.sources.stack.http import HttpSource, ResourceNotFound
from observatory.sources.stack.merge_instances import MergeInstances
from observatory.sources.stack.prometheus_response import Instance, Reading, exemplars, readings
from topology import NAMES

log = logging.getLogger(__name__)

POLL_EVERY_S = 2.0
# As far back as the charts reach: after a start they are whole at once.
_REACH_S = 900.0
# Samples of one more poll, in case one is late.
_OVERLAP_S = 4.0
# A quarter of an hour of raw samples takes Prometheus some 50 ms, on a busy laptop ten times that.
_DEADLINE_S = 5.0
# Readings are added a few at a time, so that pages are not delayed.
_AT_A_TIME = 20
# Each service has it from its first scrape on, with or without traffic.
_ALWAYS_PRESENT = "http_requests_in_flight"
_NAMES = "|".join(sorted(FAMILIES | {_ALWAYS_PRESENT}))
# Stock has no `service` of its own; PromQL takes a label that is absent for an empty one.
_OURS = f'service=~"({"|".join(NAMES.values())})?",path!~"{NOT_BUSINESS}"'
_SERIES, _BUCKETS = f'{{__name__=~"{_NAMES}",{_OURS}}}', f"{BUCKET}{{{_OURS}}}"
# Buckets whose last exemplar is kept: three services have some six hundred.
_MOST_BUCKETS = 10_000


class StackMetrics(Counters):
    """A `MetricsSource` whose readings are Prometheus's own samples, at their own times."""

    def __init__(
        self,
        url: str,
        changed: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Prometheus uses the wall clock, so everything here does.
        super().__init__(NAMES, clock, epoch=0.0)
        self._http = HttpSource("Prometheus", url)
        self._began = datetime.now(UTC)
        self._instances = {service: MergeInstances({STOCK, _ALWAYS_PRESENT}) for service in NAMES}
        self._exemplars_until: dict[tuple[Instance, Series], float] = {}
        self._poller: Poller[float] = Poller(
            "metrics",
            self._poll,
            changed,
            every_s=POLL_EVERY_S,
            # The HTTP client gives up first: its error names Prometheus.
            deadline_s=_DEADLINE_S + 1,
            still=STILL,
        )

    async def start(self) -> None:
        """Begin to poll."""
        await self._poller.start()

    async def stop(self) -> None:
        """End the loop and close the connections."""
        await self._poller.stop()
        await self._http.close()

    async def fresh(self) -> None:
        """Prometheus scrapes whether anybody looks or not, and is asked as often."""

    def wake(self) -> None:
        """It never rests."""

    def down(self, service: str) -> Down | None:
        """Why there is no fresh sample: of Prometheus itself, or of this service in it."""
        polled = self._poller.now()
        if isinstance(polled, Down):
            return polled
        newest = self.newest_at(service)
        if newest is None:
            return Down("Prometheus has no sample of it", self._began, STILL)
        if self._clock() - newest > STALE_S:
            since = datetime.fromtimestamp(newest, UTC)
            return Down("Prometheus has no fresh sample of it", since, STILL)
        return None

    async def _poll(self) -> float:
        now = self._clock()
        reach_s = self._reach_s(now)
        body, found_exemplars = await asyncio.gather(
            # Up to now as Prometheus knows it: its clock need not be ours.
            self._get("/api/v1/query", {"query": f"{_SERIES}[{reach_s:.0f}s]"}),
            self._read_exemplars(now - reach_s, now + 60),
        )
        found = await asyncio.to_thread(readings, body)
        for service, new in found.items():
            await self._add(service, new)
        if found_exemplars is not None:
            self._add_exemplars(found_exemplars, now, old=reach_s > 2 * STALE_S)
        return now

    def _reach_s(self, now: float) -> float:
        """From the newest sample on; a quarter of an hour where there is none."""
        newest = max(filter(None, map(self.newest_at, NAMES)), default=0.0)
        return min(_REACH_S, max(now - newest, 0.0) + _OVERLAP_S)

    async def _get(self, path: str, params: dict[str, str]) -> bytes:
        try:
            return await self._http.get(path, params, deadline_s=_DEADLINE_S)
        except ResourceNotFound:
            raise self._http.error("answers with an error (404)") from None

    async def _read_exemplars(self, since: float, until: float) -> bytes | None:
        """Exemplars, or None: Prometheus may have switched them off."""
        params = {"query": _BUCKETS, "start": f"{since:.3f}", "end": f"{until:.3f}"}
        try:
            return await self._get("/api/v1/query_exemplars", params)
        except SourceError as error:
            log.debug("no exemplars: %s", error)
            return None

    async def _add(self, service: str, found: list[Reading]) -> None:
        merged = self._instances[service]
        new = [reading for reading in found if merged.is_new(reading)]
        for number, reading in enumerate(new):
            merged.add(reading)
            newest = self.newest_at(service) or 0.0
            following = new[number + 1].at if number + 1 < len(new) else math.inf
            # The samples of several instances within one poll are one reading of the service.
            if following - newest >= 1.5 * POLL_EVERY_S:
                self.take(service, max(reading.at, newest), merged.totals())
            if number % _AT_A_TIME == _AT_A_TIME - 1:
                await asyncio.sleep(0)

    def _add_exemplars(self, body: bytes, now: float, *, old: bool) -> None:
        """Keep new exemplars. With `old` they count as seen when they happened, not just now."""
        if len(self._exemplars_until) > _MOST_BUCKETS:
            self._exemplars_until.clear()
        try:
            for service, instance, series, found in exemplars(body, now):
                if found.at <= self._exemplars_until.get((instance, series), 0.0):
                    continue
                self._exemplars_until[instance, series] = found.at
                self.add_exemplars(
                    service, {series: replace(found, seen=found.at) if old else found}
                )
        except SourceError as error:
            log.debug("no exemplars: %s", error)
