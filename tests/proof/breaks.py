"""How each promise is broken: its guards removed, then a statement that no service would make."""

from uuid import UUID

import msgspec

from tests.proof.rows import CONFIRMED, DECLINED, PENDING

STRAY = UUID("00000000-0000-4000-8000-0000000000ff")
NO_TRIGGERS = "SET session_replication_role = replica;"
CLAIM = (
    "INSERT INTO orders.idempotency"
    " (scope, key, request_hash, order_id, locked_until, expires_at) VALUES"
)


class Break(msgspec.Struct, frozen=True):
    """The promise that breaks, how it is broken, and one cell of the offending row."""

    breaks: str
    how: str
    sql: str
    cell: tuple[str, object]


BREAKS = (
    Break(
        "I1",
        "a unit added without a delivery",
        "ALTER TABLE inventory.stock DROP CONSTRAINT conserved;"
        "UPDATE inventory.stock SET stock = stock + 1 WHERE product_id = 'PROD-002'",
        ("product_id", "PROD-002"),
    ),
    Break(
        "I1",
        "a negative stock",
        "ALTER TABLE inventory.stock DROP CONSTRAINT stock_stock_check;"
        "UPDATE inventory.stock SET stock = -1, total = -1 WHERE product_id = 'PROD-003'",
        ("stock", -1),
    ),
    Break(
        "I2",
        "a unit reserved without a reservation",
        "UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1"
        " WHERE product_id = 'PROD-002'",
        ("reserved", 1),
    ),
    Break(
        "I2",
        "a sale without a reservation",
        "UPDATE inventory.stock SET stock = stock - 1, sold = sold + 1"
        " WHERE product_id = 'PROD-003'",
        ("sold", 1),
    ),
    Break(
        "I3",
        "a second capture",
        "INSERT INTO gateway.charges SELECT gw_key || 'bis', provider, order_ref, amount_minor,"
        " currency, state, decline_code, now() FROM gateway.charges"
        f" WHERE order_ref = '{CONFIRMED}'",
        ("captures", 2),
    ),
    Break(
        "I4",
        "goods of a confirmed order released",
        f"{NO_TRIGGERS}"
        f"UPDATE inventory.reservations SET state = 'RELEASED' WHERE order_id = '{CONFIRMED}';"
        "UPDATE inventory.stock SET stock = stock + 2, sold = sold - 2"
        " WHERE product_id = 'PROD-001'",
        ("order_id", CONFIRMED),
    ),
    Break(
        "I4",
        "a reservation of another quantity than ordered",
        f"{NO_TRIGGERS}"
        f"UPDATE inventory.reservations SET quantity = 1 WHERE order_id = '{CONFIRMED}';"
        "UPDATE inventory.stock SET stock = stock + 1, sold = sold - 1"
        " WHERE product_id = 'PROD-001'",
        ("quantity", 1),
    ),
    Break(
        "I4",
        "a refund that no operator asked for",
        "UPDATE payments.payments SET cancel_reason = 'PAYMENT_TIMEOUT' WHERE state = 'REFUNDED'",
        ("charge", "REFUNDED"),
    ),
    Break(
        "I5",
        "money of a failed order kept",
        "UPDATE gateway.charges SET state = 'CAPTURED', captured_at = now()"
        f" WHERE order_ref = '{DECLINED}'",
        ("order_id", DECLINED),
    ),
    Break(
        "I5",
        "goods of a failed order kept",
        f"{NO_TRIGGERS}"
        "UPDATE inventory.reservations SET state = 'HELD', created_at = now()"
        f" WHERE order_id = '{DECLINED}';"
        "UPDATE inventory.stock SET stock = stock - 2, reserved = reserved + 2"
        " WHERE product_id = 'PROD-001'",
        ("reservation", "HELD"),
    ),
    Break(
        "I6",
        "a transfer with one leg",
        f"{NO_TRIGGERS}INSERT INTO payments.ledger VALUES ('gift', 1, 'merchant', 5, 'EUR')",
        ("transfer_id", "gift"),
    ),
    Break(
        "I7",
        "a capture of yesterday that is not in the ledger",
        f"{NO_TRIGGERS}DELETE FROM payments.ledger WHERE transfer_id = '{CONFIRMED}:cap'",
        ("order_ref", str(CONFIRMED)),
    ),
    Break(
        "I8",
        "an order that was confirmed, then failed",
        f"{NO_TRIGGERS}"
        "INSERT INTO orders.orders (id, product_id, quantity, unit_price_minor, amount_minor,"
        " currency, status, reason, version, next_attempt_at, deadline_at, settled_at)"
        f" VALUES ('{STRAY}', 'PROD-001', 1, 1, 1, 'EUR', 'FAILED', 'USER_CANCELLED', 3,"
        " now(), now(), now());"
        "INSERT INTO orders.history (order_id, version, src, dst, attempts) VALUES"
        f" ('{STRAY}', 0, NULL, 'PENDING', 0), ('{STRAY}', 1, 'PENDING', 'PENDING_PAYMENT', 0),"
        f" ('{STRAY}', 2, 'PENDING_PAYMENT', 'CONFIRMED', 0),"
        f" ('{STRAY}', 3, 'CONFIRMED', 'FAILED', 0)",
        ("dst", "FAILED"),
    ),
    Break(
        "I8",
        "a failed attempt that succeeded later",
        f"{NO_TRIGGERS}INSERT INTO payments.attempt_history (order_id, n, src, dst)"
        f" VALUES ('{DECLINED}', 1, 'FAILED', 'SUCCEEDED')",
        ("machine", "attempt"),
    ),
    Break(
        "I9",
        "two live attempts",
        "DROP INDEX payments.one_live_attempt;"
        "INSERT INTO payments.attempts"
        " (order_id, n, provider, gw_key, amount_minor, currency, state)"
        f" VALUES ('{PENDING}', 2, 'mock', 'ord_{PENDING}:2', 19998, 'EUR', 'UNKNOWN')",
        ("live_attempts", 2),
    ),
    Break(
        "I10",
        "an order of yesterday without an end",
        f"UPDATE orders.orders SET created_at = now() - interval '1 day' WHERE id = '{PENDING}'",
        ("order_id", PENDING),
    ),
    Break(
        "I11",
        "units held since yesterday for no order",
        "INSERT INTO inventory.reservations (order_id, product_id, quantity, state, created_at)"
        f" VALUES ('{STRAY}', 'PROD-002', 1, 'HELD', now() - interval '1 day');"
        "UPDATE inventory.stock SET stock = stock - 1, reserved = 1 WHERE product_id = 'PROD-002'",
        ("order_ref", str(STRAY)),
    ),
    Break(
        "I12",
        "one key, two orders",
        "ALTER TABLE orders.idempotency DROP CONSTRAINT idempotency_pkey;"
        f"{CLAIM} ('POST /orders', 'the-first-key-of-all', '', '{PENDING}', now(), now())",
        ("what", "key names several orders"),
    ),
    Break(
        "I12",
        "one order, two keys",
        f"{CLAIM} ('POST /orders', 'another-key-for-it', '', '{CONFIRMED}', now(), now())",
        ("what", "order answers to several keys"),
    ),
    Break(
        "I12",
        "a key whose order is gone",
        f"{CLAIM} ('POST /orders', 'key-of-a-lost-order', '', '{STRAY}', now(), now())",
        ("what", "key without its order"),
    ),
    Break(
        "I13",
        "a version that is missing in the history",
        f"{NO_TRIGGERS}DELETE FROM orders.history WHERE order_id = '{CONFIRMED}' AND version = 1",
        ("what", "gap before"),
    ),
    Break(
        "I13",
        "a step that the trigger did not record",
        f"{NO_TRIGGERS}"
        f"UPDATE orders.orders SET status = 'PENDING', version = 2 WHERE id = '{PENDING}'",
        ("what", "last line"),
    ),
    Break(
        "I15",
        "an amount that is not the price",
        f"{NO_TRIGGERS}"
        "ALTER TABLE orders.orders DROP CONSTRAINT amount_is_price_times_quantity;"
        f"UPDATE orders.orders SET amount_minor = 1 WHERE id = '{PENDING}'",
        ("what", "order"),
    ),
    Break(
        "I15",
        "a capture of another amount than asked for",
        "UPDATE gateway.charges SET amount_minor = 19999, captured_at = now()"
        f" WHERE order_ref = '{CONFIRMED}'",
        ("found_minor", 19999),
    ),
    Break(
        "R3",
        "a response about another order",
        f"UPDATE orders.idempotency SET response = '{STRAY}' WHERE order_id = '{CONFIRMED}'",
        ("order_id", CONFIRMED),
    ),
    Break(
        "R3",
        "a response 201 for an order that failed",
        f"UPDATE orders.idempotency SET status_code = 201 WHERE order_id = '{DECLINED}'",
        ("status", "FAILED"),
    ),
    Break(
        "R10",
        "an order without a next attempt",
        f"UPDATE orders.orders SET next_attempt_at = 'infinity' WHERE id = '{PENDING}'",
        ("order_ref", str(PENDING)),
    ),
    Break(
        "R10",
        "an attempt that no process looks up",
        f"{NO_TRIGGERS}UPDATE payments.payments SET state = 'FAILED' WHERE order_id = '{PENDING}'",
        ("what", "attempt that nothing looks up"),
    ),
)
