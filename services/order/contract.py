"""The order service on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.wallet.contract import UserId

Status = Literal[
    "PENDING", "PENDING_INVENTORY", "PENDING_PAYMENT", "CONFIRMED", "CANCELLING", "FAILED"
]
Reason = Literal[
    "OUT_OF_STOCK",
    "PAYMENT_DECLINED",
    "PAYMENT_CANCELLED",
    "INVENTORY_TIMEOUT",
    "PAYMENT_TIMEOUT",
    "USER_CANCELLED",
    "INTERNAL_CONTRACT",
]

MAX_PAGE, DEFAULT_PAGE = 200, 50


class OrderWallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wallet that pays, by its user."""

    wallet_id: UserId


class OrderPaymentMethod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an order is paid with."""

    wallet: OrderWallet


class PlaceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /orders. Without a payment method the shop's own test card pays."""

    # In Python `$` alone lets a final line break through.
    product_id: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$(?!\n)")]
    quantity: Annotated[int, Meta(ge=1, le=1000)]
    payment_method: OrderPaymentMethod | UnsetType = UNSET


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the shop shows it. Money in minor units; `owner` is who placed it, `latency_ms`
    from placed to settled."""

    order_id: UUID
    status: Status
    reason: Reason | None
    message: str
    product_id: str
    quantity: int
    unit_price_minor: int
    amount_minor: int
    currency: str
    payment_id: UUID
    wallet_id: str | None
    owner: str
    attempts: int
    trace_id: str | None
    stock_committed: bool
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    latency_ms: float | None


class OrderPage(msgspec.Struct, frozen=True):
    """Orders, newest first; `next_cursor` leads to older ones and is null at the end."""

    orders: list[OrderView]
    next_cursor: str | None


class TransitionView(msgspec.Struct, frozen=True):
    """One step of an order's life."""

    version: int
    src: Status | None
    dst: Status
    reason: Reason | None
    outcome: str | None
    attempts: int
    at: datetime
    trace_id: str | None


class OrderHistory(msgspec.Struct, frozen=True):
    """An order's whole life, oldest first."""

    order_id: UUID
    transitions: list[TransitionView]


class ProductView(msgspec.Struct, frozen=True):
    """What is for sale, at what price."""

    product_id: str
    name: str
    price_minor: int
    currency: str


class ProductList(msgspec.Struct, frozen=True):
    """The price list."""

    products: list[ProductView]
