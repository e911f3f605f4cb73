"""Orders as the wire shows them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from chassis.http import cursors
from services.order.contract import OrderView
from services.order.domain import Order


def order_view(order: Order) -> OrderView:
    """The answer struct of an order."""
    latency_ms = None
    if order.settled_at is not None:
        latency_ms = round((order.settled_at - order.created_at).total_seconds() * 1000, 1)
    return OrderView(
        order_id=order.id, status=order.status, reason=order.reason, message=order.message,
        product_id=order.product_id, quantity=order.quantity,
        unit_price_minor=order.unit_price_minor, amount_minor=order.amount_minor,
        currency=order.currency, payment_id=order.payment_id,
        wallet_id=order.wallet_id, owner=order.owner, attempts=order.attempts,
        trace_id=order.traceparent.split("-")[1] if order.traceparent else None,
        stock_committed=order.stock_committed_at is not None, created_at=order.created_at,
        updated_at=order.updated_at, settled_at=order.settled_at, latency_ms=latency_ms,
    )  # fmt: skip


class _Place(Struct, array_like=True):
    at: Annotated[datetime, Meta(tz=True)]
    order_id: UUID


def write_cursor(order: Order) -> str:
    """Where the next page begins: after this order."""
    return cursors.write_cursor("orders", _Place(order.created_at, order.id))


def read_cursor(text: str) -> tuple[datetime, UUID]:
    """The place a cursor names; raises `Problem` 400 for anything we did not write."""
    place = cursors.read_cursor("orders", text, _Place)
    try:
        # In UTC, because a zone can push a time out of what a datetime holds.
        return place.at.astimezone(UTC), place.order_id
    except OverflowError:
        raise cursors.not_ours() from None
