"""What the order service tells of its orders: the `data` of its events, written by triggers
(infra/migrations/sql/0028_owners.up.sql)."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

_Minor = Annotated[int, Meta(gt=0)]
# Who placed the order; older events do not say it.
_Owner = str
_Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class OrderCreated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer placed an order."""

    order_id: UUID
    owner: _Owner = "anonymous"
    payment_id: UUID
    product_id: str
    quantity: Annotated[int, Meta(ge=1, le=1000)]
    amount_minor: _Minor
    currency: _Currency


class OrderConfirmed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order is paid for and its goods are the customer's."""

    order_id: UUID
    owner: _Owner = "anonymous"
    payment_id: UUID
    amount_minor: _Minor
    currency: _Currency


class OrderFailed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order came to nothing; nobody was charged, and no goods are held. `actor` is who asked for
    it to end, if somebody did."""

    order_id: UUID
    owner: _Owner = "anonymous"
    payment_id: UUID
    amount_minor: _Minor
    currency: _Currency
    reason: str
    actor: str | None = None
