"""Does to the shop what an act says: gremlins, stock, customers, processes killed or restarted."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import UNSET

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.http.operator_auth import operator_headers
from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from fleet.client import ControlClient, RequestRefused
from scenarios.accounts import Accounts
from scenarios.bearers import TokenBearer
from scenarios.failures import ActionFailed, CannotPlay
from scenarios.loader import Scenario
from scenarios.model import (
    FillWallet,
    Happening,
    Kill,
    LetLoose,
    Load,
    Pay,
    Restart,
    SetAccount,
    Shelf,
    ShowToken,
    Spend,
    seconds,
)
from scenarios.payers import PayerTraffic
from scenarios.settings import ScenarioSettings
from scenarios.spenders import SpenderTraffic, fill_wallet
from scenarios.traffic import CustomerTraffic
from scenarios.twin_process import TwinFigures
from services.inventory.client import InventoryClient
from services.inventory.contract import StockList, StockView
from services.wallet.client import WalletClient
from topology import NAMES

_ACQUIRER = "acquirer"
_CALM_AGAIN_S = 0.5
# Clearing a shelf buys a thousand units at a time, and one card in ten is declined: enough for the
# million units that a load run delivers at most.
_CLEAR_TRIES = 1500
# An order of somebody before the act is decided in some seconds, if it is at all.
_HELD_AGAIN_S, _HELD_LOOKS = 0.1, 150


class Executor:
    """Serves one performance. `peers` are the services by key; they are not closed here. A shop may
    have less than all of them; then what needs the others is refused."""

    def __init__(
        self,
        settings: ScenarioSettings,
        peers: Mapping[str, Peer],
        *,
        actor: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._actor, self._sleep = settings, actor, sleep
        self._gremlins = {key: GremlinClient(peer) for key, peer in peers.items()}
        self._peers = peers
        self._urls = {key: settings.urls[key] for key in peers}
        self._control = ControlClient(Path(settings.control)) if settings.control else None
        self.traffic = CustomerTraffic(settings, sleep=sleep)
        self.payers = PayerTraffic(settings, sleep=sleep)
        self.spenders = SpenderTraffic(settings, sleep=sleep)
        self.bearer = TokenBearer(settings, self._peers)
        self._headers = {"X-Valerix-Actor": actor, **operator_headers(settings)}
        self._accounts = Accounts(peers[_ACQUIRER], self._headers) if _ACQUIRER in peers else None

    @property
    def figures(self) -> TwinFigures | None:
        """What came of the shop and of an unsafe twin beside it; None where there is none."""
        return None

    async def ready(self) -> None:
        """Return once everything that the act needs is there; raises `ActionFailed`."""

    async def close(self) -> None:
        """End what was begun for the act alone."""

    async def prepare(self, scenario: Scenario) -> None:
        """A calm shop that can do what the act wants; raises `CannotPlay` with what is missing."""
        answers = await self._calm_all(tuple(self._gremlins))
        for key, answer in answers.items():
            if answer.status == 401:
                raise CannotPlay(
                    f"{NAMES[key]} wants another operator token: set VALERIX_OPERATOR_TOKEN "
                    "to the one the shop was started with"
                )
            if answer.outcome is not Outcome.OK:
                raise CannotPlay(
                    f"{NAMES[key]} does not answer at {self._urls[key]}: "
                    "start the shop with `valerix up`"
                )
        self._demand_control(scenario)
        await self._demand_products(scenario)
        await self._prepare_accounts(scenario)

    async def calm(self, within_s: float) -> tuple[str, ...]:
        """Call every gremlin off and let every account answer as before, again and again where
        nobody answers; the services and accounts, by name, that had not answered in the time
        allowed."""
        missing, tries = tuple(self._gremlins), math.ceil(within_s / _CALM_AGAIN_S)
        changed: tuple[str, ...] = ()
        for tried in range(tries):
            if tried:
                await self._sleep(_CALM_AGAIN_S)
            answers = await self._calm_all(missing)
            missing = tuple(k for k, answer in answers.items() if answer.outcome is not Outcome.OK)
            # A gremlin of the acquirer's would bite this as well.
            changed = await self._accounts.put_back() if self._accounts else ()
            if not missing and not changed:
                break
        return (*(NAMES[key] for key in missing), *(f"the account {name}" for name in changed))

    async def do(self, happening: Happening) -> None:
        """Do it to the shop; of those who come with a `count`, wait until each was served."""
        match happening:
            case Load():
                await self.traffic.start(happening)
            case Pay():
                await self.payers.start(happening)
            case Spend():
                await self.spenders.start(happening)
            case ShowToken():
                await self.bearer.show(happening)
            case LetLoose():
                await self._let_loose(happening)
            case SetAccount():
                await self._of_acquirer().set_mode(happening.name, str(happening.mode))

    async def _let_loose(self, gremlin: LetLoose) -> None:
        """Named after its kind, as the dashboard's switches name it."""
        command = PutGremlin(
            kind=gremlin.kind,
            probability=gremlin.share / 100,
            routes=["*"] if gremlin.routes is UNSET else gremlin.routes,
            delay_ms=_milliseconds(gremlin.delay),
            jitter_ms=_milliseconds(gremlin.jitter),
            status=503 if gremlin.status is UNSET else gremlin.status,
            ttl_s=math.ceil(seconds(gremlin.ttl)),
        )
        client = self._gremlins[gremlin.service]
        answer = await client.put(gremlin.kind, command, headers=self._headers)
        if answer.outcome is not Outcome.OK:
            raise ActionFailed(
                f"{NAMES[gremlin.service]} did not accept the gremlin: {_why(answer)}"
            )

    async def arrange(self, beginning: Shelf | FillWallet) -> None:
        """What the story begins with; raises `ActionFailed`."""
        if isinstance(beginning, Shelf):
            await self.stock_shelf(beginning)
        else:
            client = WalletClient(self._peers["wallet"], self._settings.wallet_api_key)
            await fill_wallet(client, beginning, self._sleep)

    async def stock_shelf(self, shelf: Shelf) -> None:
        """Put units on the shelf, or sell what is too many as any shop would; and wait until no
        order holds any: what was sold before is recorded as sold a moment later, and would count as
        the act's own."""
        left, wanted = 0, int(shelf.at_least if shelf.exactly is UNSET else shelf.exactly)  # type: ignore[arg-type]
        for _ in range(_CLEAR_TRIES):
            left = (await self._stock())[shelf.product].stock
            if left < wanted:
                await self._deliver(shelf.product, wanted - left)
            elif left > wanted and shelf.exactly is not UNSET:
                too_many = Load(product=shelf.product, quantity=min(left - wanted, 1000), count=1)
                await self.traffic.place_uncounted(too_many)
            elif shelf.exactly is not UNSET and await self._is_held(shelf.product):
                continue  # an order that held some has given them back
            else:
                return
        raise ActionFailed(
            f"{shelf.product} could not be brought to {wanted} units ({left} are left): "
            "play it in a shop of its own, with another VALERIX_HOME"
        )

    async def stop_load(self) -> None:
        """Nobody comes any more."""
        await self.traffic.stop()
        await self.payers.stop()
        await self.spenders.stop()

    async def take_down(self, outage: Kill | Restart) -> None:
        """Kill or restart a process; returns once it is down."""
        if self._control is None:
            raise ActionFailed("no `valerix up` is known here that could restart a process")
        away_s = seconds(outage.away)
        try:
            if isinstance(outage, Kill):
                await self._control.take_down("kill", outage.service, away_s, self._actor)
            else:
                await self._control.take_down("restart", outage.process, away_s, self._actor)
        except RequestRefused as error:
            raise ActionFailed(str(error)) from None

    async def _calm_all(self, keys: tuple[str, ...]) -> dict[str, CallResult]:
        calls = (self._gremlins[key].calm(headers=self._headers) for key in keys)
        return dict(zip(keys, await asyncio.gather(*calls), strict=True))

    def _demand_control(self, scenario: Scenario) -> None:
        for step, place, instruction in scenario.act.actions():
            if isinstance(instruction, Kill | Restart) and not (
                self._control is not None and self._control.is_open
            ):
                raise CannotPlay(
                    f"{scenario.file}:{scenario.line(step, place)}: only a shop that was started "
                    "with `valerix up` on this machine can have a process killed or restarted"
                )

    async def _demand_products(self, scenario: Scenario) -> None:
        known = await self._stock()
        for step, place, instruction in scenario.act.actions():
            if isinstance(instruction, Load | Shelf) and instruction.product not in known:
                raise CannotPlay(
                    f"{scenario.file}:{scenario.line(step, place)}: the shop sells no "
                    f"{instruction.product}; there are: {', '.join(sorted(known))}"
                )

    async def _prepare_accounts(self, scenario: Scenario) -> None:
        """Every account answers well, in an act that is about them."""
        actions = [(at, place, does) for at, place, does in scenario.act.actions()]
        if not any(isinstance(does, Pay | Spend | SetAccount) for _, _, does in actions):
            return
        known = await self._of_acquirer().modes()
        for step, place, instruction in actions:
            if isinstance(instruction, SetAccount) and instruction.name not in known:
                raise CannotPlay(
                    f"{scenario.file}:{scenario.line(step, place)}: {NAMES[_ACQUIRER]} has no "
                    f"account {instruction.name}; there are: {', '.join(sorted(known))}"
                )
        await self._of_acquirer().make_well()

    def _of_acquirer(self) -> Accounts:
        if self._accounts is None:
            raise ActionFailed("this shop has no acquirer")
        return self._accounts

    async def _is_held(self, product: str) -> bool:
        """Wait while orders hold units of it; whether any did."""
        for looked in range(_HELD_LOOKS):
            if not (held := (await self._stock())[product].reserved):
                return looked > 0
            await self._sleep(_HELD_AGAIN_S)
        raise ActionFailed(
            f"{held} units of {product} are held for orders that are not decided: "
            "wait for them, or play it in a shop of its own, with another VALERIX_HOME"
        )

    async def _stock(self) -> dict[str, StockView]:
        answer = await self._inventory().stock()
        found: StockList | None = decode(answer, StockList)
        if answer.outcome is not Outcome.OK or found is None:
            raise ActionFailed(
                f"{NAMES['inventory']} does not say what is in stock: {_why(answer)}"
            )
        return {each.product_id: each for each in found.products}

    def _inventory(self) -> InventoryClient:
        return InventoryClient(self._peers["inventory"])

    async def _deliver(self, product: str, units: int) -> None:
        answer = await self._inventory().restock(product, units, headers=self._headers)
        if answer.outcome is not Outcome.OK:
            raise ActionFailed(f"{NAMES['inventory']} did not accept the delivery: {_why(answer)}")


def _milliseconds(length: object) -> int:
    return 0 if length is UNSET else round(seconds(str(length)) * 1000)


def _why(answer: CallResult) -> str:
    return answer.code or f"it answered {answer.status}"
