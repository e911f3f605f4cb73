"""The reconciler's SQL: which orders are due, and making them due sooner or later."""

from uuid import UUID

from sqlalchemy import text

from chassis.database.pool import Connection, statement

# The partial index orders_due has the same words.
_DUE = (
    "(status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')"
    " OR (status = 'CONFIRMED' AND stock_committed_at IS NULL))"
)
# Tried in vain, so nobody is driving it right now. (The first try in a state is attempts 0.)
_WAITING = "(attempts > 0 OR last_outcome IS NOT NULL)"

# A lease is only a later due time (rule R9): two drivers of one order are harmless.
_CLAIM_DUE = statement(
    text(
        "UPDATE orders.orders SET next_attempt_at = now() + make_interval(secs => :lease_s)"
        " WHERE id IN (SELECT id FROM orders.orders WHERE next_attempt_at <= now() AND "
        f"{_DUE} ORDER BY next_attempt_at LIMIT :most FOR UPDATE SKIP LOCKED) RETURNING id"
    ),
    "UPDATE orders.orders",
)
_WAKE = statement(
    text(
        "UPDATE orders.orders"
        " SET next_attempt_at = now() + random() * make_interval(secs => :spread_s)"
        f" WHERE id IN (SELECT id FROM orders.orders WHERE {_DUE} AND {_WAITING}"
        " AND next_attempt_at > now() + make_interval(secs => :spread_s)"
        " ORDER BY next_attempt_at LIMIT :most FOR UPDATE SKIP LOCKED)"
    ),
    "UPDATE orders.orders",
)
_HASTEN = statement(
    text(
        "UPDATE orders.orders SET next_attempt_at = now() WHERE id = :order"
        f" AND {_WAITING} AND {_DUE} AND next_attempt_at > now()"
        " AND updated_at < now() - interval '1 second'"
    ),
    "UPDATE orders.orders",
)
_BACKLOG = statement(
    text(
        "SELECT status, count(*) AS orders,"
        " greatest(0, extract(epoch FROM now() - min(next_attempt_at)))::float8 AS lag_s"
        f" FROM orders.orders WHERE {_DUE} GROUP BY status"
    ),
    "SELECT orders.orders",
)


async def claim_due(c: Connection, most: int, lease_s: float) -> list[UUID]:
    """Due orders that no other replica is claiming right now."""
    return [row["id"] for row in await c.rows(_CLAIM_DUE, most=most, lease_s=lease_s)]


async def wake(c: Connection, *, most: int, spread_s: float) -> int:
    """Make waiting orders due soon, spread out: whoever they waited for is back."""
    return await c.execute(_WAKE, most=most, spread_s=spread_s)


async def hasten(c: Connection, order_id: UUID) -> None:
    """Repair on read: someone is looking at an order that waits. At most once a second."""
    await c.execute(_HASTEN, order=order_id)


async def backlog(c: Connection) -> list[tuple[str, int, float]]:
    """(status, orders, seconds the most overdue has waited) of what is not done."""
    return [(r["status"], r["orders"], r["lag_s"]) for r in await c.rows(_BACKLOG)]
