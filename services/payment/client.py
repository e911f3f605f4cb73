"""How other services ask for money: each response becomes one value to match on."""

import logging
from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from chassis.rpc.outbound import RpcPeer
from chassis.settings import Settings
from services.payment import contract
from services.payment.contract import (
    AskWhatIf,
    CancelPayment,
    ChangedTerms,
    CreatePayment,
    Currency,
    PaymentView,
    PolicyText,
    SetPolicy,
)
from services.payment.process.messages import ExternalRequest
from topology import find
from valerix.payment.v1.payment_service_pb2 import DESCRIPTOR

log = logging.getLogger(__name__)


class Succeeded(msgspec.Struct, frozen=True):
    """The money was captured."""

    payment: PaymentView


class PaymentDeclined(msgspec.Struct, frozen=True):
    """The provider declined, for good."""

    code: str


class PaymentFenced(msgspec.Struct, frozen=True):
    """The payment was cancelled before; this charge had no effect and never will."""


class Processing(msgspec.Struct, frozen=True):
    """The payment service is working on it: ask again with the same order."""


class Cancelled(msgspec.Struct, frozen=True):
    """The cancel is over: nothing was taken, or what was taken has been given back."""

    payment: PaymentView


class PaymentFound(msgspec.Struct, frozen=True):
    """The payment as it stands."""

    payment: PaymentView


class Absent(msgspec.Struct, frozen=True):
    """The payment service does not know this payment."""


class Unknown(msgspec.Struct, frozen=True):
    """It may or may not have happened: ask again with the same order, conclude nothing."""

    why: str


class NotSent(msgspec.Struct, frozen=True):
    """It certainly did not happen: try again later."""

    why: str


class ContractBreach(msgspec.Struct, frozen=True):
    """The request was refused as malformed: our bug, repeating it cannot help."""

    status: int
    code: str


ChargeResult = (
    Succeeded | PaymentDeclined | PaymentFenced | Processing | Unknown | NotSent | ContractBreach
)
CancelResult = Cancelled | Processing | Unknown | NotSent | ContractBreach
GetResult = PaymentFound | Absent | Unknown | NotSent | ContractBreach


class _DeclineProblem(msgspec.Struct, frozen=True):
    code: str
    details: contract.DeclineDetails


def _owner(owner: str) -> str | UnsetType:
    """Left out where it is nobody: what orders asked before they had owners means the same."""
    return UNSET if owner == "anonymous" else owner


def charge_key(order_id: UUID) -> str:
    """The Idempotency-Key of an order's charge: the order itself, so that any replica that
    drives the order asks with the same one (rule R2)."""
    return f"charge-{order_id}"


def payment_over_grpc(
    base_url: str, rpc_url: str, settings: Settings, *, connections: int
) -> RpcPeer:
    """The payment service as a peer whose proto is spoken; what is not in it goes to `base_url`."""
    return RpcPeer(
        find("payment").name,
        base_url,
        settings,
        service=DESCRIPTOR.services_by_name["PaymentService"],
        rpc_url=rpc_url,
        connections=connections,
    )


class PaymentClient:
    """The payment service as its callers see it. Nothing here raises for a failure of the wire."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def charge(
        self,
        payment_id: UUID,
        order_id: UUID,
        amount_minor: int,
        currency: Currency,
        *,
        deadline_s: float,
        wallet_id: str | None = None,
        owner: str = "anonymous",
    ) -> ChargeResult:
        """Take `amount_minor` for the order of this owner, once, however often this is called; from
        this user's wallet, if one is named."""
        result = await self._peer.call(
            "POST",
            "/payments",
            CreatePayment(
                order_id,
                amount_minor,
                currency,
                payment_id,
                UNSET if wallet_id is None else wallet_id,
                _owner(owner),
            ),
            route="/payments",
            deadline_s=deadline_s,
            headers={"Idempotency-Key": charge_key(order_id)},
        )
        if result.outcome is Outcome.OK:
            return _charged(result, payment_id, amount_minor, currency)
        if result.status == 402 and result.outcome is Outcome.DEFINITE_NO:
            return _declined(result, payment_id)
        if result.status == 409 and result.code == contract.FENCED:
            return PaymentFenced()
        return _otherwise(result)

    async def cancel(
        self,
        payment_id: UUID,
        order_id: UUID,
        reason: str,
        *,
        deadline_s: float,
        owner: str = "anonymous",
    ) -> CancelResult:
        """Void or refund whatever there is, and leave a tombstone where there is nothing yet."""
        result = await self._peer.call(
            "POST",
            f"/payments/{payment_id}/cancel",
            CancelPayment(reason, order_id, _owner(owner)),
            route="/payments/{payment_id}/cancel",
            deadline_s=deadline_s,
        )
        if result.outcome is not Outcome.OK:
            return _otherwise(result)
        # What the order pays with is what had to end, also where that is another payment.
        payment = _payment(result, payment_id, order_id)
        if payment is None:
            return Unknown("contract")
        if result.status == 200 and contract.cancel_is_acknowledged(payment.state):
            return Cancelled(payment)
        return Processing()

    async def get(self, payment_id: UUID, *, deadline_s: float) -> GetResult:
        """The payment as it stands; changes nothing."""
        result = await self._peer.call(
            "GET",
            f"/payments/{payment_id}",
            route="/payments/{payment_id}",
            deadline_s=deadline_s,
        )
        if result.outcome is Outcome.OK:
            payment = _payment(result, payment_id)
            return Unknown("contract") if payment is None else PaymentFound(payment)
        if result.status == 404 and result.code == contract.NOT_FOUND:
            return Absent()
        breach = _otherwise(result)
        return Unknown("in-progress") if isinstance(breach, Processing) else breach


