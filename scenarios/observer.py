"""Observes the shop for an act: the dashboard's lights, dots and verdicts, and order counts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace

from chassis.database.pool import Database, DatabaseTrouble
from observatory.live_state import LiveState
from observatory.sla import LightState, light_state
from observatory.sources.down import Down
from observatory.timeline.incident import Incident
from proof.evaluate import Report
from proof.invariants.money import NOBODY_PAYS_TWICE
from proof.scheduler import Proof, Untrusted
from scenarios.alerts import AlertEvaluator
from scenarios.bearers import TokenBearer
from scenarios.conditions import Health, LightColour, Observation, OrderCounts
from scenarios.failures import CannotPlay
from scenarios.loader import Scenario
from scenarios.model import FillWallet, Pay, Spend
from scenarios.order_counts import (
    CountingStart,
    count_lost,
    count_lost_payments,
    count_lost_spending,
    count_paid_twice,
    read_counts,
    read_merchants,
    start_counting,
)
from scenarios.payers import PayerTraffic
from scenarios.spenders import SpenderTraffic
from scenarios.summary import Measurements
from scenarios.traffic import CustomerTraffic
from scenarios.twin_process import TwinFigures
from topology import LIT, NAMES

_COLOURS: Mapping[LightState, LightColour] = {
    "good": "green",
    "degraded": "amber",
    "slow": "red",
    "failing": "red",
    "none": "grey",
}
_AWAY = DatabaseTrouble


def those_in_question(report: Report) -> tuple[str, ...]:
    """The promises that are as the verdict says, where that is not that all hold."""
    found = () if report.state == "holds" else report.those(report.state)
    return tuple(f"{each.invariant.id} {each.invariant.title}" for each in found)


class Crowd(Protocol):
    """Those who come in an act, and what came of it beside a twin."""

    @property
    def traffic(self) -> CustomerTraffic:
        """Its customers."""

    @property
    def payers(self) -> PayerTraffic:
        """Its payers."""

    @property
    def spenders(self) -> SpenderTraffic:
        """Its spenders."""

    @property
    def bearer(self) -> TokenBearer:
        """Who shows tokens."""

    @property
    def figures(self) -> TwinFigures | None:
        """Ours and the twin's."""


class Observer:
    """What an act knows of the shop. Only the order counts cost a query of their own."""

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
        self._users: list[str] = []
        self._bites_before: dict[str, dict[str, int]] = {}

    async def begin(self) -> None:
        """Count from now on; raises what the database raises."""
        self._since = await start_counting(self._database, self._users)
        self._bites_before = {key: self._live.source.bites(key) for key in NAMES}

    async def prepare(self, scenario: Scenario) -> None:
        """Know whose wallets the act is about; raises `CannotPlay` where it has somebody pay a
        merchant that there is not."""
        about = (does for _, _, does in scenario.act.actions())
        self._users = sorted({each.user for each in about if isinstance(each, FillWallet | Spend)})
        wanted = {
            does.merchant: (step, place)
            for step, place, does in scenario.act.actions()
            if isinstance(does, Pay)
        }
        known = await read_merchants(self._database) if wanted else []
        for merchant in wanted.keys() - set(known):
            raise CannotPlay(
                f"{scenario.file}:{scenario.line(*wanted[merchant])}: there is no merchant "
                f"{merchant}; there are: {', '.join(known)}"
            )

    async def observe(self, crowd: Crowd) -> Observation:
        """How the shop is now; a source that does not answer is absent, nothing is raised."""
        report = self._proof.trusted()
        observation = Observation(
            at=self._clock(),
            lights=self._lights(),
            services=self._services(),
            counts=await self._counts(),
            promises="unknown" if isinstance(report, Untrusted) else report.state,
            which=() if isinstance(report, Untrusted) else those_in_question(report),
            judged_at=None if isinstance(report, Untrusted) else report.at,
            responses=dict(crowd.traffic.responses),
            payer_responses=dict(crowd.payers.responses),
            spender_responses=dict(crowd.spenders.responses),
            token_responses=dict(crowd.bearer.responses),
            bites=self._bites(),
            figures=crowd.figures,
            events=self._events(),
        )
        return replace(observation, firing=self._alarm.firing(observation))

    async def judge(self) -> None:
        """Have the promises judged anew."""
        await self._proof.judge()

    def incidents(self) -> tuple[Incident, ...]:
        """The gremlins' incidents, as the timeline has them."""
        found = self._live.incidents.now()
        return () if isinstance(found, Down) else found

    async def measure(
        self, crowd: Crowd, counts: OrderCounts | None, not_calm: tuple[str, ...]
    ) -> Measurements:
        """What the act's summary is made from."""
        return Measurements(
            incidents=self.incidents(),
            counts=counts,
            lost=await self._lost(crowd),
            charged_twice=await self._charged_twice(),
            not_calm=not_calm,
            figures=crowd.figures,
        )

    async def _charged_twice(self) -> int | None:
        """Orders and payments that paid twice, by the gateway's and the acquirer's own records;
        None if it cannot be judged."""
        report = self._proof.trusted()
        if isinstance(report, Untrusted) or self._since is None:
            return None
        judged = [each for each in report.findings if each.invariant.id == NOBODY_PAYS_TWICE.id]
        if not judged or judged[0].state == "unknown":
            return None
        try:
            return judged[0].total + await count_paid_twice(self._database, self._since)
        except _AWAY:
            return None

    async def _lost(self, crowd: Crowd) -> int | None:
        """Those whose answers the database contradicts; None if it cannot be read."""
        try:
            return (
                await count_lost(self._database, crowd.traffic.intents)
                + await count_lost_payments(self._database, crowd.payers.answered)
                + await count_lost_spending(self._database, crowd.spenders.answered)
            )
        except _AWAY:
            return None

    def _lights(self) -> dict[str, LightColour]:
        traffic = {each.key: self._live.source.traffic(each.key) for each in LIT}
        return {
            key: _COLOURS[light_state(each)]
            for key, each in traffic.items()
            if not isinstance(each, Down)
        }

    def _services(self) -> dict[str, Health]:
        health = self._live.health.now()
        if isinstance(health, Down):
            return {}
        found: dict[str, Health] = {}
        for each in health:
            well = all(is_well for _, is_well, _ in each.dependencies)
            found[each.service] = "down" if each.problem else "healthy" if well else "degraded"
        return found

    def _events(self) -> dict[str, int]:
        found = self._live.progress.now()
        if isinstance(found, Down):
            return {}
        behind = max((each.behind for each in found.consumers), default=0)
        return {"unpublished": found.unpublished, "behind": behind, "parked": found.parked}

    def _bites(self) -> int:
        """Since the act began; a service that was restarted counts from nothing again."""
        new = 0
        for key in NAMES:
            for name, now in self._live.source.bites(key).items():
                before = self._bites_before.get(key, {}).get(name, 0)
                new += now - before if now >= before else now
        return new

    async def _counts(self) -> OrderCounts | None:
        if self._since is None:
            return None
        try:
            return await read_counts(self._database, self._since)
        except _AWAY:
            return None
