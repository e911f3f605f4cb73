"""How each promise about what a payment is made of is broken."""

from tests.proof.breaks import ATTEMPT, NO_TRIGGERS, OPEN, PAID, STRAY, UNPAID, Break
from tests.proof.rows import CONFIRMED, PENDING

# The open payment in two legs, as it stands while the accounts are asked.
_TWO_LEGS = (
    "ALTER TABLE payments.legs DISABLE TRIGGER legs_add_up;"
    "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
    f" VALUES ('{OPEN}', 2, 1, 'EUR', 'mock');"
    "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
    f" VALUES ('{OPEN}', 2, 'route', 2, 'mock', 'so it seems', '{{}}');"
)
PAYMENT_BREAKS = (
    Break(
        "P3",
        "another account asked while the first is unknown",
        "DROP INDEX payments.one_live_attempt;"
        "ALTER TABLE payments.legs DISABLE TRIGGER legs_are_append_only;"
        f"UPDATE payments.legs SET fallbacks = '{{flaky}}' WHERE payment_id = '{OPEN}';"
        f"{ATTEMPT} VALUES"
        f" ('{OPEN}', 1, 2, 'flaky', 'pay_{OPEN}:1:2', 19998, 'EUR', 'UNKNOWN')",
        ("asked", "flaky"),
        ("I9", "I26", "I27"),
    ),
    Break(
        "P2",
        "one of two legs captured, and nobody decided to",
        f"{_TWO_LEGS}{ATTEMPT} VALUES"
        f" ('{OPEN}', 2, 1, 'mock', 'pay_{OPEN}:2:1', 1, 'EUR', 'SUCCEEDED')",
        ("what", "captured before the decision"),
        ("I17", "I22", "I23"),
    ),
    Break(
        "P1",
        "money at the acquirer that we believe was never taken",
        f"UPDATE payments.attempts SET provider_ref = 'pi_1' WHERE payment_id = '{UNPAID}';"
        "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
        " received_minor, client_secret, metadata) VALUES ('pi_1', 'alfa', 19998, 'eur',"
        f" 'automatic', 'succeeded', 19998, 's', '{{\"attempt\": \"pay_{UNPAID}:1:1\"}}')",
        ("acquirer_minor", 19998),
    ),
    Break(
        "I9",
        "two live attempts",
        "DROP INDEX payments.one_live_attempt;"
        f"{ATTEMPT} VALUES"
        f" ('{OPEN}', 1, 2, 'mock', 'pay_{OPEN}:1:2', 19998, 'EUR', 'UNKNOWN')",
        ("live_attempts", 2),
        ("P3",),
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
