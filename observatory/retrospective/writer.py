"""Writes reports: when somebody asks, and by schedule."""

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chassis.database.pool import Database
from observatory.retrospective.anomalies import METHOD, PERIODS, anomalies
from observatory.retrospective.kept import KeptReports
from observatory.retrospective.model import (
    FailureReason,
    GremlinTime,
    RequestCount,
    RetrospectiveReport,
)
from observatory.retrospective.queries import PeriodCount, PeriodTime, RetrospectiveQueries
from observatory.retrospective.violations import violations_between
from observatory.sources.protocols import TelemetrySource
from observatory.timeline.fault_windows import FaultWindow, fault_windows
from observatory.timeline.queries import TimelineQueries

logger = logging.getLogger(__name__)

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=31)
# A missed boundary is made up for this much later at the most; each look is a list of files.
_LOOK_EVERY_S = 30.0
SCHEDULE = "schedule"


class BadPeriod(ValueError):
    """A text that is no period; the message says what one is."""


def period_of(text: str) -> timedelta:
    """`90m`, `1h`, `7d`; raises `BadPeriod`."""
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    length = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not SHORTEST <= length <= LONGEST:
        raise BadPeriod("A period is written 90m, 1h or 7d, and is 1m to 31d long")
    return length


class ReportWriter:
    """`every` is the schedule's period, zero for none; `clock` is the wall clock in UTC."""

    def __init__(
        self,
        database: Database,
        telemetry: TelemetrySource,
        kept: KeptReports,
        *,
        every: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._queries, self._audit = RetrospectiveQueries(database), TimelineQueries(database)
        self._telemetry, self._every, self._clock = telemetry, every, clock
        self.kept = kept
        # Up to when the schedule has looked; before its first look, what is kept says it.
        self._looked_at: datetime | None = None

    async def report(
        self, length: timedelta, *, by: str, until: datetime | None = None
    ) -> RetrospectiveReport:
        """The report on the `length` before `until`, by default now; it is not kept. Raises what
        the database raises."""
        now = self._clock()
        until = until or now
        since = until - length
        counts, times = await self._queries.history(until, length, PERIODS)
        violations, note = await violations_between(self._telemetry, since, until)
        requests = _requests(counts, times)
        return RetrospectiveReport(
            name=f"{until:%Y%m%dT%H%M%SZ}-{_short(length)}",
            written_at=now,
            written_by=by,
            since=since,
            until=until,
            total_requests=sum(each.requests for each in requests),
            failures=sum(each.failed for each in requests),
            requests=requests,
            reasons=_reasons(counts),
            violations=violations,
            anomalies=anomalies(counts, times),
            gremlins=_gremlins(fault_windows(await self._audit.audit(), now), since, until),
            method=METHOD,
            note=note,
        )

    async def write(self, length: timedelta, *, by: str) -> RetrospectiveReport:
        """The report on the `length` before now, kept. Raises `OSError` too."""
        report = await self.report(length, by=by)
        await asyncio.to_thread(self.kept.keep, report)
        return report

    async def run(self) -> None:
        """Keep the report on each period of the schedule once that is over, until cancelled."""
        while self._every:
            await self.write_due()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def write_due(self) -> None:
        """Keep the report on the last whole period, if it is not kept; of one in which nothing
        happened there is none."""
        began = datetime(1970, 1, 1, tzinfo=UTC)
        until = began + (self._clock() - began) // self._every * self._every
        name = f"{until:%Y%m%dT%H%M%SZ}-{_short(self._every)}"
        if until == self._looked_at or name in self.kept.names():
            return
        report = await self.report(self._every, by=SCHEDULE, until=until)
        if not report.is_empty:
            await asyncio.to_thread(self.kept.keep, report)
            logger.info("wrote a report", extra={"report": report.name})
        self._looked_at = until


def _requests(
    counts: tuple[PeriodCount, ...], times: tuple[PeriodTime, ...]
) -> tuple[RequestCount, ...]:
    took = {each.of: each for each in times if each.period == 0}
    found = []
    for of in sorted({each.of for each in counts if each.period == 0}):
        by_result = {
            result: sum(
                each.count
                for each in counts
                if (each.period, each.of, each.result) == (0, of, result)
            )
            for result in ("succeeded", "failed", "cancelled", "open")
        }
        time = took.get(of)
        found.append(
            RequestCount(
                of,
                sum(by_result.values()),
                **by_result,
                p50_ms=round(time.p50_ms, 1) if time else None,
                p99_ms=round(time.p99_ms, 1) if time else None,
            )
        )
    return tuple(found)


def _reasons(counts: tuple[PeriodCount, ...]) -> tuple[FailureReason, ...]:
    found = [
        FailureReason(each.of, each.reason, each.count)
        for each in counts
        if each.period == 0 and each.reason
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.of, each.reason)))


def _gremlins(
    windows: tuple[FaultWindow, ...], since: datetime, until: datetime
) -> tuple[GremlinTime, ...]:
    return tuple(
        GremlinTime(
            service=each.service,
            name=each.name,
            kind=each.kind,
            strength=each.detail,
            actor=each.actor,
            on=each.on,
            off=each.off,
        )
        for each in windows
        if each.on <= until and (each.off is None or each.off > since)
    )


def _short(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"
