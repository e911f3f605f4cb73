"""The same shop for one scripted scene: each fault happens where and when the scene says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal
from uuid import UUID

import aiohttp
import asyncpg
import msgspec

from chassis.http.asgi import App
from chassis.outcome import CallResult
from chassis.settings import Settings
from fleet.settings import load
from gateways import AttemptRef, GatewayUnknown, NotFound, Taken
from proof.evaluate import evaluate
from proof.invariant import Limits
from services.inventory import app as inventory
from services.order import app as order
from services.order.client import OrderClient
from services.payment import app as payment
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.wallet import app as wallet
from tests.chaos.faults import Dice
from tests.chaos.hop import Hop, Transport, payments_over
from tests.chaos.shop import alive
from tests.chaos.wire import Call, Heard, Wire, WirePeer
from tests.harness.serving import known, serve_rpc

KEY = "the-only-order-of-this-scene"
_PATIENCE_S, _A_MOMENT_S = 8.0, 1.0
_POLL_S = 0.02

# held: still on its way when the caller gives up; copied: arrives, and once more when told to;
# answer-held: done at once, heard when told to.
Rule = Literal["held", "copied", "answer-held"]


class ScriptedWire(Wire):
    """A wire that does to each path, or method, what the scene says, and otherwise carries."""

    def __init__(self, hop: str, app: App) -> None:
        super().__init__(hop, lambda: app, Dice(0, fault_share=0, crash_share=0))
        self.rules: dict[str, Rule] = {}
        self.let_go = asyncio.Event()
        self.on_their_way: list[Call] = []

    async def carry(self, call: Call) -> Heard:
        """As the rule for its path, or method, says."""
        match self.rules.get(call.path, self.rules.get(call.method)):
            case "held":
                self.on_their_way.append(call)
                raise aiohttp.ServerDisconnectedError
            case "copied":
                self.on_their_way.append(call)
            case "answer-held":
                heard = await self.deliver(call)
                await self.let_go.wait()
                return heard
        return await super().carry(call)

    async def arrive(self) -> None:
        """Everything that was on its way arrives now."""
        self.rules.clear()
        for call in self.on_their_way:
            await self.deliver(call)


class ScriptedGateway(Mock):
    """A gateway that approves everything. `unheard_once` loses the answer to the first charge,
    after which it is mute to whatever `mute_then` names; `speak` ends that."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(MockStore(settings), decline_rate=0, seed=1, fences=True)
        self.unheard_once = False
        self.mute_then: set[str] = set()
        self._mute: set[str] = set()

    def speak(self) -> None:
        """Answer everything from now on."""
        self._mute.clear()

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Hold or take the money; perhaps nobody hears of it."""
        self._refuse_if_mute("charge")
        result = await super().authorise(target, capture=capture)
        if self.unheard_once:
            self.unheard_once = False
            self._mute |= self.mute_then
            raise GatewayUnknown("the answer was lost")
        return result

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """Say what has become of the key."""
        self._refuse_if_mute("lookup")
        return await super().find_out(target)

    async def void(self, target: AttemptRef) -> Taken:
        """Keep the key from being captured."""
        self._refuse_if_mute("void")
        return await super().void(target)

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Give back what was captured."""
        self._refuse_if_mute("refund")
        return await super().refund(target)

    def _refuse_if_mute(self, what: str) -> None:
        if what in self._mute:
            raise GatewayUnknown("no answer")


