"""POST /process-payment: reads the request, lets `pay` work, answers its bytes."""

import math
from datetime import UTC, datetime
from typing import Any

from litestar import Response, post
from litestar.datastructures import State
from litestar.params import JSONBody
from msgspec import UNSET

from chassis.http.json_body import Strict
from chassis.http.openapi import answered
from chassis.http.problems import MEDIA_TYPE, Problem, invalid
from chassis.http.shop_identity import caller_now, party_guard, party_now
from chassis.identity.owners import may_see
from services.payment import contract
from services.payment.process.contexts import (
    BadField,
    CapacityUsedUp,
    NoAccountNow,
    OtherRequest,
    UnknownMerchant,
)
from services.payment.process.messages import ExternalRequest, PaymentResult
from services.payment.process.pay import process
from services.wallet.contract import WALLET_NOT_FOUND


@post(
    "/process-payment",
    guards=[party_guard],
    dto=Strict[ExternalRequest],
    return_dto=None,
    status_code=200,
    responses={
        200: answered(PaymentResult, "Taken"),
        202: answered(PaymentResult, "Accepted, an account has not answered yet"),
    },
    summary="Take a merchant's payment over the accounts that charge least, once",
)
async def process_payment(data: JSONBody[ExternalRequest], state: State) -> Response[Any]:
    """POST /process-payment: 200 taken, 202 not known yet, 402 not taken, 404 no such merchant, 422
    no plan or a reused name, 503 not at the moment, or not today."""
    _demand_own_wallet(data)
    try:
        answer = await process(state["context"], data, caller_now.get(), party_now.get().subject)
    except UnknownMerchant:
        raise Problem(
            404,
            contract.MERCHANT_NOT_FOUND,
            "There is no such merchant; nothing was taken",
            details={"merchant_id": data.merchant_id},
        ) from None
    except OtherRequest:
        raise Problem(
            422,
            contract.REQUEST_REUSED,
            "This request_id was used for another request; nothing was taken for this one",
            details={"request_id": data.request_id},
        ) from None
    except NoAccountNow:
        raise Problem(
            503,
            contract.ACCOUNTS_UNAVAILABLE,
            "The accounts that can be asked at the moment cannot take this; nothing was taken",
            retryable=True,
            headers={"Retry-After": "5", "X-Valerix-Executed": "no"},
        ) from None
    except CapacityUsedUp as used:
        raise _used_up(used.again_at) from None
    except BadField as wrong:
        raise invalid(wrong.pointer, wrong.message) from None
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.payment_id is not None:
        headers["Location"] = f"/payments/{answer.payment_id}"
    return Response(
        answer.body,
        status_code=answer.status_code,
        media_type="application/json" if answer.status_code < 400 else MEDIA_TYPE,
        headers=headers,
    )


def _demand_own_wallet(asked: ExternalRequest) -> None:
    """Raise 404 where a shopper would pay from another's wallet."""
    method = asked.payment_method
    if method is UNSET or method.wallet is UNSET:
        return
    if not may_see(party_now.get(), method.wallet.wallet_id):
        raise Problem(
            404,
            WALLET_NOT_FOUND,
            "There is no such wallet, or this token does not open it; nothing was taken",
            details={"user_id": method.wallet.wallet_id},
        )


def _used_up(again_at: datetime) -> Problem:
    """The accounts could take it on another day: the same request may be sent again then."""
    wait_s = max(1, math.ceil((again_at - datetime.now(UTC)).total_seconds()))
    return Problem(
        503,
        contract.CAPACITY_USED_UP,
        "The accounts have no room left today for this amount; nothing was taken."
        f" They have again from {again_at:%Y-%m-%dT%H:%MZ} on: send the same request then",
        retryable=True,
        details={"retry_at": again_at.isoformat()},
        headers={"Retry-After": str(wait_s), "X-Valerix-Executed": "no"},
    )
