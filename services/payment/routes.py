"""The payment service's endpoints: read the request, let `charging` work, answer how it stands."""

from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, RequestBody, Schema
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from chassis.http.asgi import Scope
from chassis.http.json_body import Strict
from chassis.http.openapi import answered
from chassis.http.problems import MEDIA_TYPE, Problem
from chassis.http.shop_identity import caller_now, internal_guard, party_guard, party_now
from chassis.idempotency import key_of, request_hash, reused
from chassis.identity.caller import ANONYMOUS
from chassis.identity.owners import may_see, sees_all
from chassis.telemetry.context import parse_traceparent
from services.payment import cancelling, charging, contract
from services.payment.cancelling import Cancel
from services.payment.context import PaymentContext
from services.payment.contract import (
    STATUSES,
    AttemptView,
    CancelPayment,
    CreatePayment,
    PaymentList,
    PaymentView,
)
from services.payment.domain import (
    AmountDiffers,
    AnotherPayment,
    Charge,
    Fenced,
    KeyReused,
    Payment,
)
from services.payment.policies.endpoint import POLICY_ROUTES
from services.payment.process.endpoint import process_payment
from services.payment.reconciliation import routes as reconciliation
from services.payment.webhooks.routes import receive_webhook

# Until callers have identities, all of them share one scope of keys.
_CALLER = "anyone"
_REPLAYED = {"Idempotent-Replayed": "true"}


@dataclass
class CreateOperation(Operation):
    """What the OpenAPI document cannot guess: the Idempotency-Key is read by hand, so that two of
    them, or none, get an answer that names the problem."""

    def __post_init__(self) -> None:
        schema = Schema(
            type=OpenAPIType.STRING, min_length=16, max_length=255, pattern=r"^[\x21-\x7e]+$"
        )
        key = Parameter(name="Idempotency-Key", param_in="header", required=True, schema=schema)
        self.parameters = [*(self.parameters or []), key]


@dataclass
class CancelOperation(Operation):
    """What the OpenAPI document gets wrong: the body may be absent, but it is never `null`."""

    def __post_init__(self) -> None:
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False
            for content in self.request_body.content.values():
                if isinstance(content.schema, Schema) and content.schema.one_of:
                    content.schema = content.schema.one_of[0]


@post(
    "/payments",
    guards=[internal_guard],
    dto=Strict[CreatePayment],
    return_dto=None,
    operation_class=CreateOperation,
    responses={
        200: answered(PaymentView, "Captured before, under another key"),
        202: answered(PaymentView, "Accepted, the provider has not answered yet"),
    },
    summary="Take an order's money, once",
)
async def create_payment(
    data: JSONBody[CreatePayment], request: Request[Any, Any, Any], state: State
) -> Response[PaymentView] | Response[bytes]:
    """POST /payments: 201 captured, 202 not known yet, 402 declined, 409 fenced, 422 mismatch."""
    key = cast("str", key_of(cast("Scope", request.scope), required=True))
    command = Charge(
        None if data.payment_id is UNSET else data.payment_id,
        data.order_id,
        data.amount_minor,
        data.currency,
        key,
        # Which payment it is to be is no part of what the request means: another one is refused.
        request_hash("POST", "/payments", _CALLER, msgspec.structs.replace(data, payment_id=UNSET)),
        caller_now.get(),
        _owner(data.owner),
        None if data.wallet_id is UNSET else data.wallet_id,
    )
    try:
        charged = await charging.charge(_context(state), command)
    except KeyReused:
        raise reused() from None
    except Fenced:
        raise Problem(
            409,
            contract.FENCED,
            "This payment was cancelled before; nothing was taken and nothing will be",
            details={"order_id": data.order_id},
        ) from None
    except AnotherPayment:
        raise _another(data.payment_id, data.order_id) from None
    except AmountDiffers:
        raise Problem(
            422,
            contract.MISMATCH,
            "This order already has a payment over another amount",
            details={"order_id": data.order_id},
        ) from None
    headers = _location(charged.payment) | (_REPLAYED if charged.replayed else {})
    if charged.payment.state == "FAILED":
        return _declined(charged.payment, headers)
    return Response(
        view(charged.payment), status_code=_status(charged.payment, key), headers=headers
    )


