"""Payments as the program before migration 0011 left them, in every state, with what they left."""

import hashlib
import json
from uuid import UUID

import asyncpg
import msgspec

AMOUNT = 9999


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What was written about one payment: the states it, its attempt and its order went through."""

    order: tuple[str, ...] = ()
    reason: str | None = None
    hold: str = ""
    payment: tuple[str, ...] = ()
    attempt: tuple[str, ...] = ()
    charge: str = ""
    posted: tuple[str, ...] = ()
    made_by: str = "order-service"
    cancelled_by: str | None = None
    cancel_reason: str | None = None


PAID = ("PENDING_PAYMENT", "CONFIRMED")
GONE = ("PENDING_PAYMENT", "CANCELLING", "FAILED")
NO_TIME = {
    "reason": "PAYMENT_TIMEOUT",
    "hold": "RELEASED",
    "cancelled_by": "order-service",
    "cancel_reason": "ORDER_CANCELLED",
}
BY_HAND = {"cancelled_by": "hand", "cancel_reason": "REFUND"}
OVER: dict[str, Story] = {
    "paid": Story(
        order=PAID, hold="COMMITTED", payment=("SUCCEEDED",), attempt=("SUCCEEDED",),
        charge="CAPTURED", posted=("cap",),
    ),
    "declined": Story(
        order=GONE, reason="PAYMENT_DECLINED", hold="RELEASED", payment=("FAILED",),
        attempt=("FAILED",), charge="DECLINED",
    ),
    "refunded by hand": Story(
        order=PAID, hold="COMMITTED", payment=("SUCCEEDED", "REFUND_PENDING", "REFUNDED"),
        attempt=("SUCCEEDED", "REFUNDED"), charge="REFUNDED", posted=("cap", "ref"), **BY_HAND,
    ),
    "voided": Story(
        order=GONE, payment=("CANCELLING", "CANCELLED"), attempt=("UNKNOWN", "VOIDED"),
        charge="VOIDED", **NO_TIME,
    ),
    "captured late": Story(
        order=GONE, payment=("CANCELLING", "CANCELLED", "REFUND_PENDING", "REFUNDED"),
        attempt=("UNKNOWN", "VOIDED", "SUCCEEDED", "REFUNDED"), charge="REFUNDED",
        posted=("cap", "ref"), **NO_TIME,
    ),
    "tombstone": Story(order=GONE, **NO_TIME),
    "tombstone by hand": Story(made_by="hand", **BY_HAND),
    "paid by hand": Story(
        made_by="hand", payment=("SUCCEEDED",), attempt=("SUCCEEDED",), charge="CAPTURED",
        posted=("cap",),
    ),
    "never asked for": Story(
        made_by="capture", cancel_reason="NEVER_ASKED_FOR",
        payment=("CANCELLING", "CANCELLED", "REFUND_PENDING", "REFUNDED"),
        attempt=("VOIDED", "SUCCEEDED", "REFUNDED"), charge="REFUNDED", posted=("cap", "ref"),
    ),
}  # fmt: skip
# And where each of these ends: (order, payment, attempt).
UNFINISHED: dict[str, tuple[Story, tuple[str | None, str, str]]] = {
    "captured, unheard": (
        Story(order=("PENDING_PAYMENT",), hold="HELD", charge="CAPTURED", attempt=("UNKNOWN",)),
        ("CONFIRMED", "SUCCEEDED", "SUCCEEDED"),
    ),
    "never arrived": (
        Story(order=("PENDING_PAYMENT",), hold="HELD", attempt=()),
        ("CONFIRMED", "SUCCEEDED", "SUCCEEDED"),
    ),
    "being cancelled": (
        Story(order=GONE[:2], payment=("CANCELLING",), attempt=("UNKNOWN",),
              **{**NO_TIME, "hold": "HELD"}),
        ("FAILED", "CANCELLED", "VOIDED"),
    ),
    "being refunded": (
        Story(order=PAID, hold="COMMITTED", payment=("SUCCEEDED", "REFUND_PENDING"),
              attempt=("SUCCEEDED",), charge="CAPTURED", posted=("cap",), **BY_HAND),
        ("CONFIRMED", "REFUNDED", "REFUNDED"),
    ),
    "captured after its cancel": (
        Story(order=GONE, payment=("CANCELLING", "CANCELLED"), attempt=("UNKNOWN", "VOIDED"),
              charge="CAPTURED", **NO_TIME),
        ("FAILED", "REFUNDED", "REFUNDED"),
    ),
}  # fmt: skip


def order_of(name: str) -> UUID:
    """The order, and payment, of a story."""
    return UUID(bytes=hashlib.blake2b(name.encode(), digest_size=16).digest(), version=4)


async def write_story(connection: asyncpg.Connection, name: str, story: Story) -> None:
    """Write a story into the tables as they were at revision 0009."""
    run, order_id = connection.execute, order_of(name)
    if story.order:
        await run(
            "INSERT INTO orders.orders (id, product_id, quantity, unit_price_minor, amount_minor,"
            " currency, status, next_attempt_at, deadline_at) VALUES ($1, 'PROD-001', 1, 9999,"
            " 9999, 'EUR', 'PENDING', now(), now() + interval '15 min')",
            order_id,
        )
    for status in story.order:
        await run(
            "UPDATE orders.orders SET status = $2, version = version + 1, reason = $3,"
            " settled_at = CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN now() END WHERE id = $1",
            order_id, status, story.reason if status in ("CANCELLING", "FAILED") else None,
        )  # fmt: skip
    await _hold(connection, order_id, story.hold)
    await _pay(connection, order_id, story)
    if story.charge:
        taken = story.charge in ("CAPTURED", "REFUNDED")
        await run(
            "INSERT INTO gateway.charges (gw_key, provider, order_ref, amount_minor, currency,"
            " state, captured_at) VALUES ('ord_' || $1::uuid || ':1', 'mock', $1::uuid::text,"
            " 9999, 'EUR', $2, CASE WHEN $3 THEN now() END)",
            order_id, story.charge, taken,
        )  # fmt: skip
    for kind in story.posted:
        await run(
            "INSERT INTO payments.ledger (transfer_id, line, account, amount_minor, currency)"
            " VALUES ($1, 1, 'gateway_clearing', $2, 'EUR'), ($1, 2, 'merchant', -$2, 'EUR')",
            f"{order_id}:{kind}", AMOUNT if kind == "cap" else -AMOUNT,
        )  # fmt: skip


async def _hold(connection: asyncpg.Connection, order_id: UUID, state: str) -> None:
    if not state:
        return
    await connection.execute(
        "INSERT INTO inventory.reservations (order_id, product_id, quantity, state)"
        " VALUES ($1, 'PROD-001', 1, $2)",
        order_id, state,
    )  # fmt: skip
    ends = {"HELD": [], "COMMITTED": ["sold"], "RELEASED": ["released"]}[state]
    for kind in ["reserved", *ends]:
        await connection.execute(
            "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
            " VALUES ($1, $2, 'PROD-001', 1)",
            order_id, kind,
        )  # fmt: skip
    if column := {"HELD": "reserved", "COMMITTED": "sold"}.get(state):
        await connection.execute(
            f"UPDATE inventory.stock SET stock = stock - 1, {column} = {column} + 1"
            " WHERE product_id = 'PROD-001'"
        )
    if state == "COMMITTED":
        await connection.execute(
            "UPDATE orders.orders SET stock_committed_at = now(), version = version + 1"
            " WHERE id = $1",
            order_id,
        )


async def _pay(connection: asyncpg.Connection, order_id: UUID, story: Story) -> None:
    run, is_tombstone = connection.execute, not (story.attempt or story.hold == "HELD")
    amount, currency = (None, None) if is_tombstone else (AMOUNT, "EUR")
    meaning = {"amount_minor": AMOUNT, "currency": "EUR", "order_id": str(order_id)}
    asked = json.dumps(["POST", "/payments", "anyone", meaning], separators=(",", ":"))
    await run(
        "INSERT INTO payments.payments (order_id, amount_minor, currency, state, made_by,"
        " idempotency_key, request_hash, cancelled_by, cancel_reason)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        order_id, amount, currency, "CANCELLED" if is_tombstone else "PROCESSING", story.made_by,
        None if is_tombstone else f"charge-{order_id}",
        None if is_tombstone else hashlib.sha256(asked.encode()).digest(),
        story.cancelled_by, story.cancel_reason,
    )  # fmt: skip
    if is_tombstone:
        return
    await run(
        "INSERT INTO payments.attempts (order_id, n, provider, gw_key, amount_minor, currency,"
        " state) VALUES ($1, 1, 'mock', 'ord_' || $1::uuid || ':1', 9999, 'EUR', 'IN_FLIGHT')",
        order_id,
    )
    for state in story.attempt:
        await run("UPDATE payments.attempts SET state = $2 WHERE order_id = $1", order_id, state)
    for state in story.payment:
        await run("UPDATE payments.payments SET state = $2 WHERE order_id = $1", order_id, state)
