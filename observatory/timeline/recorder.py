"""Reads gremlins, lights, bites and open work once a second, and keeps the last incidents."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from observatory.sla import light_state
from observatory.sources.down import Down
from observatory.sources.protocols import MetricsSource
from observatory.timeline.fault_windows import FaultWindow, fault_windows
from observatory.timeline.incident import ECHO_S, Incident, OrdersMeanwhile, incidents
from observatory.timeline.kept_readings import KeptReadings, Key, TimelineReading
from observatory.timeline.light_log import LightLog
from observatory.timeline.queries import TimelineQueries
from topology import LIT, NAMES

# The audit log is read a hundred entries long, and a page of more incidents is not readable.
KEPT = 30
# After a restart every incident's orders are looked up again: a few a second, newest first.
_LOOKUPS = 3


class IncidentRecorder:
    """Its memory is bounded by the number of incidents it keeps."""

    def __init__(
        self,
        source: MetricsSource,
        queries: TimelineQueries,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept: KeptReadings | None = None,
    ) -> None:
        self._source, self._queries, self._clock = source, queries, clock
        self._kept = kept or KeptReadings(None)
        self._is_restored = False
        self._lights = LightLog()
        self._bites = BiteCounts()
        self._orders: dict[Key, OrdersMeanwhile] = {}
        self._failures: dict[Key, int] = {}
        self.windows: tuple[FaultWindow, ...] = ()
        # Whether, when it read last, a light was on or a gremlin loose.
        self.is_busy = True

    @property
    def size(self) -> int:
        """How many entries it keeps beside the lights' changes."""
        return len(self._orders) + len(self._failures) + len(self._bites)

    async def update(self) -> tuple[Incident, ...]:
        """Read everything once: the incidents, oldest first. The lights are recorded even if the
        database cannot be reached."""
        now = self._clock()
        if not self._is_restored:
            self._restore()
        traffic = {key: self._source.traffic(key) for key in NAMES}
        lights = {each.key: light_state(traffic[each.key]) for each in LIT}
        self._lights.add(now, lights)
        self.is_busy = True
        self.windows = fault_windows(await self._queries.audit(), now)
        self.is_busy = any(each != "none" for each in lights.values()) or any(
            window.off is None for window in self.windows
        )
        for key, each in traffic.items():
            if not isinstance(each, Down):
                self._bites.count(key, self._source.bites(key), self._counted_windows())
        found = incidents(self.windows, self._lights.periods(), self._lights.began)[-KEPT:]
        await self._look_up_orders(found)
        complete = tuple(self._complete(each, now) for each in found)
        self._keep_only({each.key for each in complete}, {window.key for window in self.windows})
        failures = list(self._failures.items())
        self._kept.keep(TimelineReading(now, lights, self._bites.sums(), failures))
        return complete

    def _restore(self) -> None:
        """Go on from what an earlier process measured; between the two nothing was seen."""
        self._is_restored = True
        for reading in (known := self._kept.read()):
            self._lights.add(reading.at, reading.lights)
        if known:
            last = known[-1]
            self._lights.add(last.at, dict.fromkeys(last.lights, "none"))
            self._bites.restore(last.bites)
            self._failures = dict(last.failures)

    def _counted_windows(self) -> tuple[FaultWindow, ...]:
        """Those that were still on when recording began: no bite of an earlier one was counted."""
        began = self._lights.began
        return tuple(w for w in self.windows if began and (w.off is None or w.off > began))

    async def _look_up_orders(self, found: Sequence[Incident]) -> None:
        asked = 0
        for each in reversed(found):
            known = self._orders.get(each.key)
            if each.off is None or (known is not None and not known.open_now):
                continue
            self._orders[each.key] = await self._queries.orders_meanwhile(each.on, each.off)
            asked += 1
            if asked >= _LOOKUPS:
                return

    def _complete(self, each: Incident, now: datetime) -> Incident:
        if each.unseen_until is None and (
            each.off is None or now < each.off + timedelta(seconds=ECHO_S)
        ):
            # An earlier process may have counted more of them.
            counted = self._failed(each.on, each.cut_at or now)
            self._failures[each.key] = max(counted, self._failures.get(each.key, 0))
        return replace(
            each,
            orders=self._orders.get(each.key),
            counts=tuple(self._bites.of(window) for window in each.windows),
            failures=self._failures.get(each.key),
        )

    def _failed(self, since: datetime, until: datetime) -> int:
        moments = since.timestamp(), until.timestamp()
        return round(self._source.failures("order", *moments))

    def _keep_only(self, kept: set[Key], kept_windows: set[Key]) -> None:
        for known in (self._orders, self._failures):
            for key in known.keys() - kept:
                del known[key]
        self._bites.keep_only(kept_windows)


class BiteCounts:
    """Counts each gremlin's bites from the services' counters, which restart with their process."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, int]] = {}
        self._sums: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def count(self, service: str, counters: dict[str, int], found: Sequence[FaultWindow]) -> None:
        """`counters` are the bites by gremlin now; new bites belong to its newest window."""
        last = self._last.get(service)
        newest = {window.name: window for window in found if window.service == service}
        for name, window in newest.items():
            now = counters.get(name, 0)
            if last is None:
                # Counted before recording began: in which of its windows is not known.
                continue
            before = last.get(name, 0)
            self._sums[window.key] = self._sums.get(window.key, 0) + (
                now - before if now >= before else now
            )
        self._last[service] = dict(counters)

    def sums(self) -> list[tuple[Key, int]]:
        """Every gremlin's bites."""
        return list(self._sums.items())

    def restore(self, sums: Sequence[tuple[Key, int]]) -> None:
        """Go on from bites that were counted before."""
        self._sums = dict(sums)

    def of(self, window: FaultWindow) -> int | None:
        """How often it bit while it was recorded; None if it was not."""
        return self._sums.get(window.key)

    def keep_only(self, kept: set[Key]) -> None:
        """Forget the sums of all other windows."""
        for key in self._sums.keys() - kept:
            del self._sums[key]
