"""Wallets as a payment method: the wallet service holds the money, takes it, or gives it back.

An attempt is one hold, under the attempt's key. The wallet service remembers what it answered to
each key, and a void of a key that it has never seen, so a request that comes late holds nothing."""

from typing import cast

from chassis.http.outbound import decode
from chassis.outcome import CallResult, Outcome
from gateways import (
    AttemptRef,
    Authorised,
    Capabilities,
    Capture,
    Captured,
    CapturePlace,
    CardRefused,
    Declined,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    PlainCard,
    Refunded,
    Taken,
    Voided,
)
from services.payment.domain import WALLET
from services.wallet import contract
from services.wallet.client import WalletClient
from services.wallet.contract import HoldProblem, HoldView, PlaceHold


class Wallets:
    """Every wallet, as one account; the attempt's method is the user whose wallet pays."""

    name = WALLET
    can = Capabilities(fences=True, looks_up_by_key=True, two_phase=True)

    def __init__(self, client: WalletClient) -> None:
        self._client = client

    async def exchange(self, account: str, card: PlainCard) -> str:
        """It takes no card."""
        del account, card
        raise CardRefused("card_not_supported")

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """It knows an attempt by our own key."""
        del capture
        return target.gw_key

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Hold the money, or take it at once; the first request under a key decides for all."""
        asked = PlaceHold(
            user_id=target.method or "",
            amount=target.amount_minor,
            # Another one is refused there.
            currency=cast("contract.Currency", target.currency),
            reference=target.payment_ref,
            capture=capture,
        )
        result = await self._client.place_hold(target.gw_key, asked)
        if result.status == 400 and result.outcome is Outcome.DEFINITE_NO:
            return Declined("invalid_request")
        found = _found(result, target)
        if isinstance(found, NotFound):
            raise GatewayUnknown("the wallet service has forgotten a hold that it was asked for")
        return found

    async def capture(self, target: AttemptRef) -> Taken | NotFound:
        """Take what is held."""
        return _found(await self._client.capture_hold(target.gw_key), target)

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """What the key has become."""
        return _found(await self._client.hold(target.gw_key), target)

    async def void(self, target: AttemptRef) -> Taken:
        """Give back what is held; a key that is not known yet will hold nothing."""
        found = _found(await self._client.void_hold(target.gw_key), target)
        return Voided() if isinstance(found, NotFound) else found

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Give back what was taken."""
        return _found(await self._client.refund_hold(target.gw_key), target)

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """Nothing: a key that was voided is never captured."""
        del after, limit
        return []

    async def close(self) -> None:
        """Close the connections."""
        await self._client.peer.close()


def _found(result: CallResult, target: AttemptRef) -> Taken | NotFound:
    """What an answer says of the attempt. Raises where it says nothing that can be relied on."""
    if result.outcome is Outcome.NOT_SENT:
        raise GatewayNotSent(result.code)
    if result.outcome is Outcome.OK:
        hold = cast("HoldView | None", decode(result, HoldView))
    elif result.outcome is Outcome.DEFINITE_NO:
        if result.code == contract.HOLD_NOT_FOUND:
            return NotFound()
        problem: HoldProblem | None = decode(result, HoldProblem)
        hold = None if problem is None else problem.details
    else:
        raise GatewayUnknown(result.code)
    if hold is None or hold.hold_key != target.gw_key:
        raise GatewayUnknown(f"an answer that breaks the contract: {result.status} {result.code}")
    return _outcome(hold, target)


def _outcome(hold: HoldView, target: AttemptRef) -> Taken:
    if hold.state == "REFUSED":
        # As other providers spell their codes.
        return Declined((hold.reason or "refused").replace("-", "_"))
    if hold.state == "VOIDED":
        return Voided()
    if hold.amount_minor is None or hold.currency is None or hold.reference != target.payment_ref:
        raise GatewayUnknown("a hold of another payment")
    if hold.state == "HELD":
        return Authorised(hold.amount_minor, hold.currency)
    if hold.state == "POSTED":
        return Captured(hold.amount_minor, hold.currency)
    return Refunded(hold.amount_minor, hold.currency)
