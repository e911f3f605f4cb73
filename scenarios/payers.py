"""The act's own payers: they pay a merchant, and ask again after a lost answer; all are counted."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from msgspec import Struct

from chassis.http.outbound import Peer
from chassis.outcome import CallResult, Outcome
from scenarios.model import Pay
from scenarios.settings import ScenarioSettings
from scenarios.visitors import Visitors
from services.payment.client import MerchantClient

# A merchant's accounts are asked for thirty seconds at the longest; a second for the network.
_DEADLINE_S = 31.0


class AnsweredPayer(Struct, frozen=True):
    """A payer's request, and what it was told last."""

    merchant_id: str
    request_id: str
    response: str


class PayerTraffic(Visitors[Pay]):
    """The payers of one act."""

    key = "payment"
    labels = ("paid", "accepted", "declined", "refused", "turned_away", "unclear")

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(settings, sleep=sleep)
        self.answered: list[AnsweredPayer] = []

    async def visit(self, peer: Peer, pay: Pay) -> None:
        """One payment."""
        client, request_id = MerchantClient(peer), f"act-{secrets.token_hex(16)}"
        response = await self.ask(
            lambda: client.pay(
                pay.merchant,
                request_id,
                pay.amount,
                pay.currency,
                pay.metadata,
                deadline_s=_DEADLINE_S,
            ),
            _response_of,
        )
        self.responses[response] += 1
        if len(self.answered) < self.remembered:
            self.answered.append(AnsweredPayer(pay.merchant, request_id, response))


def _response_of(answer: CallResult) -> str:
    match answer.outcome:
        case Outcome.OK:
            return "paid" if answer.status == 200 else "accepted"
        case Outcome.DEFINITE_NO:
            return "declined" if answer.status == 402 else "refused"
        case Outcome.NOT_SENT:
            return "turned_away"
    return "unclear"
