"""The act's own customers: they order, and try again after a lost response; all are counted."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from chassis.http.outbound import Peer
from chassis.outcome import CallResult, Outcome
from proof.clients.intent import Intent, LoggedReply, logged_reply
from scenarios.arrivals import Arrivals, Visit
from scenarios.model import Load
from scenarios.settings import ScenarioSettings
from services.order.client import OrderClient

# After an unclear response the same key is sent again, so it stays one order.
_ATTEMPTS = 3
_PAUSE_S = 0.3
# What was promised is compared with the database at the end; past this many, the rest is not.
_REMEMBERED = 20_000
RESPONSES = ("confirmed", "accepted", "declined", "sold_out", "turned_away", "unclear")
_REFUSALS = frozenset({"declined", "sold_out", "turned_away"})


class CustomerTraffic:
    """The customers of one act. Each load has connections of its own: the dashboard keeps its.
    `responses` counts what they were told."""

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._sleep = settings, sleep
        self._arrivals = Arrivals(sleep)
        self.responses: dict[str, int] = dict.fromkeys(RESPONSES, 0)
        # What each customer wanted and was answered, for the proof to compare.
        self.intents: list[Intent] = []

    async def start(self, load: Load) -> None:
        """With `count`, return once each has been served; with `rate`, keep them coming in the
        background, in place of the load before."""
        await self._arrivals.start(load, self._visits(load))

    async def place_uncounted(self, load: Load) -> None:
        """One order in preparation of the act, which is not counted as a customer's."""
        async with self._client(load) as orders:
            await orders.place(load.product, load.quantity)

    async def stop(self) -> None:
        """No further customers; those who wait are cut off."""
        await self._arrivals.stop()

    @contextlib.asynccontextmanager
    async def _visits(self, load: Load) -> AsyncIterator[Visit]:
        async with self._client(load) as orders:
            yield lambda: self._visit(orders, load)

    @contextlib.asynccontextmanager
    async def _client(self, load: Load) -> AsyncIterator[OrderClient]:
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
            response = await self._order(orders, load)
            self.responses[response] += 1
            if response not in _REFUSALS:
                return

    async def _order(self, orders: OrderClient, load: Load) -> str:
        intent = Intent(f"act-{secrets.token_hex(16)}", load.product, load.quantity)
        if len(self.intents) < _REMEMBERED:
            self.intents.append(intent)
        # An order answers within its budget even when two peers hang; a second for the network.
        deadline_s = self._settings.request_budget_s + 1.0
        response = "unclear"
        for asked in range(_ATTEMPTS):
            if asked:
                await self._sleep(_PAUSE_S)
            try:
                answer = await orders.place(
                    load.product, load.quantity, key=intent.key, deadline_s=deadline_s
                )
            except asyncio.CancelledError:
                # Cut off while it waited: the order may be there, and nobody was told anything.
                intent.replies.append(LoggedReply(0, "cut-off"))
                raise
            intent.replies.append(_logged(answer))
            response = _response_of(answer)
            if response not in ("unclear", "turned_away"):
                break
        return response


def _logged(answer: CallResult) -> LoggedReply:
    """The answer as the proof compares it; one that never came has the status 0."""
    if not answer.status:
        executed = answer.outcome is not Outcome.NOT_SENT
        return LoggedReply(0, answer.code, executed=executed)
    headers = {"X-Valerix-Executed": "no"} if answer.outcome is Outcome.NOT_SENT else {}
    return logged_reply(answer.status, headers, answer.body, brief=True)


def _response_of(answer: CallResult) -> str:
    if answer.outcome is Outcome.OK:
        return "confirmed" if answer.status == 201 else "accepted"
    if answer.outcome is Outcome.DEFINITE_NO:
        known = {"out-of-stock": "sold_out", "payment-declined": "declined"}
        return known.get(answer.code, "turned_away")
    return "turned_away" if answer.outcome is Outcome.NOT_SENT else "unclear"
