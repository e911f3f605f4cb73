"""Looks at the shop for an act: the dashboard's own lights, dots and verdicts, and the books."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace

from chassis.database.pool import CommitUnknown, Database, DatabaseBusy, DatabaseDown
from observatory.live_state import LiveState
from observatory.sla import light_state
from observatory.sources.down import Down
from observatory.timeline.incident import Incident
from proof.invariants.money import NOBODY_PAYS_TWICE
from proof.scheduler import Proof, Untrusted
from scenarios.alerts import AlertEvaluator
from scenarios.conditions import Health, LightColour, Observation, OrderCounts
from scenarios.order_counts import CountingStart, count_lost, read_counts, start_counting
from scenarios.summary import Measurements
from scenarios.traffic import CustomerTraffic
from topology import NAMES

_SHADES: Mapping[str, LightColour] = {"good": "green", "failed": "red", "none": "grey"}
_AWAY = (DatabaseDown, DatabaseBusy, CommitUnknown)


class Sight(Protocol):
    """What the player needs of it."""

    async def begin(self) -> None:
        """Count from now on."""

    async def look(self, told: Mapping[str, int]) -> Observation:
        """How the shop is now."""

    async def judge(self) -> None:
        """Have the promises judged anew."""


class Observer:
    """The sight of a real shop. Everything but the books is known anyway."""

    def __init__(
        self,
        live: LiveState,
        proof: Proof,
        database: Database,
        *,
        pace: float = 1.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._live, self._proof = live, proof
        self._database, self._clock = database, clock
        self._alarm = AlertEvaluator(pace)
        self._since: CountingStart | None = None
        self._bites_before: dict[str, dict[str, int]] = {}

    async def begin(self) -> None:
        """Count from now on; raises what the database raises."""
        self._since = await start_counting(self._database)
        self._bites_before = {key: self._live.source.bites(key) for key in NAMES}

    async def look(self, told: Mapping[str, int]) -> Observation:
        """How the shop is now; never raises for a source that is away."""
        report = self._proof.trusted()
        seen = Observation(
            at=self._clock(),
            lights=self._lights(),
            services=self._services(),
            books=await self._books(),
            promises="unknown" if isinstance(report, Untrusted) else report.state,
            judged_at=None if isinstance(report, Untrusted) else report.at,
            told=dict(told),
            bites=self._bites(),
        )
        return replace(seen, firing=self._alarm.firing(seen))

    async def judge(self) -> None:
        """Have the promises judged anew."""
        await self._proof.judge()

    def incidents(self) -> tuple[Incident, ...]:
        """What the timeline tells of the gremlins."""
        found = self._live.incidents.now()
        return () if isinstance(found, Down) else found

    async def testify(
        self, customers: CustomerTraffic, books: OrderCounts | None, not_calm: tuple[str, ...]
    ) -> Measurements:
        """What the story in numbers is made from."""
        return Measurements(
            incidents=self.incidents(),
            books=books,
            lost=await self._lost(customers),
            charged_twice=self._charged_twice(),
            not_calm=not_calm,
        )

    def _charged_twice(self) -> int | None:
        """Orders that paid twice, by the gateway's own book; None if it cannot be judged."""
        report = self._proof.trusted()
        if isinstance(report, Untrusted):
            return None
        judged = [each for each in report.findings if each.invariant.id == NOBODY_PAYS_TWICE.id]
        return judged[0].total if judged and judged[0].state != "unknown" else None

    async def _lost(self, customers: CustomerTraffic) -> int | None:
        """Promised orders that are not in the books; None if those cannot be read."""
        try:
            return await count_lost(self._database, customers.confirmed, customers.accepted)
        except _AWAY:
            return None

    def _lights(self) -> dict[str, LightColour]:
        said = {key: self._live.source.traffic(key) for key in NAMES}
        return {
            key: _SHADES[light_state(each)]
            for key, each in said.items()
            if not isinstance(each, Down)
        }

    def _services(self) -> dict[str, Health]:
        asked = self._live.health.now()
        if isinstance(asked, Down):
            return {}
        found: dict[str, Health] = {}
        for said in asked:
            well = all(is_well for _, is_well, _ in said.dependencies)
            found[said.service] = "down" if said.trouble else "healthy" if well else "degraded"
        return found

    def _bites(self) -> int:
        """Since the act began; a service that was restarted counts from nothing again."""
        new = 0
        for key in NAMES:
            for name, now in self._live.source.bites(key).items():
                before = self._bites_before.get(key, {}).get(name, 0)
                new += now - before if now >= before else now
        return new

    async def _books(self) -> OrderCounts | None:
        if self._since is None:
            return None
        try:
            return await read_counts(self._database, self._since)
        except _AWAY:
            return None
