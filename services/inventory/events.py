"""What the inventory service tells of its goods: the `data` of its events, written by triggers
(infra/migrations/sql/0018_events.up.sql)."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct


class StockReserved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units are held for an order."""

    order_id: UUID
    product_id: str
    quantity: Annotated[int, Meta(ge=1, le=1000)]


class StockReleased(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units that were held are back in stock."""

    order_id: UUID
    product_id: str
    quantity: Annotated[int, Meta(ge=1, le=1000)]


class StockCommitted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units that were held are sold."""

    order_id: UUID
    product_id: str
    quantity: Annotated[int, Meta(ge=1, le=1000)]
