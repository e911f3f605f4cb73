"""How each promise is broken: its guards removed, then a statement that no service would make."""

import re
from uuid import UUID

import msgspec

from tests.proof.rows import CONFIRMED, DECLINED, PENDING, REFUNDED, payment_of

STRAY = UUID("00000000-0000-4000-8000-0000000000ff")
PAID, UNPAID = payment_of(CONFIRMED), payment_of(DECLINED)
GIVEN_BACK, OPEN = payment_of(REFUNDED), payment_of(PENDING)
POST = (
    "INSERT INTO payments.ledger (payment_id, leg_n, kind, line, account, amount_minor, currency)"
)
ATTEMPT = (
    "INSERT INTO payments.attempts"
    " (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, state)"
)
NO_TRIGGERS = "SET session_replication_role = replica;"
CLAIM = "INSERT INTO orders.idempotency (scope, key, request_hash, order_id, locked_until) VALUES"

_TAKES_A_GUARD_AWAY = re.compile(
    # One that is put back as it was stands as it was made.
    "DROP (CONSTRAINT|INDEX)|DISABLE TRIGGER(?!.*ENABLE ALWAYS)",
    re.DOTALL,
)


class Break(msgspec.Struct, frozen=True):
    """The promise that breaks, how it is broken, one cell of the offending row, and the other
    promises that break with it. One that is not `marked` is found only where history is read; one
    that is `long` says no more than its neighbours do."""

    breaks: str
    how: str
    sql: str
    cell: tuple[str, object]
    also: tuple[str, ...] = ()
    marked: bool = True
    long: bool = False

    @property
    def promises(self) -> set[str]:
        """All that break. Who takes a guard away first breaks the promise about guards as well."""
        guards = {"I30"} if _TAKES_A_GUARD_AWAY.search(self.sql) else set()
        return {self.breaks, *self.also, *guards}


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
        ("I21",),
    ),
    Break(
        "I21",
        "a unit reserved without a reservation",
        "UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1"
        " WHERE product_id = 'PROD-002'",
        ("reserved", 1),
    ),
    Break(
        "I21",
        "a sale without a reservation",
        "UPDATE inventory.stock SET stock = stock - 1, sold = sold + 1"
        " WHERE product_id = 'PROD-003'",
        ("sold", 1),
    ),
    Break(
        "I3",
        "a second capture",
        "INSERT INTO gateway.charges SELECT gw_key || 'bis', provider, payment_ref, amount_minor,"
        " currency, state, decline_code, now() FROM gateway.charges"
        f" WHERE payment_ref = '{PAID}'",
        ("captures", 2),
        ("I20",),
    ),
    Break(
        "I4",
        "goods of a confirmed order released",
        f"{NO_TRIGGERS}"
        f"UPDATE inventory.reservations SET state = 'RELEASED' WHERE order_id = '{CONFIRMED}';"
        "UPDATE inventory.stock SET stock = stock + 2, sold = sold - 2"
        " WHERE product_id = 'PROD-001'",
        ("order_id", CONFIRMED),
        (
            "I21",
            "I2",
        ),
    ),
    Break(
        "I4",
        "a reservation of another quantity than ordered",
        f"{NO_TRIGGERS}"
        f"UPDATE inventory.reservations SET quantity = 1 WHERE order_id = '{CONFIRMED}';"
        "UPDATE inventory.stock SET stock = stock + 1, sold = sold - 1"
        " WHERE product_id = 'PROD-001'",
        ("quantity", 1),
        (
            "I21",
            "I2",
        ),
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
        f" WHERE payment_ref = '{UNPAID}'",
        ("order_id", DECLINED),
        ("I23",),
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
        (
            "I21",
            "I2",
        ),
    ),
    Break(
        "I6",
        "a transfer with one leg",
        f"{NO_TRIGGERS}{POST} VALUES ('{STRAY}', 1, 'capture', 1, 'merchant', 5, 'EUR')",
        ("payment_id", STRAY),
        ("I20",),
    ),
    Break(
        "I7",
        "a capture of yesterday that is not in the ledger",
        f"{NO_TRIGGERS}DELETE FROM payments.ledger WHERE payment_id = '{PAID}'",
        ("payment_ref", str(PAID)),
        ("I22", "I26", "I27"),
    ),
    Break(
        "I8",
        "an order that was confirmed, then failed",
        f"{NO_TRIGGERS}"
        "INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor,"
        " amount_minor, currency, status, reason, version, next_attempt_at, deadline_at,"
        " settled_at)"
        f" VALUES ('{STRAY}', gen_random_uuid(), 'PROD-001', 1, 1, 1, 'EUR', 'FAILED',"
        " 'USER_CANCELLED', 3, now(), now(), now());"
        "INSERT INTO orders.history (order_id, version, src, dst, attempts) VALUES"
        f" ('{STRAY}', 0, NULL, 'PENDING', 0), ('{STRAY}', 1, 'PENDING', 'PENDING_PAYMENT', 0),"
        f" ('{STRAY}', 2, 'PENDING_PAYMENT', 'CONFIRMED', 0),"
        f" ('{STRAY}', 3, 'CONFIRMED', 'FAILED', 0)",
        ("dst", "FAILED"),
        ("I24", "I13", "E1"),
    ),
    Break(
        "I8",
        "a failed attempt that succeeded later",
        f"{NO_TRIGGERS}INSERT INTO payments.attempt_history (payment_id, leg_n, n, src, dst)"
        f" VALUES ('{UNPAID}', 1, 1, 'FAILED', 'SUCCEEDED')",
        ("machine", "attempt"),
        ("I23",),
    ),
    Break(
        "I10",
        "an order of yesterday without an end",
        f"UPDATE orders.orders SET created_at = now() - interval '1 day' WHERE id = '{PENDING}'",
        ("order_id", PENDING),
        ("I13",),
    ),
    Break(
        "I11",
        "units held since yesterday for no order",
        "INSERT INTO inventory.reservations (order_id, product_id, quantity, state, created_at)"
        f" VALUES ('{STRAY}', 'PROD-002', 1, 'HELD', now() - interval '1 day');"
        "UPDATE inventory.stock SET stock = stock - 1, reserved = 1 WHERE product_id = 'PROD-002'",
        ("ref", str(STRAY)),
        (
            "I21",
            "I2",
            "I20",
        ),
    ),
    Break(
        "I12",
        "one key, two orders",
        "ALTER TABLE orders.idempotency DROP CONSTRAINT idempotency_pkey;"
        f"{CLAIM} ('POST /orders', 'the-first-key-of-all', '', '{PENDING}', now())",
        ("what", "key names several orders"),
    ),
    Break(
        "I12",
        "one order, two keys",
        f"{CLAIM} ('POST /orders', 'another-key-for-it', '', '{CONFIRMED}', now())",
        ("what", "order answers to several keys"),
    ),
    Break(
        "I12",
        "a key whose order is gone",
        f"{CLAIM} ('POST /orders', 'key-of-a-lost-order', '', '{STRAY}', now())",
        ("what", "key without its order"),
    ),
    Break(
        "I13",
        "a version that is missing in the history",
        f"{NO_TRIGGERS}DELETE FROM orders.history WHERE order_id = '{CONFIRMED}' AND version = 1",
        ("what", "gap before"),
        ("I26", "I27"),
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
        f" WHERE payment_ref = '{PAID}'",
        ("found_minor", 19999),
    ),
    Break(
        "R3",
        "a response about another order",
        f"{NO_TRIGGERS}"
        f"UPDATE orders.idempotency SET response = '{STRAY}' WHERE order_id = '{CONFIRMED}'",
        ("order_id", CONFIRMED),
        ("I26", "I27"),
    ),
    Break(
        "R3",
        "a response 201 for an order that failed",
        f"{NO_TRIGGERS}"
        f"UPDATE orders.idempotency SET status_code = 201 WHERE order_id = '{DECLINED}'",
        ("status", "FAILED"),
        ("I26", "I27"),
    ),
    Break(
        "R10",
        "an order without a next attempt",
        f"UPDATE orders.orders SET next_attempt_at = 'infinity' WHERE id = '{PENDING}'",
        ("ref", str(PENDING)),
    ),
    Break(
        "R10",
        "an attempt that no process looks up",
        f"{NO_TRIGGERS}UPDATE payments.payments SET state = 'FAILED' WHERE payment_id = '{OPEN}'",
        ("what", "attempt that nothing looks up"),
        ("I23", "E1"),
    ),
    # ---- what has nothing to start from ----------------------------------------------------------
    Break(
        "I20",
        "an order deleted with its history and its key, while money and goods stay",
        f"{NO_TRIGGERS}"
        f"DELETE FROM orders.orders WHERE id = '{CONFIRMED}';"
        f"DELETE FROM orders.history WHERE order_id = '{CONFIRMED}';"
        f"DELETE FROM orders.idempotency WHERE order_id = '{CONFIRMED}'",
        ("ref", str(CONFIRMED)),
        ("I26", "I27", "E1"),
    ),
    Break(
        "I20",
        "a paid payment of no order",
        f"INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state)"
        f" VALUES ('{STRAY}', '{STRAY}', 500, 'EUR', 'SUCCEEDED');"
        "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
        f" VALUES ('{STRAY}', 1, 500, 'EUR', 'mock');"
        "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        f" VALUES ('{STRAY}', 1, 'route', 1, 'mock', 'so it seems', '{{}}');"
        f"{ATTEMPT} VALUES"
        f" ('{STRAY}', 1, 1, 'mock', 'pay_{STRAY}:1:1', 500, 'EUR', 'SUCCEEDED');"
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
        f" captured_at) VALUES ('pay_{STRAY}:1:1', 'mock', '{STRAY}', 500, 'EUR', 'CAPTURED',"
        f" now()); {POST} VALUES"
        f" ('{STRAY}', 1, 'capture', 1, 'gateway_clearing', 500, 'EUR'),"
        f" ('{STRAY}', 1, 'capture', 2, 'merchant', -500, 'EUR')",
        ("what", "payment"),
    ),
    Break(
        "I20",
        "goods sold to no order",
        "INSERT INTO inventory.reservations (order_id, product_id, quantity, state)"
        f" VALUES ('{STRAY}', 'PROD-002', 1, 'COMMITTED');"
        "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        f" VALUES ('{STRAY}', 'reserved', 'PROD-002', 1), ('{STRAY}', 'sold', 'PROD-002', 1);"
        "UPDATE inventory.stock SET stock = stock - 1, sold = sold + 1"
        " WHERE product_id = 'PROD-002'",
        ("what", "reservation"),
    ),
    Break(
        "I20",
        "a declined charge that nobody asked for",
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, state)"
        f" VALUES ('pay_{STRAY}:1:1', 'mock', '{STRAY}', 'DECLINED')",
        ("what", "charge that nobody asked for"),
    ),
    Break(
        "I20",
        "a payment deleted, while its attempt stays",
        f"{NO_TRIGGERS}DELETE FROM payments.payments WHERE payment_id = '{UNPAID}'",
        ("what", "attempt without its payment"),
        ("I17", "I25", "I26", "I28", "E1"),
    ),
    Break(
        "I20",
        "an attempt deleted, while its payment stays",
        f"{NO_TRIGGERS}DELETE FROM payments.attempts WHERE payment_id = '{UNPAID}'",
        ("what", "payment without an attempt"),
        ("I23", "I26"),
    ),
    Break(
        "I21",
        "stock and total changed together",
        "UPDATE inventory.stock SET stock = stock + 5, total = total + 5"
        " WHERE product_id = 'PROD-002'",
        ("delivered", 50),
    ),
    Break(
        "I2",
        "a move of no reservation",
        "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        f" VALUES ('{STRAY}', 'reserved', 'PROD-002', 1), ('{STRAY}', 'released', 'PROD-002', 1)",
        ("reserved", 1),
    ),
    Break(
        "I22",
        "an account renamed",
        f"{NO_TRIGGERS}ALTER TABLE payments.ledger DROP CONSTRAINT known_account;"
        f"UPDATE payments.ledger SET account = 'pocket' WHERE payment_id = '{PAID}'"
        " AND account = 'merchant'",
        ("what", "unknown account"),
        ("I26", "I27"),
    ),
    Break(
        "I22",
        "a balanced transfer between strange accounts",
        "ALTER TABLE payments.ledger DROP CONSTRAINT known_account,"
        f" DROP CONSTRAINT known_transfer; {POST} VALUES"
        f" ('{PAID}', 1, 'fee', 1, 'pocket', 5, 'EUR'),"
        f" ('{PAID}', 1, 'fee', 2, 'merchant', -5, 'EUR')",
        ("what", "unknown transfer"),
    ),
    Break(
        "I22",
        "a balanced transfer that nothing was taken for",
        f"{POST} VALUES ('{UNPAID}', 1, 'capture', 1, 'gateway_clearing', 5, 'EUR'),"
        f" ('{UNPAID}', 1, 'capture', 2, 'merchant', -5, 'EUR')",
        ("payment_id", UNPAID),
    ),
    Break(
        "I24",
        "a price changed in every book alike",
        f"{NO_TRIGGERS}"
        "ALTER TABLE orders.orders DROP CONSTRAINT amount_is_price_times_quantity;"
        "UPDATE orders.orders SET unit_price_minor = 1, amount_minor = 2"
        f" WHERE id = '{CONFIRMED}';"
        f"UPDATE payments.payments SET amount_minor = 2 WHERE payment_id = '{PAID}';"
        f"UPDATE payments.legs SET amount_minor = 2 WHERE payment_id = '{PAID}';"
        f"UPDATE payments.attempts SET amount_minor = 2 WHERE payment_id = '{PAID}';"
        "UPDATE payments.ledger SET amount_minor = sign(amount_minor) * 2"
        f" WHERE payment_id = '{PAID}';"
        f"UPDATE gateway.charges SET amount_minor = 2 WHERE payment_ref = '{PAID}';"
        "UPDATE orders.idempotency SET response = convert_to(replace(convert_from(response,"
        " 'UTF8'), '19998', '2'), 'UTF8')"
        f" WHERE order_id = '{CONFIRMED}'",
        ("order_id", CONFIRMED),
        ("I26", "I27"),
    ),
    Break(
        "I24",
        "a price noted before orders that paid another one",
        "INSERT INTO orders.prices VALUES ('PROD-001', now() - interval '2 days', 1, 'EUR')",
        ("order_id", CONFIRMED),
    ),
    Break(
        "I24",
        "a currency changed in every book alike",
        f"{NO_TRIGGERS}"
        f"UPDATE orders.orders SET currency = 'USD' WHERE id = '{REFUNDED}';"
        f"UPDATE payments.payments SET currency = 'USD' WHERE payment_id = '{GIVEN_BACK}';"
        f"UPDATE payments.legs SET currency = 'USD' WHERE payment_id = '{GIVEN_BACK}';"
        f"UPDATE payments.attempts SET currency = 'USD' WHERE payment_id = '{GIVEN_BACK}';"
        f"UPDATE payments.ledger SET currency = 'USD' WHERE payment_id = '{GIVEN_BACK}';"
        f"UPDATE gateway.charges SET currency = 'USD' WHERE payment_ref = '{GIVEN_BACK}'",
        ("currency", "USD"),
        ("I26", "I27"),
    ),
    Break(
        "R3",
        "an amount altered in a stored response",
        f"{NO_TRIGGERS}"
        "UPDATE orders.idempotency SET response = convert_to(replace(convert_from(response,"
        " 'UTF8'), '19998', '19997'), 'UTF8')"
        f" WHERE order_id = '{CONFIRMED}'",
        ("order_id", CONFIRMED),
        ("I26", "I27"),
    ),
    Break(
        "I13",
        "a reason rewritten",
        f"UPDATE orders.orders SET reason = 'PAYMENT_TIMEOUT' WHERE id = '{DECLINED}'",
        ("what", "last line"),
    ),
    Break(
        "I25",
        "a reason rewritten in the history as well",
        f"{NO_TRIGGERS}"
        f"UPDATE orders.orders SET reason = 'OUT_OF_STOCK' WHERE id = '{DECLINED}';"
        f"UPDATE orders.history SET reason = 'OUT_OF_STOCK' WHERE order_id = '{DECLINED}'"
        " AND reason IS NOT NULL",
        ("reason", "OUT_OF_STOCK"),
        ("I26", "I27"),
    ),
    Break(
        "I4",
        "a confirmed order refunded by nobody",
        f"{NO_TRIGGERS}"
        f"UPDATE payments.payments SET cancelled_by = NULL WHERE payment_id = '{GIVEN_BACK}'",
        ("order_id", REFUNDED),
    ),
    Break(
        "I11",
        "a payment of yesterday that waits for a human",
        "UPDATE payments.payments SET needs_review = true, updated_at = now() - interval '1 day'"
        f" WHERE payment_id = '{PAID}'",
        ("what", "payment that needs a human"),
    ),
    # ---- the record itself -----------------------------------------------------------------------
    Break(
        "I26",
        "a line of the ledger changed in words only",
        f"{NO_TRIGGERS}UPDATE payments.ledger SET posted_at = posted_at - interval '1 day'"
        f" WHERE payment_id = '{PAID}'",
        ("what", "payments.ledger"),
        ("I27",),
    ),
    Break(
        "I27",
        "a line written into a time that is sealed",
        "INSERT INTO payments.attempt_history (payment_id, leg_n, n, src, dst, changed_in)"
        f" SELECT '{PAID}', 1, 1, 'SUCCEEDED', 'SUCCEEDED', min(changed_in)"
        " FROM payments.attempt_history",
        ("what", "payments.attempt_history"),
        ("I8",),
        marked=False,
    ),
    Break(
        "I3",
        "a second capture with an old mark",
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
        " captured_at, changed_in) SELECT gw_key || 'bis', provider, payment_ref, amount_minor,"
        " currency, state, captured_at, changed_in FROM gateway.charges"
        f" WHERE payment_ref = '{PAID}'",
        ("captures", 2),
        ("I20", "I7"),
        marked=False,
    ),
    Break(
        "I27",
        "a link of the chain altered",
        "ALTER TABLE proof.chain DISABLE TRIGGER chain_is_append_only;"
        "UPDATE proof.chain SET tables = jsonb_set(tables, '{payments.ledger,0}', '0');"
        "ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only",
        ("what", "the link itself"),
    ),
)
