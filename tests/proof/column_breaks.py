"""How a column that never changes is changed, with no trigger in the way."""

from tests.proof.breaks import GIVEN_BACK, NO_TRIGGERS, PAID, UNPAID, Break
from tests.proof.rows import CONFIRMED

COLUMN_BREAKS = (
    Break(
        "I13",
        "an order made a day earlier",
        f"{NO_TRIGGERS}UPDATE orders.orders SET created_at = created_at - interval '1 day'"
        f" WHERE id = '{CONFIRMED}'",
        ("what", "made at another time"),
    ),
    Break(
        "I13",
        "an order with the trace of another",
        f"{NO_TRIGGERS}UPDATE orders.orders SET traceparent = '00-1-1-01' WHERE id = '{CONFIRMED}'",
        ("what", "trace of no step"),
    ),
    Break(
        "I23",
        "a payment made a day earlier",
        f"{NO_TRIGGERS}UPDATE payments.payments SET created_at = created_at - interval '1 day'"
        f" WHERE payment_id = '{PAID}'",
        ("what", "made at another time than its legs"),
    ),
    Break(
        "I23",
        "a payment declined for another reason",
        f"{NO_TRIGGERS}UPDATE payments.payments SET decline_code = 'lost_card'"
        f" WHERE payment_id = '{UNPAID}'",
        ("what", "declined as no attempt was"),
    ),
    Break(
        "I23",
        "a charge captured a year earlier",
        f"{NO_TRIGGERS}UPDATE gateway.charges SET captured_at = captured_at - interval '1 year'"
        f" WHERE payment_ref = '{PAID}'",
        ("what", "captured before it was asked for"),
    ),
    Break(
        "I20",
        "a payment of an order that says it was made by hand",
        f"{NO_TRIGGERS}UPDATE payments.payments SET made_by = 'hand' WHERE payment_id = '{PAID}'",
        ("what", "payment of an order, by hand"),
    ),
    Break(
        "I20",
        "a payment that says it was made for a capture",
        f"{NO_TRIGGERS}UPDATE payments.payments SET made_by = 'capture'"
        f" WHERE payment_id = '{GIVEN_BACK}'",
        ("what", "payment for a capture that was asked for"),
    ),
    Break(
        "I20",
        "a reservation of an order that says it was made by hand",
        f"{NO_TRIGGERS}UPDATE inventory.reservations SET made_by = 'hand'"
        f" WHERE order_id = '{CONFIRMED}'",
        ("what", "reservation of an order, by hand"),
    ),
    Break(
        "I31",
        "a payment given to another, in its events as well",
        f"{NO_TRIGGERS}UPDATE payments.payments SET owner = 'mallory' WHERE payment_id = '{PAID}';"
        'UPDATE payments.outbox SET payload = payload || \'{"owner": "mallory"}\''
        f" WHERE aggregate_id = '{PAID}'",
        ("what", "payment of another"),
    ),
    Break(
        "I31",
        "an order given to another, together with its payment",
        f"{NO_TRIGGERS}UPDATE orders.orders SET owner = 'mallory' WHERE id = '{CONFIRMED}';"
        f"UPDATE payments.payments SET owner = 'mallory' WHERE payment_id = '{PAID}'",
        ("what", "order that its events give to another"),
    ),
    Break(
        "I24",
        "a product at a price that is not noted",
        f"{NO_TRIGGERS}UPDATE orders.products SET price_minor = 1",
        ("product_id", "PROD-001"),
    ),
)