class MerchantClient:
    """The payment service as a merchant sees it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def pay(
        self,
        merchant_id: str,
        request_id: str,
        amount_minor: int,
        currency: Currency,
        metadata: dict[str, str | int | float | bool],
        *,
        deadline_s: float,
    ) -> CallResult:
        """POST /process-payment with the merchant's own method. The same `request_id` may be sent
        again: it is paid once."""
        path = "/process-payment"
        asked = ExternalRequest(request_id, merchant_id, amount_minor, currency, metadata=metadata)
        return await self._peer.call("POST", path, asked, route=path, deadline_s=deadline_s)


# Up to five hundred decisions, between the payments that come meanwhile.
_WHAT_IF_S = 15.0


class PolicyClient:
    """Policies as whoever edits them sees them."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def check(self, text: str) -> CallResult:
        """POST /policies/check; decode with `PolicyCheck`."""
        path = "/policies/check"
        return await self._peer.call("POST", path, PolicyText(text), route=path)

    async def save(self, text: str, *, headers: dict[str, str]) -> CallResult:
        """POST /policies; decode with `PolicyVersion`."""
        path = "/policies"
        return await self._peer.call("POST", path, PolicyText(text), route=path, headers=headers)

    async def give(self, merchant_id: str, version: str, *, headers: dict[str, str]) -> CallResult:
        """PUT /merchants/{merchant_id}/policy; decode with `MerchantPolicy`."""
        return await self._peer.call(
            "PUT",
            f"/merchants/{quote(merchant_id, safe='')}/policy",
            SetPolicy(version),
            route="/merchants/{merchant_id}/policy",
            headers=headers,
        )

    async def what_if(
        self, last: int, *, text: str | None = None, terms: Mapping[str, ChangedTerms] | None = None
    ) -> CallResult:
        """POST /policies/what-if: a draft, other terms of accounts by their name, or both; decode
        with `WhatIfResult`."""
        path = "/policies/what-if"
        draft = UNSET if text is None else text
        asked = AskWhatIf(text=draft, last=last, terms=dict(terms or {}))
        return await self._peer.call("POST", path, asked, route=path, deadline_s=_WHAT_IF_S)


def _charged(
    result: CallResult, payment_id: UUID, amount_minor: int, currency: str
) -> ChargeResult:
    payment = _payment(result, payment_id)
    if payment is None:
        return Unknown("contract")
    if (payment.amount_minor, payment.currency) != (amount_minor, currency):
        return _alarm("another amount than asked for", result, payment_id)
    if result.status in (200, 201) and payment.state == "SUCCEEDED":
        return Succeeded(payment)
    if result.status == 202 and payment.state == "PROCESSING":
        return Processing()
    return _alarm(f"state {payment.state} under status {result.status}", result, payment_id)


def _declined(result: CallResult, payment_id: UUID) -> ChargeResult:
    # Someone else's 402 (a proxy's, say) decides nothing about this payment.
    problem = decode(result, _DeclineProblem)
    if (
        problem is None
        or problem.code != contract.DECLINED
        or problem.details.payment_id != payment_id
    ):
        return _alarm("a 402 that is not about this payment", result, payment_id)
    return PaymentDeclined(problem.details.decline_code)


def _payment(
    result: CallResult, payment_id: UUID, order_id: UUID | None = None
) -> PaymentView | None:
    payment: PaymentView | None = decode(result, PaymentView)
    if payment is None or not (
        payment.payment_id == payment_id or (order_id is not None and payment.order_id == order_id)
    ):
        _alarm("a body that breaks the contract", result, payment_id)
        return None
    return payment


def _alarm(what: str, result: CallResult, payment_id: UUID) -> Unknown:
    log.error(
        "payment-service answered %s",
        what,
        extra={"payment_id": payment_id, "status": result.status, "body": result.body[:200]},
    )
    return Unknown("contract")


def _otherwise(result: CallResult) -> Processing | Unknown | NotSent | ContractBreach:
    if result.outcome is Outcome.IN_PROGRESS:
        return Processing()
    if result.outcome is Outcome.NOT_SENT:
        return NotSent(result.code)
    if result.outcome is Outcome.DEFINITE_NO:
        return ContractBreach(result.status, result.code)
    return Unknown(result.code)
