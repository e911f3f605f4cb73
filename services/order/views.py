"""Orders as the wire shows them."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from chassis.http.problems import invalid_parameter
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


_Cursor = tuple[datetime, UUID]


def write_cursor(order: Order) -> str:
    """Where the next page begins: after this order."""
    raw = msgspec.json.encode((order.created_at, order.id))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(text: str) -> _Cursor:
    """The place a cursor names; raises `Problem` 400 for anything we did not write."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        at, order_id = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=_Cursor
        )
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        # In UTC, because a zone can push a time out of what a datetime holds.
        return at.astimezone(UTC), order_id
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
        raise invalid_parameter("cursor", "must be one that this service gave out") from None
