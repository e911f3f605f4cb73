"""The act's own customers: they order, try again after a lost answer, and remember what they were
told."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import msgspec
from chassis.outcome import CallResult, Outcome
from msgspec import UNSET

from chassis.http.outbound import Peer, decode
from scenarios.model import Load, seconds
from scenarios.settings import ScenarioSettings
from services.order.client import OrderClient

# One who got no clear answer asks again with the same key, so it stays one order.
_ASKS = 3
_PAUSE_S = 0.3
# What was promised is compared with the books at the end; past this many, the rest is not.
_REMEMBERED = 20_000
RESPONSES = ("confirmed", "accepted", "declined", "sold_out", "turned_away", "unclear")
_NO = frozenset({"declined", "sold_out", "turned_away"})


class _Order(msgspec.Struct):
    order_id: UUID


class CustomerTraffic:
    """Those of one act. Each load has connections of its own, so it cannot starve the dashboard."""

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._sleep = settings, sleep
        self._visits: asyncio.Task[None] | None = None
        self.told: dict[str, int] = dict.fromkeys(RESPONSES, 0)
        self.confirmed: list[UUID] = []
        self.accepted: list[UUID] = []

    async def come(self, load: Load) -> None:
        """With `count`, return once each has been served; with `rate`, let them come meanwhile,
        in place of those who came until now."""
        if load.count is not UNSET:
            await self._crowd(load, load.count)
        else:
            await self.leave()
            self._visits = asyncio.create_task(self._stream(load), name="customers")

    async def aside(self, load: Load) -> None:
        """One order before the story begins, which it does not tell of."""
        async with self._door(load) as orders:
            await orders.place(load.product, load.quantity)

    async def leave(self) -> None:
        """Nobody else comes, and nobody waits any longer."""
        if self._visits is not None:
            self._visits.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._visits
            self._visits = None

    async def _crowd(self, load: Load, count: int) -> None:
        places = asyncio.Semaphore(load.clients)
        async with self._door(load) as orders, asyncio.TaskGroup() as crowd:
            for _ in range(count):
                await places.acquire()
                visit = crowd.create_task(self._visit(orders, load))
                visit.add_done_callback(lambda _: places.release())

    async def _stream(self, load: Load) -> None:
        clock = asyncio.get_running_loop().time
        rate, last = float(load.rate or 1), seconds(str(load.for_))
        began, number, inside = clock(), 0, 0

        def left(_: asyncio.Task[None]) -> None:
            nonlocal inside
            inside -= 1

        async with self._door(load) as orders, asyncio.TaskGroup() as visits:
            while (due := number / rate) < last:
                await self._sleep(max(0.0, began + due - clock()))
                number += 1
                # Whoever finds every place taken goes elsewhere: the queue stays bounded.
                if inside < load.clients:
                    inside += 1
                    visits.create_task(self._visit(orders, load)).add_done_callback(left)

    @contextlib.asynccontextmanager
    async def _door(self, load: Load) -> AsyncIterator[OrderClient]:
        peer = Peer(
            "order-service", self._settings.urls["order"], self._settings, connections=load.clients
        )
        try:
            yield OrderClient(peer)
        finally:
            await peer.close()

    async def _visit(self, orders: OrderClient, load: Load) -> None:
        for tried in range(load.tries):
            if tried:
                await self._sleep(_PAUSE_S)
            word = await self._order(orders, load)
            self.told[word] += 1
            if word not in _NO:
                return

    async def _order(self, orders: OrderClient, load: Load) -> str:
        key = f"act-{secrets.token_hex(16)}"
        # An order answers within its budget even when two peers hang; a second for the way.
        deadline_s = self._settings.request_budget_s + 1.0
        word = "unclear"
        for asked in range(_ASKS):
            if asked:
                await self._sleep(_PAUSE_S)
            answer = await orders.place(load.product, load.quantity, key=key, deadline_s=deadline_s)
            word = self._note(answer)
            if word not in ("unclear", "turned_away"):
                break
        return word

    def _note(self, answer: CallResult) -> str:
        word = _word(answer)
        known = {"confirmed": self.confirmed, "accepted": self.accepted}.get(word)
        order = decode(answer, _Order) if known is not None else None
        if known is not None and order is not None and len(known) < _REMEMBERED:
            known.append(order.order_id)
        return word


def _word(answer: CallResult) -> str:
    if answer.outcome is Outcome.OK:
        return "confirmed" if answer.status == 201 else "accepted"
    if answer.outcome is Outcome.DEFINITE_NO:
        known = {"out-of-stock": "sold_out", "payment-declined": "declined"}
        return known.get(answer.code, "turned_away")
    return "turned_away" if answer.outcome is Outcome.NOT_SENT else "unclear"
