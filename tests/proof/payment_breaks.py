"""How each promise about what a payment is made of is broken."""

from tests.proof.breaks import ATTEMPT, NO_TRIGGERS, OPEN, PAID, STRAY, UNPAID, Break
from tests.proof.rows import CONFIRMED, PENDING

PAYMENT_BREAKS = (
    Break(
        "I9",
        "two live attempts",
        "DROP INDEX payments.one_live_attempt;"
        f"{ATTEMPT} VALUES"
        f" ('{OPEN}', 1, 2, 'mock', 'pay_{OPEN}:1:2', 19998, 'EUR', 'UNKNOWN')",
        ("live_attempts", 2),
    ),
    Break(
        "I23",
        "a payment's state that is not its attempt's",
        f"{NO_TRIGGERS}UPDATE payments.payments SET state = 'FAILED' WHERE payment_id = '{PAID}'",
        ("other", "SUCCEEDED"),
        ("I4",),
    ),
    Break(
        "I23",
        "an attempt's history deleted",
        f"{NO_TRIGGERS}DELETE FROM payments.attempt_history WHERE payment_id = '{UNPAID}'",
        ("other", "no history"),
        ("I26", "I27"),
    ),
    Break(
        "I23",
        "a payment and its attempt that succeeded without the gateway",
        f"{NO_TRIGGERS}DELETE FROM gateway.charges WHERE payment_ref = '{UNPAID}'",
        ("other", "no charge"),
        ("I26",),
    ),
    Break(
        "I17",
        "a leg more than the payment",
        "ALTER TABLE payments.legs DISABLE TRIGGER legs_add_up;"
        "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
        f" VALUES ('{OPEN}', 2, 1, 'EUR', 'mock')",
        ("found", "19999 EUR"),
        ("I28",),
    ),
    Break(
        "I17",
        "a leg deleted, while its attempt stays",
        f"{NO_TRIGGERS}DELETE FROM payments.legs WHERE payment_id = '{OPEN}'",
        ("found", "no leg"),
        ("I26", "I27"),
        long=True,
    ),
    Break(
        "I17",
        "a leg of no payment",
        f"{NO_TRIGGERS}"
        "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
        f" VALUES ('{STRAY}', 1, 1, 'EUR', 'mock');"
        "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        f" VALUES ('{STRAY}', 1, 'route', 1, 'mock', 'so it seems', '{{}}')",
        ("expected", "no payment"),
        ("I28",),
        long=True,
    ),
    Break(
        "I17",
        "an attempt at another provider than its leg's",
        f"{NO_TRIGGERS}UPDATE payments.attempts SET provider = 'flaky' WHERE payment_id = '{PAID}'",
        ("found", "19998 EUR flaky"),
        long=True,
    ),
    Break(
        "I17",
        "an attempt over more than its leg",
        f"{NO_TRIGGERS}UPDATE payments.attempts SET amount_minor = 19999"
        f" WHERE payment_id = '{OPEN}'",
        ("found", "19999 EUR mock"),
    ),
    Break(
        "I28",
        "a decision lost",
        f"{NO_TRIGGERS}DELETE FROM payments.decisions WHERE payment_id = '{PAID}'",
        ("what", "leg without a decision"),
        ("I26", "I27"),
    ),
    Break(
        "I20",
        "a decision lost, and its payment made to look older than decisions",
        f"{NO_TRIGGERS}DELETE FROM payments.decisions WHERE payment_id = '{UNPAID}';"
        "ALTER TABLE payments.attempts DISABLE TRIGGER guard_attempt;"
        f"UPDATE payments.attempts SET gw_key = 'ord_{UNPAID}:1' WHERE payment_id = '{UNPAID}'",
        ("what", "charge that nobody asked for"),
        ("I23", "I26", "I27"),
    ),
    Break(
        "I28",
        "a decision about another provider",
        f"{NO_TRIGGERS}UPDATE payments.decisions SET provider = 'flaky'"
        f" WHERE payment_id = '{PAID}'",
        ("what", "leg without a decision"),
        ("I26", "I27"),
        long=True,
    ),
    Break(
        "I28",
        "a decision that is not the next one",
        "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        f" VALUES ('{PAID}', 3, 'route', 1, 'mock', 'so it seems', '{{}}')",
        ("what", "decision missing before the last"),
        long=True,
    ),
    Break(
        "I29",
        "an order that names another payment",
        f"{NO_TRIGGERS}UPDATE orders.orders SET payment_id = '{STRAY}' WHERE id = '{CONFIRMED}'",
        ("what", "order with another payment"),
        ("I4",),
    ),
    Break(
        "I29",
        "a payment that names another order",
        f"{NO_TRIGGERS}"
        f"UPDATE payments.payments SET order_id = '{STRAY}' WHERE payment_id = '{PAID}'",
        ("what", "payment of another order"),
        ("I4", "I20", "I26"),
    ),
    Break(
        "I29",
        "two orders, one payment",
        f"{NO_TRIGGERS}ALTER TABLE orders.orders DROP CONSTRAINT one_order_a_payment;"
        f"UPDATE orders.orders SET payment_id = '{PAID}' WHERE id = '{PENDING}'",
        ("what", "several orders"),
        long=True,
    ),
    Break(
        "I3",
        "two payments captured for one order",
        "ALTER TABLE payments.payments DROP CONSTRAINT one_payment_an_order;"
        f"{NO_TRIGGERS}"
        f"UPDATE payments.payments SET order_id = '{CONFIRMED}' WHERE payment_id = '{OPEN}';"
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
        f" captured_at) VALUES ('pay_{OPEN}:1:1', 'mock', '{OPEN}', 19998, 'EUR', 'CAPTURED',"
        " now())",
        ("captures", 2),
        ("I26", "I29"),
    ),
)
