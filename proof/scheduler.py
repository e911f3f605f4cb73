"""Judges at intervals, keeps the newest report for the dashboard, and exports it as a gauge."""

import asyncio
import math
import time
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge

from proof.evaluate import Report, could_not_judge
from proof.invariant import Limits
from proof.record_keeper import RecordKeeper
from proof.session import ProofSession
from proof.settings import ProofSettings

# A proof may have to read the whole history. It must never use more than a tenth of the time, so
# the pause after it is so many times as long as it took.
_PAUSE_FACTOR = 10
# After so many missed intervals, beyond the pause that it takes on purpose, a report is too old to
# be shown as current: on a busy machine a proof of five seconds is followed by fifty of rest.
_MAX_MISSED = 10


class Untrusted(Struct, frozen=True):
    """In place of a report that is too old or judged nothing: why, since when, and details."""

    reason: str
    since: datetime
    detail: str = ""


class Proof(Protocol):
    """What pages and acts use of the scheduler."""

    report: Report

    def trusted(self) -> Report | Untrusted:
        """The newest report, or why there is none that can be trusted."""

    async def judge(self) -> Report:
        """Make a fresh report now."""

    def start(self) -> None:
        """Start judging at intervals."""

    async def stop(self) -> None:
        """Stop judging."""


class ProofScheduler:
    """A background task with a read-only connection of its own. `report` is the newest one and
    `age_s` its age; while the database is away every promise is `unknown`, with the reason."""

    def __init__(self, settings: ProofSettings, *, registry: CollectorRegistry) -> None:
        self._interval_s = settings.proof_interval_s
        self.session = ProofSession(settings, statement_timeout_s=settings.statement_timeout_s)
        self._gauge = Gauge(
            "valerix_invariant_violations",
            "Rows that break a promise of the shop; NaN while it cannot be judged",
            ["invariant"],
            registry=registry,
        )
        self._record = RecordKeeper(self, settings, registry)
        self._tasks: list[asyncio.Task[None]] = []
        # While something was found that a proof which builds on the last one would not see.
        self.reads_all = False
        self._judged_at = time.monotonic()
        self._pause_s = self._interval_s
        self.report: Report = could_not_judge("not judged yet", Limits.of(settings))

    @property
    def age_s(self) -> float:
        """Seconds since the latest report was made."""
        return time.monotonic() - self._judged_at

    def trusted(self) -> Report | Untrusted:
        """The newest report, or why there is none that can be trusted."""
        report = self.report
        if self.age_s > _MAX_MISSED * self._interval_s + self._pause_s:
            return Untrusted("The proof has not been renewed", report.at)
        if report.findings and all(finding.state == "unknown" for finding in report.findings):
            # The reason is the driver's message, with addresses in it: it belongs in the log only.
            return Untrusted("Nothing can be judged", report.at, "The database does not answer.")
        return report

    def start(self) -> None:
        """Start judging, at once and then every `proof_interval_s`."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._run(), name="proof"),
                asyncio.create_task(self._record.run(), name="record"),
            ]

    async def stop(self) -> None:
        """End the tasks and close the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.session.close()

    async def judge(self) -> Report:
        """Make a fresh report now; the panel's "check again" uses it too."""
        self.report = await self.session.judge(whole=self.reads_all)
        self._judged_at = time.monotonic()
        for finding in self.report.findings:
            self._gauge.labels(finding.invariant.id).set(violations(finding.state, finding.total))
        return self.report

    async def _renew(self) -> None:
        """Judge, unless that would say again what the last report says: everything holds."""
        report, at = self.report, None
        if report.state == "holds" and not report.gremlins_loose and not self.reads_all:
            at = await self.session.unchanged_at()
        if at is None:
            await self.judge()
        else:
            self.report = msgspec.structs.replace(report, at=at)
            self._judged_at = time.monotonic()

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            await self._renew()
            took_s = time.monotonic() - started
            self._pause_s = max(self._interval_s, _PAUSE_FACTOR * took_s)
            await asyncio.sleep(self._pause_s)


def violations(state: str, total: int) -> float:
    """The value of the gauge: work that still has time to settle is not a violation."""
    if state == "unknown":
        return math.nan
    return float(total) if state == "violated" else 0.0
