"""What the payment service tells of its payments: the `data` of its events, written by triggers
(infra/migrations/sql/0028_owners.up.sql)."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

_Minor = Annotated[int, Meta(gt=0)]
# Whose request it was; null where the payment is an order's. Older events have none.
_Merchant = str | None
# Who placed it, or its order; older events do not say it.
_Owner = str
_Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class PaymentCreated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody is asked for money. `order_id` is null where the payment is no order's."""

    payment_id: UUID
    order_id: UUID | None
    owner: _Owner = "anonymous"
    amount_minor: _Minor
    currency: _Currency
    merchant_id: _Merchant = None


class PaymentCompleted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The money is captured."""

    payment_id: UUID
    order_id: UUID | None
    owner: _Owner = "anonymous"
    amount_minor: _Minor
    currency: _Currency
    merchant_id: _Merchant = None


class PaymentFailed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment came to nothing: declined, lost or cancelled. No money is taken, or all of it was
    given back."""

    payment_id: UUID
    order_id: UUID | None
    owner: _Owner = "anonymous"
    amount_minor: _Minor
    currency: _Currency
    state: Literal["FAILED", "CANCELLED"]
    decline_code: str | None
    merchant_id: _Merchant = None


class RefundCreated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Captured money of one leg is to be given back."""

    payment_id: UUID
    order_id: UUID | None
    owner: _Owner = "anonymous"
    leg_n: Annotated[int, Meta(ge=1)]
    attempt_n: Annotated[int, Meta(ge=1)]
    amount_minor: _Minor
    currency: _Currency
    merchant_id: _Merchant = None
