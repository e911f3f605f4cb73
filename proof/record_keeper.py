"""Seals what is written, and reads all of history again, beside the proofs and behind them."""

import asyncio
import contextlib
import logging
import time
from typing import Protocol

import asyncpg
from prometheus_client import CollectorRegistry, Gauge

from chassis.database.errors import UNANSWERED
from proof.chain import Seal
from proof.evaluate import Report
from proof.invariant import Limits
from proof.scrubber import SLICE, Scrubber, Slice
from proof.session import ProofSession
from proof.settings import ProofSettings

logger = logging.getLogger(__name__)

# After a slice it waits so many times as long as the slice took: a fifth of one core at most.
_PAUSE_FACTOR = 4
# A small shop is read again this often, whatever the length of a round may be.
_LONGEST_PAUSE_S = 60.0
# As many bits of the head as a metric can hold exactly.
_SHOWN_DIGITS = 12


class Verdicts(Protocol):
    """What it needs of the scheduler of proofs."""

    session: ProofSession
    report: Report
    reads_all: bool

    async def judge(self) -> Report:
        """Make a fresh report now."""


class RecordKeeper:
    """One turn after the other: a link if it is time for one, then a slice of history."""

    def __init__(
        self, verdicts: Verdicts, settings: ProofSettings, registry: CollectorRegistry
    ) -> None:
        self._verdicts = verdicts
        self._scrubber = Scrubber(Limits.of(settings))
        self._seal_every_s = settings.proof_seal_interval_s
        self._round_s, self._retry_s = settings.proof_scrub_round_s, settings.proof_interval_s
        self._seal_at = self._round_began = time.monotonic()
        self._last_round_began: float | None = None
        self._is_round_clean = True
        self._link = Gauge("valerix_chain_link", "Number of the newest link", registry=registry)
        self._head = Gauge(
            "valerix_chain_head", "First 48 bits of the newest link's digest", registry=registry
        )
        self._unread_s = Gauge(
            "valerix_proof_unread_seconds",
            "How long ago the part of history that was read least recently was read",
            registry=registry,
        )

    async def run(self) -> None:
        """For ever; while the database is away it tries again at the pace of the proofs."""
        while True:
            try:
                await self._seal_if_due()
                read = await self._verdicts.session.scrub(self._scrubber)
            except UNANSWERED:
                await asyncio.sleep(self._retry_s)
                continue
            await self._note(read)
            await asyncio.sleep(self._pause_s(read.took_s))

    async def _seal_if_due(self) -> None:
        if time.monotonic() < self._seal_at:
            return
        self._seal_at = time.monotonic() + self._seal_every_s
        # A role that may only read leaves this to others.
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            while (link := await self._verdicts.session.seal()) is not None:
                self._show(link)

    def _show(self, link: Seal) -> None:
        logger.info("sealed what was written", extra={"link": link.n, "digest": link.digest})
        self._link.set(link.n)
        self._head.set(int(link.digest[:_SHOWN_DIGITS], 16))

    async def _note(self, read: Slice) -> None:
        if read.broken:
            self._is_round_clean = False
            logger.error(
                "history does not hold any more: %s",
                ", ".join(each.invariant.id for each in read.broken),
                extra={"rows": [dict(row) for each in read.broken for row in each.rows[:1]]},
            )
        if read.broken and not self._verdicts.reads_all:
            self._verdicts.reads_all = True
            await self._verdicts.judge()
        if read.last:
            self._verdicts.reads_all = not self._is_round_clean
            self._last_round_began, self._round_began = self._round_began, time.monotonic()
            self._is_round_clean = True
        oldest = self._last_round_began or self._round_began
        self._unread_s.set(time.monotonic() - oldest)

    def _pause_s(self, took_s: float) -> float:
        reach = self._verdicts.report.reach
        slices = 1 + (reach.proven + reach.orders) // SLICE
        return max(_PAUSE_FACTOR * took_s, min(_LONGEST_PAUSE_S, self._round_s / slices - took_s))
