"""What came of a shop's orders and payments, by SQL over its database; any shop's, also ours.

Shares nothing with the twins, nor with the services: it reads what providers hold in the providers'
own tables, and compares."""

import asyncpg
import msgspec

from chassis.database.errors import UNANSWERED
from fleet.errors import CannotRun

_CONNECT_S = 5.0
_COUNT = """\
WITH charge AS (  -- what the providers took for each payment, and what of it they still hold
  SELECT payment_ref, amount_minor AS taken,
         CASE state WHEN 'CAPTURED' THEN amount_minor ELSE 0 END AS held
  FROM gateway.charges WHERE state IN ('CAPTURED', 'REFUNDED')
  UNION ALL
  SELECT i.metadata ->> 'payment', i.received_minor,
         i.received_minor - coalesce((SELECT sum(r.amount_minor) FROM acquirer.refunds r
                                      WHERE r.intent = i.id), 0)
  FROM acquirer.intents i WHERE i.metadata ->> 'payment' IS NOT NULL AND i.received_minor > 0
), purchase AS (  -- an order with what pays for it, or a payment for no order
  SELECT o.id AS order_id, o.status, o.stock_committed_at IS NOT NULL AS is_sold,
         p.payment_id AS payment, p.state, coalesce(o.amount_minor, p.amount_minor) AS amount,
         coalesce(c.held, 0) AS held, coalesce(c.taken, 0) AS taken
  FROM orders.orders o FULL JOIN payments.payments p ON p.order_id = o.id
  LEFT JOIN LATERAL (SELECT sum(held) AS held, sum(taken) AS taken FROM charge
                     WHERE payment_ref IN (o.payment_id::text, p.payment_id::text)) c ON true
), judged AS (
  SELECT purchase.*, r.state AS goods,
         purchase.state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING') AS is_open_payment,
         status IS NULL OR status = 'FAILED' OR status = 'CONFIRMED' AND is_sold AS is_over
  FROM purchase LEFT JOIN inventory.reservations r USING (order_id)
)
SELECT count(order_id) AS orders, count(payment) AS payments,
  count(*) FILTER (WHERE NOT is_over OR is_open_payment) AS stuck,
  count(*) FILTER (WHERE held > amount) AS charged_twice,
  count(*) FILTER (WHERE held > 0 AND NOT coalesce(is_open_payment, false) AND (
      status IS NULL AND state IN ('FAILED', 'CANCELLED', 'REFUNDED') OR status = 'FAILED'
      OR status = 'CONFIRMED' AND is_sold AND goods IS DISTINCT FROM 'COMMITTED'))
    + (SELECT count(DISTINCT payment_ref) FROM charge WHERE held > 0 AND payment_ref NOT IN (
        SELECT payment_id::text FROM payments.payments
        UNION ALL SELECT payment_id::text FROM orders.orders)) AS charged_without_goods,
  (SELECT coalesce(sum(r.quantity), 0) FROM inventory.reservations r
   LEFT JOIN judged j USING (order_id)
   WHERE r.state = 'HELD' AND coalesce(j.is_over, true)
      OR r.state = 'COMMITTED' AND (j.status IS DISTINCT FROM 'CONFIRMED' OR j.taken = 0)
  ) AS units_leaked
FROM judged"""


class Counts(msgspec.Struct, frozen=True):
    """What came of `orders` orders and `payments` payments. An order and what pays for it are one
    purchase, and so is a payment for no order.

    `stuck`: purchases that have not come to an end: the order is neither FAILED nor CONFIRMED with
    its goods sold, or the payment is PROCESSING, CANCELLING or REFUND_PENDING. It says something
    once every fault has ended and the shop has had its time.
    `charged_twice`: purchases for which providers hold, net of refunds, more than the amount.
    `charged_without_goods`: purchases for which providers hold money though the order FAILED, or
    its goods are not sold though it says so, or the payment for no order did not succeed; and
    payments that providers hold money for and nobody knows. Of an open payment it is not said.
    `units_leaked`: units on hold for an order that has come to its end or does not exist, and units
    sold to an order that is not CONFIRMED or for which no provider ever took money."""

    orders: int
    payments: int
    stuck: int
    charged_twice: int
    charged_without_goods: int
    units_leaked: int


async def counts(database_url: str) -> Counts:
    """The figures as they are now. Raises `CannotRun` when the database does not answer."""
    try:
        connection = await asyncpg.connect(database_url, timeout=_CONNECT_S)
        try:
            row = await connection.fetchrow(_COUNT)
        finally:
            await connection.close()
    except UNANSWERED as error:
        raise CannotRun(f"the shop's database does not answer: {error}") from None
    return Counts(**{name: int(value) for name, value in row.items()})
