"""What one process knows of the breakers, and what it has seen and not said yet."""

import asyncio
import math
import time
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.database.pace import changes_of
from chassis.database.pool import Connection, Database, DatabaseTrouble
from services.payment.breakers import store
from services.payment.breakers.store import BreakerRow, SeenOutcomes
from services.payment.outcomes import GatewayResult, NeverSent, Silence

# So many in a row: one account in twenty that fails by chance trips once in three million.
_MOST_FAILURES = 5
# As long as a restart takes; every payment meanwhile goes elsewhere.
_OPEN_S = 5.0
# A probe that takes longer has failed, and somebody else may probe.
_LEASE_S = 5.0
# What is read here saves a plan that would be refused: whether an account may be asked is read once
# more in the transaction that writes the attempt.
_CACHE_S = 0.5
_FLUSH_S = 0.2
# While one is open, what another process saw is on the gauge this soon.
_REFRESH_S = 1.0


class Admitted(msgspec.Struct, frozen=True):
    """The accounts that may be asked for new money, in the order they were named; `probes` are
    those of them that are open, and this caller's to try, each with the end of its lease."""

    accounts: tuple[str, ...]
    probes: Mapping[str, datetime] = {}


class Breakers:
    """Call `run` in the background; without it, `flush` by hand."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._rows: dict[str, BreakerRow] = {}
        self._read_at = -_CACHE_S
        self._failures: dict[str, int] = {}
        self._has_seen = asyncio.Event()
        self._answered: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._probes: set[str] = set()
        self._state = Gauge(
            "valerix_breaker_state",
            "Whether an account's breaker is open (1) or closed (0).",
            ("provider",),
            registry=registry,
        )
        self._transitions = Counter(
            "valerix_breaker_transitions",
            "Breakers that this process opened or closed.",
            registry=registry,
        )

    async def run(self) -> None:
        """Say what was seen, several times a second, for ever; and ask how all of them stand, soon
        where one is open, and else when anybody wrote."""
        changes = changes_of(self._database)
        changes.sets(self._has_seen)
        while True:
            await self.flush()
            await asyncio.sleep(_FLUSH_S)
            longest_s = _REFRESH_S - _FLUSH_S if self.open_now() else math.inf
            await changes.wait(self._database, self._has_seen, longest_s)

    def saw(self, account: str, result: GatewayResult) -> None:
        """An account was asked for money. A decline is an answer; unknown and not sent are none."""
        if account not in self._failures and account not in self._rows:
            self._state.labels(account)  # closed, until a row says otherwise
        if isinstance(result, Silence | NeverSent):
            self._failures[account] = self._failures.get(account, 0) + 1
            self._reasons[account] = result.why[:200]
        else:
            self._failures[account] = 0
            self._answered.add(account)
        self._has_seen.set()

    async def flush(self) -> None:
        """Say what was seen, and read how all of them stand."""
        self._has_seen.clear()
        failures, self._failures = self._failures, {}
        answered, self._answered = self._answered, set()
        batches = [
            SeenOutcomes(account, count, account in answered, self._reasons.get(account))
            for account, count in sorted(failures.items())
        ]
        async with self._database.connect() as connection:
            for account in sorted(self._probes & failures.keys()):
                self._probes.discard(account)
                closed = await store.probed(
                    connection, account, answered=account in answered, open_s=_OPEN_S
                )
                self._transitions.inc(closed)
            # An answer of an account that was known to answer changes nothing.
            if batches := [each for each in batches if each.failures or each.account in self._rows]:
                opened = await store.count(connection, batches, most=_MOST_FAILURES, open_s=_OPEN_S)
                self._transitions.inc(opened)
            await self._read(connection)

    async def _read(self, connection: Connection) -> None:
        self._rows = {row.account: row for row in await store.read(connection)}
        self._read_at = time.monotonic()
        for row in self._rows.values():
            self._state.labels(row.account).set(row.state == "open")

    def open_now(self) -> frozenset[str]:
        """The accounts that are asked for no new money, as last read."""
        return frozenset(row.account for row in self._rows.values() if row.state == "open")

    async def admit(self, accounts: Collection[str]) -> Admitted:
        """Which of these accounts may be asked for new money. One whose time has come is given to
        this caller alone, to be probed by its payment."""
        probes: dict[str, datetime] = {}
        try:
            async with self._database.connect() as connection:
                if time.monotonic() - self._read_at >= _CACHE_S:
                    await self._read(connection)
                for account in sorted(self.open_now() & set(accounts)):
                    if not self._rows[account].wants_probe:
                        continue
                    until = await store.lease(connection, account, lease_s=_LEASE_S)
                    if until is not None:
                        self._probes.add(account)
                        probes[account] = until
        except DatabaseTrouble:
            probes = {}
        blocked = self.open_now() - probes.keys()
        return Admitted(tuple(each for each in accounts if each not in blocked), probes)
