"""The inventory service on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

State = Literal["HELD", "COMMITTED", "RELEASED", "REJECTED"]
# In Python `$` alone lets a final line break through.
ProductId = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$(?!\n)")]
Quantity = Annotated[int, Meta(ge=1, le=1000)]
# total, stock, reserved and sold are 32-bit integers; one delivery cannot overflow them.
Delivery = Annotated[int, Meta(ge=1, le=1_000_000)]

OUT_OF_STOCK, FENCED = "out-of-stock", "fenced"


class ReserveStock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold `quantity` of a product for an order."""

    order_id: UUID
    product_id: ProductId
    quantity: Quantity


class ReleaseStock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give back what an order holds, or make sure that it never will hold anything."""

    order_id: UUID


class CommitStock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an order holds is sold."""

    order_id: UUID


class CommitMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What these orders hold is sold."""

    order_ids: Annotated[list[UUID], Meta(min_length=1, max_length=64)]


class CommittedOrders(msgspec.Struct, frozen=True):
    """The orders, of those asked about, whose goods are sold."""

    order_ids: list[UUID]


class RestockProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A delivery: `quantity` more of a product."""

    product_id: ProductId
    quantity: Delivery


class ReservationView(msgspec.Struct, frozen=True):
    """An order's reservation. A tombstone (released before it was reserved) has no product."""

    order_id: UUID
    state: State
    product_id: str | None
    quantity: int


class StockView(msgspec.Struct, frozen=True):
    """One product's units: stock + reserved + sold = total."""

    product_id: str
    stock: int
    reserved: int
    sold: int
    total: int


class StockList(msgspec.Struct, frozen=True):
    """All products."""

    products: list[StockView]