class ScriptedShop:
    """One shop, one order, its tables, and the promises it broke."""

    def __init__(
        self,
        database_url: str,
        connection: asyncpg.Connection,
        *,
        guarded: bool = True,
        transport: Transport = "http",
        **timing: float,
    ) -> None:
        self._guarded = guarded
        self._timing: dict[str, Any] = {
            "order_deadline_s": 5.0,
            "order_lease_s": 0.7,
            "peer_deadline_s": 0.4,
            "request_budget_s": 0.6,
            "reconcile_poll_s": 0.03,
            "reconcile_backoff_s": 0.03,
            "reconcile_backoff_max_s": 0.1,
            "payment_gateway_timeout_s": 0.2,
            "payment_stripe_accounts": "",
            "payment_probe_base_s": 0.05,
            "payment_probe_max_s": 0.1,
            **timing,
        }
        self._url = database_url
        self.tables = connection
        self.broken: set[str] = set()
        self.gateway = ScriptedGateway(self._settings("payment"))
        stock = inventory.create_app(self._settings("inventory"))
        purses = wallet.create_app(self._settings("wallet"))
        self.to_stock = ScriptedWire("inventory", stock)
        self.to_wallets = ScriptedWire("wallet", purses)
        till = self._settings("payment")
        payments = payment.create_app(
            till,
            connector=self.gateway,
            wallets=WirePeer("wallet-service", till, self.to_wallets),
        )
        self.to_payment = ScriptedWire("payment", payments)
        mine = self._settings("order")
        to_payments, self._rpc_port = payments_over(transport, self.to_payment, mine)
        front = order.create_app(
            mine,
            inventory=WirePeer("inventory-service", mine, self.to_stock),
            payments=to_payments,
        )
        patient = msgspec.structs.replace(mine, peer_deadline_s=10.0)
        self.door = OrderClient(WirePeer("order-service", patient, ScriptedWire("door", front)))
        self._payments = payments
        self._apps = (stock, purses, payments, front)

    def _settings(self, service: str) -> Settings:
        values = {
            "database_url": self._url,
            "telemetry": "off",
            "pool_size": 6,
            "gremlin_poll_s": 60.0,
            **self._timing,
        }
        return load(service, {}, **known(service, values))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ScriptedShop"]:
        """Every service up, its background work running."""
        async with AsyncExitStack() as stack:
            if self._rpc_port:
                at = serve_rpc(self._payments, Hop(self.to_payment), self._rpc_port)
                await stack.enter_async_context(at)
            for app in self._apps:
                await stack.enter_async_context(alive(app))
            yield self

    async def place(self, quantity: int = 2, *, wallet_id: str | None = None) -> CallResult:
        """The scene's one order."""
        return await self.door.place("PROD-003", quantity, key=KEY, wallet_id=wallet_id)

    async def order_id(self) -> UUID:
        """Its id, as soon as there is one."""
        await self.until("SELECT count(*) = 1 FROM orders.orders")
        found: UUID = await self.tables.fetchval("SELECT id FROM orders.orders")
        return found

    async def run_out_of_time(self, happened: Callable[[], object]) -> None:
        """The order's time is over as soon as `happened`, however long that took."""
        end = time.monotonic() + _PATIENCE_S
        while not happened():
            assert time.monotonic() < end, "what the order's time was to run out in never happened"
            await asyncio.sleep(_POLL_S)
        await self.tables.execute("UPDATE orders.orders SET deadline_at = now()")

    async def until(self, sql: str, patience_s: float = _PATIENCE_S) -> bool:
        """Wait until `sql` says true; false when it does not within `patience_s`."""
        end = time.monotonic() + patience_s
        while not await self.tables.fetchval(sql):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def until_if_unguarded(self, sql: str) -> None:
        """Wait until `sql` says true, which the guard prevents: with it, only a moment."""
        await self.until(sql, _A_MOMENT_S if self._guarded else _PATIENCE_S)

    async def look(self) -> None:
        """Note what is broken at this instant."""
        report = await evaluate(self.tables, Limits.of(self._settings("dashboard")))
        self.broken |= {
            each.invariant.id for each in report.those("violated") if each.invariant.kind == "A"
        }

    async def rest(self) -> None:
        """Wait until everything holds, or something is broken for good, or patience ends."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            report = await evaluate(self.tables, Limits.of(self._settings("dashboard")))
            if report.state == "holds":
                return
            await self.look()
            if self.broken:
                return
            await asyncio.sleep(_POLL_S)
        self.broken |= {each.invariant.id for each in report.findings if each.state != "holds"}
