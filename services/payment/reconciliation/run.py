"""Fetches an account's settlement file and matches it: every night, and when somebody asks."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from chassis.telemetry import recording
from gateways import GatewayNotSent, GatewayUnknown, OutsideAccount
from services.payment.context import PaymentContext
from services.payment.contract import RunView
from services.payment.planning.fees import leg_fee
from services.payment.reconciliation import store
from services.payment.reconciliation.match import DayRecords, Posting, match_day
from services.payment.reconciliation.settlement_file import BadFile, SettlementLine, read_file
from services.payment.reconciliation.store import Terms
from services.payment.settings import PaymentSettings

logger = logging.getLogger(__name__)

# A difference that nobody has resolved for so long is no longer looked for every night.
_DAYS_BACK = 35
# Each failure is a row that stays: some ten on the first day that a file cannot be read, then four.
_LONGEST_WAIT_S = 6 * 3600.0
_FIRST_S = 5.0


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class Reconciliation:
    """One replica's; any number may run: the same file matched twice gives the same rows."""

    def __init__(
        self,
        context: PaymentContext,
        settings: PaymentSettings,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._context = context
        self._young_s = settings.payment_reconcile_young_s
        self._poll_s = settings.payment_reconcile_poll_s
        self._now = now

    async def run(self) -> None:
        """For ever. Nothing to do without accounts, and no hurry: those of a shop that opens start
        beside us."""
        await asyncio.sleep(min(_FIRST_S, self._poll_s))
        while self._context.accounts:
            await self.run_due()
            await asyncio.sleep(self._poll_s)

    async def run_due(self) -> list[RunView]:
        """What is to be read tonight and was not read yet."""
        now = self._now()
        midnight = datetime.combine(now.date(), time(), UTC)
        # By then nothing of the last day is young.
        if now < midnight + timedelta(seconds=self._young_s):
            return []
        async with self._context.database.connect() as connection:
            due = await store.due(
                connection,
                sorted(self._context.accounts),
                last=now.date() - timedelta(days=1),
                back=_DAYS_BACK,
                since=midnight,
                now=now,
                again_s=self._poll_s,
                again_max_s=_LONGEST_WAIT_S,
            )
        found = [await self.reconcile(account, day) for account, day in due]
        return [each for each in found if each is not None]

    async def of_day(self, day: date) -> list[RunView]:
        """The files of all accounts, of one UTC day."""
        found = [await self.reconcile(name, day) for name in sorted(self._context.accounts)]
        return [each for each in found if each is not None]

    async def reconcile(self, name: str, day: date) -> RunView | None:
        """One account's file of one day; None where the account has no such file."""
        started_at, account = self._now(), self._context.accounts[name]
        with recording.span("reconcile account") as work:
            work.attributes.update({"server.address": name, "valerix.day": day.isoformat()})
            try:
                run = await self._matched(name, account, day, started_at)
            except (GatewayUnknown, GatewayNotSent, BadFile) as error:
                work.error = str(error)
                async with self._context.database.connect() as connection:
                    run = await store.add_failed(
                        connection, name, day, started_at, str(error)[:500]
                    )
            if run is not None:
                work.attributes["valerix.outcome"] = run.result
                level = logging.INFO if run.result == "matched" else logging.WARNING
                about = {"provider": name, "day": day.isoformat(), "run": run.run}
                logger.log(level, "a settlement file: %s", run.reason or run.result, extra=about)
        return run

    async def _matched(
        self, name: str, account: OutsideAccount, day: date, started_at: datetime
    ) -> RunView | None:
        database = self._context.database
        # First what we have: the account had it before us, so it is in a file that is read now.
        async with database.connect() as connection:
            of_day = await store.posted_on(connection, name, day)
            terms = await store.terms_of(connection, name)
        raw = await account.settlement_file(day)
        if raw is None:
            return None
        lines = read_file(raw)
        lines += await self._of_the_days_beside(account, day, of_day, lines)
        intents = sorted({line.intent for line in lines} | {p.intent for p in of_day if p.intent})
        async with database.connect() as connection:
            of_lines = await store.posted_for(connection, name, intents)
            known = await store.known_lines(
                connection, name, intents, [line.line_id for line in lines]
            )

        def fee_of(amount_minor: int, at: datetime) -> int | None:
            return fee_at(terms, amount_minor, at)

        records = DayRecords(postings=_each_once(of_lines, of_day), known=known, fee_of=fee_of)
        found = match_day(lines, records, day=day, now=self._now(), young_s=self._young_s)
        async with database.begin() as tx:
            return await store.add_run(tx, name, day, started_at, found)

    async def _of_the_days_beside(
        self,
        account: OutsideAccount,
        day: date,
        postings: list[Posting],
        lines: list[SettlementLine],
    ) -> list[SettlementLine]:
        """Lines that the account booked before midnight and we posted after it; or the reverse,
        where its clock is ahead of ours."""
        found: list[SettlementLine] = []
        for beside in (day - timedelta(days=1), day + timedelta(days=1)):
            there = {(line.intent, line.kind) for line in (*lines, *found)}
            missing = {each.movement for each in postings} - there
            if missing and beside <= self._now().date():
                raw = await account.settlement_file(beside)
                found += [
                    line for line in read_file(raw or b"") if (line.intent, line.kind) in missing
                ]
        return found


def fee_at(terms: list[Terms], amount_minor: int, at: datetime) -> int | None:
    """What a capture of this amount cost at that time; None where there were no terms."""
    valid = [each for each in terms if each.since is None or each.since <= at]
    if not valid:
        return None
    return leg_fee(
        amount_minor,
        basis_points=valid[-1].fee_basis_points,
        fixed_minor=valid[-1].fee_fixed_minor,
    )


def _each_once(*postings: list[Posting]) -> list[Posting]:
    return list({each.movement: each for some in postings for each in some}.values())
