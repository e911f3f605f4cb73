"""Steady traffic: customers, payers and wallets, so many a second until it is switched off."""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from chassis.http.outbound import Peer
from scenarios.arrivals import Arrivals, Visit
from scenarios.model import Load, Pay, Spend
from scenarios.payers import PayerTraffic
from scenarios.settings import ScenarioSettings
from scenarios.spenders import SpenderTraffic
from scenarios.supplies import Supplies
from scenarios.traffic import CustomerTraffic, GatewayTraffic

Weight = Annotated[int, Meta(ge=0, le=100)]
# More than wait at once in a shop whose answers take five seconds, at the highest usual rate.
_AT_ONCE = 100
_SUPPLY_EVERY_S = 10.0
_MERCHANT = "m1"
# A wallet of its own, so that nobody wonders who spends theirs.
WALLET = "steady"
_SPENDS_MINOR = 100
_PAYS_MINOR = (100, 20_000)


class TrafficMix(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of those who come do what, as weights: they order by card, pay a merchant, or pay a
    provider from a wallet."""

    orders: Weight = 6
    payments: Weight = 3
    wallets: Weight = 1

    @property
    def is_empty(self) -> bool:
        """Whether nobody would come."""
        return not any(asdict(self).values())


class TrafficOrder(Struct, frozen=True):
    """What was switched on, and by whom: `rate` is visits a second."""

    rate: float
    mix: TrafficMix
    since: datetime
    until: datetime
    actor: str


class AlreadyOn(Exception):
    """Traffic is on, and there is one switch."""


class SteadyTraffic:
    """One switch. While `resting()` nobody comes: an act counts its own customers. `changed` is
    called when it is over; `note` says what could not be supplied, and why. Who orders comes in at
    `entrance`, the gateway's, with a token; without one, at the order service's own port."""

    def __init__(
        self,
        settings: ScenarioSettings,
        peers: Mapping[str, Peer],
        *,
        entrance: str = "",
        resting: Callable[[], bool] = lambda: False,
        over: Callable[[TrafficOrder], Awaitable[None]],
    ) -> None:
        self._settings, self._resting, self._over = settings, resting, over
        self._entrance = entrance
        self._supplies = Supplies(
            settings, peers, wallet=WALLET, spends_minor=_SPENDS_MINOR, needs_token=bool(entrance)
        )
        self._task: asyncio.Task[None] | None = None
        self.order: TrafficOrder | None = None
        self._count_anew()

    def _count_anew(self) -> None:
        self._customers = (
            GatewayTraffic(
                self._settings, self._entrance, self._supplies.shown, self._supplies.renew_token
            )
            if self._entrance
            else CustomerTraffic(self._settings)
        )
        self._payers = PayerTraffic(self._settings)
        self._spenders = SpenderTraffic(self._settings)
        self._spenders.attempts = self._customers.attempts
        for each in (self._customers, self._payers, self._spenders):
            each.remembered = 0

    @property
    def is_resting(self) -> bool:
        """Whether it is on and nobody comes for the moment."""
        return self.order is not None and self._resting()

    @property
    def note(self) -> str:
        """What is in short supply; empty while nothing is."""
        return self._supplies.note if self.order is not None else ""

    @property
    def responses(self) -> dict[str, dict[str, int]]:
        """How often each answer came since it was last turned on, by what was asked."""
        return {
            "orders": dict(self._customers.responses),
            "payments": dict(self._payers.responses),
            "wallets": dict(self._spenders.responses),
        }

    def start(self, rate: float, mix: TrafficMix, length: timedelta, actor: str) -> TrafficOrder:
        """Let them come from now on; raises `AlreadyOn`."""
        if self.order is not None:
            raise AlreadyOn
        now = datetime.now(UTC)
        order = self.order = TrafficOrder(rate, mix, now, now + length, actor)
        self._count_anew()
        # Not in the context of who asked: each visit begins a trace of its own.
        self._task = asyncio.create_task(
            self._run(order), name="steady traffic", context=contextvars.Context()
        )
        return order

    async def stop(self) -> TrafficOrder | None:
        """Nobody comes any more, and who waits is cut off; what was on, or None."""
        order, task = self.order, self._task
        self.order, self._task = None, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        return order

    async def close(self) -> None:
        """It ends with the process."""
        await self.stop()

    async def _run(self, order: TrafficOrder) -> None:
        arrivals, length_s = Arrivals(asyncio.sleep), (order.until - order.since).total_seconds()
        coming = Load(product="", rate=order.rate, for_=f"{length_s / 60:.3f}min", clients=_AT_ONCE)
        try:
            async with asyncio.timeout(length_s):
                await self._supplies.top_up(order.rate)
                await arrivals.start(coming, self._visits(order))
                while True:
                    await asyncio.sleep(_SUPPLY_EVERY_S)
                    if not self._resting():
                        await self._supplies.top_up(order.rate)
        except TimeoutError:
            self.order, self._task = None, None
            await self._over(order)
        finally:
            await arrivals.stop()

    @contextlib.asynccontextmanager
    async def _visits(self, order: TrafficOrder) -> AsyncIterator[Visit]:
        spend = Spend(user=WALLET, amount=_SPENDS_MINOR, clients=_AT_ONCE)
        load = Load(product="", clients=_AT_ONCE)
        pay = Pay(merchant=_MERCHANT, amount=1, clients=_AT_ONCE)
        weights = asdict(order.mix)
        async with (
            self._customers.peer(load) as shop,
            self._payers.peer(pay) as counter,
            self._spenders.peer(spend) as purse,
        ):

            async def visit() -> None:
                (what,) = random.choices(list(weights), list(weights.values()))  # noqa: S311
                if self._resting():
                    return
                if what == "orders":
                    product = random.choice(self._supplies.products)  # noqa: S311
                    await self._customers.visit(shop, replace(load, product=product))
                elif what == "payments":
                    amount = random.randint(*_PAYS_MINOR)  # noqa: S311
                    await self._payers.visit(counter, replace(pay, amount=amount))
                else:
                    await self._spenders.visit(purse, spend)

            yield visit