@post(
    "/payments/{payment_id:str}/cancel",
    guards=[party_guard],
    dto=Strict[CancelPayment],
    return_dto=None,
    operation_class=CancelOperation,
    status_code=200,
    responses={202: answered(PaymentView, "Begun, and certain to end")},
    summary="Void what is open, refund what was taken, refuse what comes later",
)
async def cancel_payment(
    payment_id: FromPath[UUID], state: State, data: JSONBody[CancelPayment | None] = None
) -> Response[PaymentView]:
    """POST /payments/{payment_id}/cancel: 200 when it is over, 202 while it is not, 422 another
    order's. Without a body the reason is the default: who cancels by hand wants a refund."""
    asked = data or CancelPayment()
    if not sees_all(party_now.get()):
        # A shopper ends what is theirs, and leaves no tombstone for what is not there.
        await _find(state, payment_id)
    order_id = None if asked.order_id is UNSET else asked.order_id
    command = Cancel(payment_id, order_id, asked.reason, caller_now.get(), _owner(asked.owner))
    try:
        payment = await cancelling.cancel(_context(state), command)
    except AnotherPayment:
        raise _another(payment_id, asked.order_id) from None
    over = contract.cancel_is_acknowledged(payment.state)
    return Response(view(payment), status_code=200 if over else 202, headers=_location(payment))


@get(
    "/payments/{payment_id:str}",
    guards=[party_guard],
    summary="A payment and its attempts",
)
async def show_payment(payment_id: FromPath[UUID], state: State) -> PaymentView:
    """GET /payments/{payment_id}."""
    return view(await _find(state, payment_id))


@get("/payments", guards=[party_guard], summary="The payment of an order, if it has one")
async def list_payments(order_id: Annotated[UUID, QueryParameter()], state: State) -> PaymentList:
    """GET /payments?order_id=…: one payment, or none."""
    payment = await charging.look_for_order(_context(state), order_id)
    if payment is None or not may_see(party_now.get(), payment.owner):
        return PaymentList([])
    return PaymentList([view(payment)])


ROUTES: list[BaseRouteHandler] = [
    create_payment,
    cancel_payment,
    show_payment,
    list_payments,
    process_payment,
    receive_webhook,
    *reconciliation.ROUTES,
    *POLICY_ROUTES,
]


def view(payment: Payment) -> PaymentView:
    """The payment as answered. A function of its row and nothing else, so a replay is the same
    bytes as the first answer."""
    return PaymentView(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        state=payment.state,
        status=STATUSES[payment.state],
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        attempts=[
            AttemptView(a.leg_n, a.n, a.provider, a.state, a.detail, a.created_at, a.updated_at)
            for a in payment.attempts
        ],
        decline_code=payment.decline_code,
        cancel_reason=payment.cancel_reason,
    )


def _owner(named: str | UnsetType) -> str:
    """Whose a payment is to be: only a service of the shop says so of others."""
    is_named = caller_now.get() == "order-service" and named is not UNSET
    return str(named) if is_named else ANONYMOUS.subject


async def _find(state: State, payment_id: UUID) -> Payment:
    """The payment; raises 404, also for one that is not this caller's to see."""
    payment = await charging.look(_context(state), payment_id)
    if payment is None or not may_see(party_now.get(), payment.owner):
        raise Problem(
            404,
            contract.NOT_FOUND,
            "There is no such payment",
            details={"payment_id": payment_id},
        )
    return payment


def _context(state: State) -> PaymentContext:
    context: PaymentContext = state["context"]
    return context


def _status(payment: Payment, key: str) -> int:
    if payment.state != "SUCCEEDED":
        return 202
    # Under another key this request created nothing; the answer is what there is.
    return 201 if payment.idempotency_key == key else 200


def _location(payment: Payment) -> dict[str, str]:
    return {"Location": f"/payments/{payment.payment_id}"}


def _another(payment_id: UUID | UnsetType, order_id: UUID | UnsetType) -> Problem:
    asked = {"payment_id": payment_id, "order_id": order_id}
    return Problem(
        422,
        contract.MISMATCH,
        "This order has another payment, or this payment is for something else",
        details={name: given for name, given in asked.items() if given is not UNSET},
    )


def _declined(payment: Payment, headers: dict[str, str]) -> Response[bytes]:
    """A 402 is stored like a success: every replay names the trace in which it was decided."""
    details = {
        "payment_id": payment.payment_id,
        "order_id": payment.order_id,
        "decline_code": payment.decline_code,
    }
    problem = Problem(402, contract.DECLINED, "The provider declined the payment", details=details)
    document = msgspec.json.decode(problem.body())
    decided_in = parse_traceparent(payment.traceparent)
    document["request_id"] = document["trace_id"] = decided_in[0] if decided_in else None
    return Response(
        msgspec.json.encode(document), status_code=402, media_type=MEDIA_TYPE, headers=headers
    )
