"""The whole shop in one process: orders, payments and wallets twice, inventory and the acquirer,
one real database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from chassis.http.asgi import App
from chassis.http.edge import Edge
from chassis.settings import Settings
from fleet.settings import load
from gateways.stripe_api import StripeAccount
from providers.acquirer import app as acquirer
from services.inventory import app as inventory
from services.order import app as order
from services.payment import app as payment
from services.payment.connectors.flaky import Flaky
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.wallet import app as wallet
from tests.chaos.faults import Dice
from tests.chaos.hop import Hop, Transport, payments_over
from tests.chaos.wire import Wire, WirePeer
from tests.harness.customers import Door
from tests.harness.serving import known, serve_rpc

ACCOUNTS = ("alfa", "bravo", "charlie")
GATEWAY_FAULTS = {
    "not_sent": 0.05,
    "lost_request": 0.08,
    "lost_response": 0.06,
    "error_before": 0.04,
    "error_after": 0.04,
    "garbage": 0.03,
    "late": 0.15,
}


# What the sum in `slowness` takes on an idle core of a laptop.
_NOMINAL_S = 0.03


def slowness() -> float:
    """How much slower this machine is at the moment than an idle laptop, between 1 and 5."""
    started = time.perf_counter()
    sum(range(1_500_000))
    return min(5.0, max(1.0, (time.perf_counter() - started) / _NOMINAL_S))


def settings(service: str, database_url: str, *, seed: int, fences: bool, slow: float) -> Settings:
    """The shop's own settings with time pressed together, about thirty to one.

    On a `slow` machine less so: a storm in which nothing ever answers in time proves little."""
    values = {
        "database_url": database_url,
        "telemetry": "off",
        "pool_size": 6,
        "pool_wait_s": slow,
        "peer_deadline_s": 0.4 * slow,
        "request_budget_s": 0.9 * slow,
        "gremlin_poll_s": 60.0,
        # From hopeless to comfortable, so that some seeds mostly undo and some mostly finish.
        "order_deadline_s": (0.5, 1.2, 3.0)[seed % 3] * slow,
        "order_lease_s": slow,
        "reconcile_poll_s": 0.06,
        "reconcile_backoff_s": 0.05,
        "reconcile_backoff_max_s": 0.3,
        "payment_seed": seed + 1,
        "payment_gateway_fences": fences,
        "payment_gateway_timeout_s": 0.25 * slow,
        "payment_late_capture_s": 0.7 * slow,
        "payment_probe_base_s": 0.06,
        "payment_probe_max_s": 0.3,
        "payment_webhook_poll_s": 0.06,
        "acquirer_webhook_timeout_s": slow,
        "acquirer_webhook_poll_s": 0.06,
        "acquirer_webhook_base_s": 0.05,
        "acquirer_webhook_max_s": 0.3,
    }
    return load(service, {}, **known(service, values))


class Shop:
    """The running shop: its doors for customers, and the one switch that ends every fault."""

    def __init__(
        self,
        database_url: str,
        dice: Dice,
        *,
        seed: int,
        fences: bool,
        served_at: str = "",
        transport: Transport = "http",
    ) -> None:
        """`served_at` is where the services find the database, if not where the proof does;
        `transport` is how orders ask for payments."""
        self._transport = transport
        self._dice = dice
        self._seed = seed
        self._fences = fences
        self._url, self._served_at = database_url, served_at or database_url
        self._slow = slowness()
        self._gateways: list[Flaky] = []
        self.wires: list[Wire] = []
        # For customers, and for merchants.
        self.doors: list[Door] = []
        self.tills: list[Door] = []

    @property
    def proof_settings(self) -> Settings:
        """As whoever proves the shop has them."""
        return self._settings("dashboard", self._url)

    @property
    def budget_ms(self) -> int:
        """How long a merchant's payment may take before it is accepted and finished later."""
        return int(600 * self._slow)

    def _settings(self, service: str, url: str = "") -> Settings:
        url = url or self._served_at
        return settings(service, url, seed=self._seed, fences=self._fences, slow=self._slow)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Shop"]:
        """Every service up, its background work running."""
        stock: App = inventory.create_app(self._settings("inventory"))
        outside: App = acquirer.create_app(self._settings("acquirer"))
        which, purse = self._dice.stream("replica"), self._dice.stream("purse")
        async with AsyncExitStack() as stack:
            at = msgspec.structs.replace(self._settings("acquirer"), port=0)
            hooks = Hop(self._wire("acquirer-payment", lambda: which.choice(tills)))
            hooks_url = await stack.enter_async_context(hooks.served(at))
            accounts = Hop(self._wire("payment-acquirer", lambda: outside))
            accounts_url = await stack.enter_async_context(accounts.served(at))
            purses: list[App] = [wallet.create_app(self._settings("wallet")) for _ in (1, 2)]
            tills: list[Edge] = [
                self._till(n, accounts_url, hooks_url, lambda: purse.choice(purses)) for n in (1, 2)
            ]
            fronts = []
            for n in (1, 2):
                front, hop, port = self._front(n, stock, lambda: which.choice(tills))
                if port:
                    await stack.enter_async_context(serve_rpc(tills[0], hop, port))
                fronts.append(front)
            for app in [outside, stock, *purses, *tills, *fronts]:
                await stack.enter_async_context(alive(app))
            # At one door they wait for as long as the shop itself takes, at the other not.
            for n, wait_s in enumerate((1.0, 0.5)):
                self.doors.append(self._door(f"customer-door{wait_s}", fronts[n], wait_s))
                self.tills.append(self._door(f"merchant-door{wait_s}", tills[n], 2 * wait_s))
            yield self
            # Late effects still land in a shop that is open, as they would.
            while tasks := [task for wire in self.wires for task in wire.under_way]:
                await asyncio.wait(tasks)

    def _door(self, hop: str, app: App, wait_s: float) -> Door:
        return Door(self._wire(hop, lambda: app), "http://shop", wait_s * self._slow)

    def _till(self, n: int, accounts_url: str, hooks_url: str, purse: Callable[[], App]) -> Edge:
        mine = msgspec.structs.replace(self._settings("payment"), payment_webhook_url=hooks_url)
        mock = Mock(MockStore(mine), decline_rate=0.15, seed=self._seed + 1, fences=self._fences)
        flaky = Flaky(
            mock,
            shares=dict(GATEWAY_FAULTS),
            seed=10 * self._seed + n,
            late_s=mine.payment_late_capture_s,
        )
        self._gateways.append(flaky)
        accounts = {name: StripeAccount(name, f"sk_test_{name}", accounts_url) for name in ACCOUNTS}
        purses = WirePeer("wallet-service", mine, self._wire(f"payment{n}-wallet", purse))
        return payment.create_app(mine, connector=flaky, accounts=accounts, wallets=purses)

    def _front(self, n: int, stock: App, till: Callable[[], App]) -> tuple[App, Hop, int]:
        mine = self._settings("order")
        to_stock = self._wire(f"order{n}-inventory", lambda: stock)
        to_till = self._wire(f"order{n}-payment", till)
        payments, port = payments_over(self._transport, to_till, mine)
        stocks = WirePeer("inventory-service", mine, to_stock)
        return order.create_app(mine, inventory=stocks, payments=payments), Hop(to_till), port

    def _wire(self, hop: str, app: Callable[[], App]) -> Wire:
        wire = Wire(hop, app, self._dice)
        self.wires.append(wire)
        return wire

    def heal(self) -> None:
        """End every fault: on the wires, in the processes, at the gateway."""
        self._dice.heal()
        for gateway in self._gateways:
            gateway._shares.clear()  # noqa: SLF001 - the gateway's operator, not its customer

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way any more, neither between services nor to a gateway."""
        late = any(gateway._late_charges for gateway in self._gateways)  # noqa: SLF001 - as above
        return not late and not any(wire.under_way for wire in self.wires)

    @property
    def bugs(self) -> int:
        """Answers in which a service admitted a bug."""
        return sum(wire.bugs for wire in self.wires)


@asynccontextmanager
async def alive(app: App) -> AsyncIterator[None]:
    """The app between its ASGI lifespan's startup and shutdown."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    life: asyncio.Task[None] = asyncio.create_task(
        app(scope, to_app.get, from_app.put)  # type: ignore[arg-type]
    )
    await to_app.put({"type": "lifespan.startup"})
    started = await from_app.get()
    if started["type"] != "lifespan.startup.complete":
        raise RuntimeError(started)
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        await life
