"""Keeps a fresh verdict for the dashboard and exports it as a gauge."""

import asyncio
import contextlib
import math
import time

from prometheus_client import CollectorRegistry, Gauge

from chassis.settings import Settings
from proof.evaluate import Report, could_not_judge
from proof.invariant import Limits
from proof.session import Examiner

# A proof may have to read the whole history; it must never cost the shop more than a tenth of its
# time.
_SHARE = 10


class ProofLoop:
    """A background task with a read-only connection of its own. `report` is the latest verdict and
    `age_s` how old it is; while the database is away the verdict is `unknown` with the reason."""

    def __init__(self, settings: Settings, *, registry: CollectorRegistry) -> None:
        self._interval_s = settings.proof_interval_s
        self._examiner = Examiner(settings, statement_timeout_s=settings.statement_timeout_s)
        self._gauge = Gauge(
            "valerix_invariant_violations",
            "Rows that break a promise of the shop; NaN while it cannot be judged",
            ["invariant"],
            registry=registry,
        )
        self._task: asyncio.Task[None] | None = None
        self._judged_at = time.monotonic()
        self.report: Report = could_not_judge("not judged yet", Limits.of(settings))

    @property
    def age_s(self) -> float:
        """Seconds since the latest report was made."""
        return time.monotonic() - self._judged_at

    def start(self) -> None:
        """Begin judging, at once and then every `proof_interval_s`."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="proof")

    async def stop(self) -> None:
        """End the task and let go of the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._examiner.close()

    async def judge(self) -> Report:
        """Make a fresh report now; the panel's "check again" uses it too."""
        self.report = await self._examiner.ask()
        self._judged_at = time.monotonic()
        for finding in self.report.findings:
            self._gauge.labels(finding.invariant.id).set(violations(finding.state, finding.total))
        return self.report

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            await self.judge()
            took_s = time.monotonic() - started
            await asyncio.sleep(max(self._interval_s, _SHARE * took_s))


def violations(state: str, total: int) -> float:
    """What the gauge shows: work that is still within its time is no violation."""
    if state == "unknown":
        return math.nan
    return float(total) if state == "violated" else 0.0
