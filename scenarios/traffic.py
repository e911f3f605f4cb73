"""The act's own customers: they order, and try again after a lost response; all are counted."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from proof.clients.intent import Intent, LoggedReply, logged_reply
from scenarios.model import Load
from scenarios.settings import ScenarioSettings
from scenarios.visitors import Visitors
from services.order.client import OrderClient
from services.order.contract import OrderView

# An order that was accepted settles within seconds once its fault is over.
_LOOKS = 60
_REFUSALS = frozenset({"declined", "sold_out", "turned_away"})


class CustomerTraffic(Visitors[Load]):
    """The customers of one act."""

    key = "order"
    labels = ("confirmed", "accepted", "declined", "sold_out", "turned_away", "unclear")

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(settings, sleep=sleep)
        # What each customer wanted and was answered, for the proof to compare.
        self.intents: list[Intent] = []

    async def place_uncounted(self, load: Load) -> None:
        """One order in preparation of the act, which is not counted as a customer's."""
        async with self.peer(load) as peer:
            await OrderClient(peer).place(load.product, load.quantity)

    async def visit(self, peer: Peer, load: Load) -> None:
        """One order, and others after it while it is refused and there are tries left. Whose order
        was accepted and comes to nothing has given its goods back, and tries again as well."""
        orders = OrderClient(peer)
        for tried in range(load.tries):
            if tried:
                await self.pause(tried)
            response, answer = await self._order(orders, load)
            self.responses[response] += 1
            may_try = tried + 1 < load.tries
            if response == "accepted" and may_try and await self._fails(orders, answer):
                continue
            if response not in _REFUSALS:
                return

    async def _fails(self, orders: OrderClient, answer: CallResult) -> bool:
        """Whether an order that was accepted is known to have failed in the end."""
        order: OrderView | None = decode(answer, OrderView)
        for asked in range(_LOOKS):
            if order is None or order.settled_at is not None:
                break
            await self.pause(asked + 1)
            found = await orders.show(order.order_id)
            order = decode(found, OrderView) if found.outcome is Outcome.OK else order
        return order is not None and order.status == "FAILED"

    async def _order(self, orders: OrderClient, load: Load) -> tuple[str, CallResult]:
        """What came of it, in a word and as it was answered."""
        intent = Intent(f"act-{secrets.token_hex(16)}", load.product, load.quantity)
        if len(self.intents) < self.remembered:
            self.intents.append(intent)
        # An order answers within its budget even when two peers hang; a second for the network.
        deadline_s = self._settings.request_budget_s + 1.0

        answer: CallResult

        async def place() -> CallResult:
            nonlocal answer
            try:
                answer = await orders.place(
                    load.product, load.quantity, key=intent.key, deadline_s=deadline_s
                )
            except asyncio.CancelledError:
                # Cut off while it waited: the order may be there, and nobody was told anything.
                intent.replies.append(LoggedReply(0, "cut-off"))
                raise
            intent.replies.append(_logged(answer))
            return answer

        response = await self.ask(place, _response_of)
        return response, answer


class GatewayTraffic(CustomerTraffic):
    """Customers who come in by the gateway, at `entrance`, and show what `shown` has; `refused` is
    called when that is good no more."""

    key = "gateway"

    def __init__(
        self,
        settings: ScenarioSettings,
        entrance: str,
        shown: dict[str, str],
        refused: Callable[[], None],
    ) -> None:
        super().__init__(settings)
        self._entrance, self._shown, self._refused = entrance, shown, refused

    def address(self) -> str:
        """The gateway's door, not its agent."""
        return self._entrance

    def headers(self) -> dict[str, str]:
        """The token, which is another one before it ends."""
        return self._shown

    async def _order(self, orders: OrderClient, load: Load) -> tuple[str, CallResult]:
        response, answer = await super()._order(orders, load)
        if answer.status == 401:
            self._refused()
        return response, answer


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
