"""What is read of an account's answers and events: the contract of Stripe's API with us.

The official library hands out whatever came, so these are what its answers are checked against."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Minor = Annotated[int, Meta(ge=0)]
IntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
]


class StripeCharge(msgspec.Struct, frozen=True):
    """The charge of an intent, where it is expanded."""

    id: Name
    amount: _Minor
    refunded: bool


class StripeDecline(msgspec.Struct, frozen=True):
    """Why an intent was declined, or a request refused."""

    type: str
    code: str | None = None
    decline_code: str | None = None


class StripeIntent(msgspec.Struct, frozen=True):
    """A payment intent; amounts in minor units."""

    id: Name
    object: Literal["payment_intent"]
    amount: _Minor
    amount_capturable: _Minor
    amount_received: _Minor
    currency: Annotated[str, Meta(pattern="^[a-z]{3}$")]
    status: IntentStatus
    metadata: dict[str, str]
    latest_charge: StripeCharge | str | None = None
    last_payment_error: StripeDecline | None = None


class StripeRefund(msgspec.Struct, frozen=True):
    """A refund."""

    id: Name
    object: Literal["refund"]
    amount: _Minor
    status: str | None


class StripeMethod(msgspec.Struct, frozen=True):
    """A payment method."""

    id: Name
    object: Literal["payment_method"]


class StripeRefusal(msgspec.Struct, frozen=True):
    """Every answer that is no success."""

    error: StripeDecline


class StripeEventData(msgspec.Struct, frozen=True):
    """The object that the event is about, as it was then."""

    object: dict[str, Any]


class StripeEvent(msgspec.Struct, frozen=True):
    """An event as it is sent to a webhook; `created` is in seconds since the epoch."""

    id: Name
    type: Name
    created: int
    data: StripeEventData


_ANSWERS: dict[str, type] = {
    "payment_intents": StripeIntent,
    "refunds": StripeRefund,
    "payment_methods": StripeMethod,
}
OUTSIDE_CONTRACTS: tuple[type, ...] = (*_ANSWERS.values(), StripeRefusal, StripeEvent)


def answer_contract(url: str, status: int) -> type | None:
    """The contract of an answer, by where it was asked; None for what is only listed."""
    if status >= 400:
        return StripeRefusal
    _, _, rest = urlsplit(url).path.partition("/v1/")
    return _ANSWERS.get(rest.split("/")[0])
