"""The act's own payers: they pay a merchant, and ask again after a lost answer; all are counted."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from chassis.http.operator_auth import operator_headers
from chassis.http.outbound import Peer
from chassis.outcome import CallResult, Outcome
from scenarios.arrivals import Arrivals, Visit
from scenarios.model import Pay
from scenarios.settings import ScenarioSettings
from services.payment.client import MerchantClient
from topology import NAMES

# After an unclear answer the same request is sent again, so it stays one payment.
_ATTEMPTS = 3
_PAUSE_S = 0.3
# A merchant's accounts are asked for thirty seconds at the longest; a second for the network.
_DEADLINE_S = 31.0
# What was answered is compared with the database at the end; past this many, the rest is not.
_REMEMBERED = 20_000
PAYER_RESPONSES = ("paid", "accepted", "declined", "refused", "turned_away", "unclear")


class AnsweredPayer(Struct, frozen=True):
    """A payer's request, and what it was told last."""

    merchant_id: str
    request_id: str
    response: str


class PayerTraffic:
    """The payers of one act. `responses` counts what they were told."""

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._sleep = settings, sleep
        self._arrivals = Arrivals(sleep)
        self.responses: dict[str, int] = dict.fromkeys(PAYER_RESPONSES, 0)
        self.answered: list[AnsweredPayer] = []

    async def start(self, pay: Pay) -> None:
        """With `count`, return once each has an answer; with `rate`, keep them coming in the
        background, in place of the payers before."""
        await self._arrivals.start(pay, self._visits(pay))

    async def stop(self) -> None:
        """No further payers; those who wait are cut off."""
        await self._arrivals.stop()

    @contextlib.asynccontextmanager
    async def _visits(self, pay: Pay) -> AsyncIterator[Visit]:
        url = self._settings.urls["payment"]
        # A shop with an operator takes payments from its own services and from its operator.
        headers = operator_headers(self._settings)
        peer = Peer(NAMES["payment"], url, self._settings, connections=pay.clients, headers=headers)
        try:
            client = MerchantClient(peer)
            yield lambda: self._visit(client, pay)
        finally:
            await peer.close()

    async def _visit(self, client: MerchantClient, pay: Pay) -> None:
        request_id, response = f"act-{secrets.token_hex(16)}", "unclear"
        for asked in range(_ATTEMPTS):
            if asked:
                await self._sleep(_PAUSE_S)
            answer = await client.pay(
                pay.merchant,
                request_id,
                pay.amount,
                pay.currency,
                pay.metadata,
                deadline_s=_DEADLINE_S,
            )
            response = _response_of(answer)
            if response not in ("unclear", "turned_away"):
                break
        self.responses[response] += 1
        if len(self.answered) < _REMEMBERED:
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
