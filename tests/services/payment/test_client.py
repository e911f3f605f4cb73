"""The client: every answer the wire can give becomes one fact, and doubt is never a no."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from chassis.http.outbound import classify
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from services.payment import contract
from services.payment.client import (
    Absent,
    Cancelled,
    ContractBreach,
    NotSent,
    PaymentClient,
    PaymentDeclined,
    PaymentFenced,
    PaymentFound,
    Processing,
    Succeeded,
    Unknown,
)

ORDER = UUID("00000000-0000-4000-8000-000000000001")
OTHER = UUID("00000000-0000-4000-8000-000000000002")
PAYMENT = UUID("00000000-0000-4000-8000-000000000003")


class Wire:
    """A peer that has heard `answer`, and remembers what it was asked."""

    def __init__(self, answer: CallResult) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    async def call(self, method: str, path: str, json: object = None, **more: Any) -> CallResult:
        """As `chassis.http.outbound.Peer.call`."""
        self.asked = {"method": method, "path": path, "json": json, **more}
        return self.answer


def _view(
    state: str,
    payment_id: UUID = PAYMENT,
    amount: int | None = 100,
    currency: str = "EUR",
    order_id: UUID | None = ORDER,
):
    return msgspec.json.encode(
        {
            "payment_id": payment_id,
            "order_id": order_id,
            "state": state,
            "status": contract.STATUSES.get(state, "PENDING"),  # type: ignore[call-overload]
            "amount_minor": amount,
            "currency": currency,
            "attempts": [],
        }
    )


def _problem(status: int, code: str, details: object = None) -> bytes:
    return Problem(status, code, "no", details=details).body()


async def _charge(answer: CallResult) -> object:
    return await PaymentClient(Wire(answer)).charge(  # type: ignore[arg-type]
        PAYMENT, ORDER, 100, "EUR", deadline_s=1.0
    )


async def _cancel(answer: CallResult) -> object:
    client = PaymentClient(Wire(answer))  # type: ignore[arg-type]
    return await client.cancel(PAYMENT, ORDER, "USER_CANCELLED", deadline_s=1.0)


async def _get(answer: CallResult) -> object:
    return await PaymentClient(Wire(answer)).get(PAYMENT, deadline_s=1.0)  # type: ignore[arg-type]


DECLINE = {"payment_id": PAYMENT, "order_id": ORDER, "decline_code": "expired_card"}


@pytest.mark.parametrize(
    ("status", "body", "fact"),
    [
        (201, _view("SUCCEEDED"), Succeeded),
        (200, _view("SUCCEEDED"), Succeeded),
        (202, _view("PROCESSING"), Processing),
        (402, _problem(402, "payment-declined", DECLINE), PaymentDeclined("expired_card")),
        (409, _problem(409, "fenced"), PaymentFenced()),
        (409, _problem(409, "idempotency-in-progress"), Processing()),
        (409, _problem(409, "something-else"), ContractBreach(409, "something-else")),
        (400, _problem(400, "validation"), ContractBreach(400, "validation")),
        (404, b"<html>", ContractBreach(404, "http-404")),
        (422, _problem(422, "payment-mismatch"), ContractBreach(422, "payment-mismatch")),
        (500, _problem(500, "internal"), Unknown("internal")),
        (502, b"<html>Bad Gateway", Unknown("http-502")),
        (503, _problem(503, "gremlin"), Unknown("gremlin")),
        (504, b"", Unknown("http-504")),
        # What says "yes" about something else, or nothing at all, is no answer.
        (200, b"", Unknown("contract")),
        (200, b"{}", Unknown("contract")),
        (201, b"<html>Welcome to the hotel network", Unknown("contract")),
        (201, _view("SUCCEEDED", OTHER), Unknown("contract")),
        (201, _view("SUCCEEDED", amount=1), Unknown("contract")),
        (201, _view("SUCCEEDED", currency="USD"), Unknown("contract")),
        (200, _view("FAILED"), Unknown("contract")),
        (201, _view("CANCELLED"), Unknown("contract")),
        (201, _view("NONSENSE"), Unknown("contract")),
        (202, _view("SUCCEEDED"), Unknown("contract")),
        (402, b"<html>pay for the wifi", Unknown("contract")),
        (402, _problem(402, "payment-declined", {**DECLINE, "payment_id": OTHER}),
         Unknown("contract")),
        (402, _problem(402, "other", DECLINE), Unknown("contract")),
    ],
)  # fmt: skip
async def test_what_a_charge_means(status: int, body: bytes, fact: object):
    result = await _charge(classify(status, body))
    assert result == fact or (isinstance(fact, type) and isinstance(result, fact))


@pytest.mark.parametrize(
    ("status", "body", "fact"),
    [
        (200, _view("CANCELLED"), Cancelled),
        (200, _view("REFUNDED"), Cancelled),
        (200, _view("FAILED"), Cancelled),
        (202, _view("CANCELLING"), Processing),
        (202, _view("REFUND_PENDING"), Processing),
        # Acknowledged is what is over, whatever the status says.
        (200, _view("CANCELLING"), Processing),
        (200, _view("REFUND_PENDING"), Processing),
        (200, _view("SUCCEEDED"), Processing),
        (202, _view("CANCELLED"), Processing),
        # The order pays with another payment, which somebody made by hand: that one is over.
        (200, _view("REFUNDED", OTHER), Cancelled),
        # A capture nobody asked for is no order's.
        (200, _view("REFUNDED", order_id=None), Cancelled),
        (200, _view("CANCELLED", OTHER, order_id=OTHER), Unknown("contract")),
        (200, b"ok", Unknown("contract")),
        (500, b"", Unknown("http-500")),
        (404, _problem(404, "not-found"), ContractBreach(404, "not-found")),
    ],
)
async def test_what_a_cancel_means(status: int, body: bytes, fact: object):
    result = await _cancel(classify(status, body))
    assert result == fact or (isinstance(fact, type) and isinstance(result, fact))


@pytest.mark.parametrize(
    ("status", "body", "fact"),
    [
        (200, _view("PROCESSING"), PaymentFound),
        (404, _problem(404, "payment-not-found"), Absent()),
        (404, b"<html>", ContractBreach(404, "http-404")),
        (200, _view("SUCCEEDED", OTHER), Unknown("contract")),
        (503, b"", Unknown("http-503")),
    ],
)
async def test_what_a_look_means(status: int, body: bytes, fact: object):
    result = await _get(classify(status, body))
    assert result == fact or (isinstance(fact, type) and isinstance(result, fact))


@pytest.mark.parametrize("ask", [_charge, _cancel, _get])
async def test_what_was_not_sent_certainly_did_not_happen(ask: Any):
    shed = classify(503, _problem(503, "overloaded"), not_executed=True)
    assert await ask(shed) == NotSent("overloaded")
    assert await ask(CallResult(Outcome.NOT_SENT, code="connect-failed")) == NotSent(
        "connect-failed"
    )
    assert await ask(CallResult(Outcome.UNKNOWN, code="timeout")) == Unknown("timeout")


async def test_a_charge_carries_the_order_as_its_key_and_the_deadline():
    wire = Wire(classify(201, _view("SUCCEEDED")))
    await PaymentClient(wire).charge(  # type: ignore[arg-type]
        PAYMENT, ORDER, 100, "EUR", deadline_s=1.25
    )
    assert wire.asked["headers"] == {"Idempotency-Key": f"charge-{ORDER}"}
    assert wire.asked["deadline_s"] == 1.25
    assert (wire.asked["method"], wire.asked["path"]) == ("POST", "/payments")
    assert msgspec.to_builtins(wire.asked["json"]) == {
        "order_id": str(ORDER),
        "amount_minor": 100,
        "currency": "EUR",
        "payment_id": str(PAYMENT),
    }


async def test_a_path_never_becomes_a_metric_label():
    wire = Wire(classify(200, _view("CANCELLED")))
    await PaymentClient(wire).cancel(PAYMENT, ORDER, "X", deadline_s=1.0)  # type: ignore[arg-type]
    assert wire.asked["route"] == "/payments/{payment_id}/cancel"
    assert msgspec.to_builtins(wire.asked["json"]) == {"reason": "X", "order_id": str(ORDER)}
