"""Promises about money: nobody pays twice, and our ledger agrees with the gateway's records."""

from proof.invariant import Invariant

NOBODY_PAYS_TWICE = Invariant(
    id="I3",
    kind="A",
    title="Nobody pays twice",
    promise="The gateway has at most one capture per order and leg that was not refunded, and of a "
    "payment no more than its amount.",
    sql="""\
SELECT coalesce(p.order_id::text, c.payment_ref) AS order_ref, coalesce(a.leg_n, 1) AS leg_n,
       count(*) AS captures, sum(c.amount_minor) AS taken_minor,
       string_agg(c.gw_key, ', ' ORDER BY c.captured_at, c.gw_key) AS gw_keys
FROM gateway.charges c
LEFT JOIN payments.payments p ON p.payment_id::text = c.payment_ref
LEFT JOIN payments.attempts a ON a.gw_key = c.gw_key
WHERE c.state = 'CAPTURED'
GROUP BY 1, 2
HAVING count(*) > 1
UNION ALL
-- One leg each, under two plans.
SELECT coalesce(p.order_id::text, c.payment_ref), NULL, count(*), sum(c.amount_minor),
       string_agg(c.gw_key, ', ' ORDER BY c.captured_at, c.gw_key)
FROM gateway.charges c JOIN payments.payments p ON p.payment_id::text = c.payment_ref
WHERE c.state = 'CAPTURED'
GROUP BY 1, p.amount_minor
HAVING count(DISTINCT c.gw_key) > 1 AND sum(c.amount_minor) > p.amount_minor
ORDER BY 1, 2""",
    enforced_by="one payment per order, one live attempt per leg, one provider key per attempt",
)

LEDGER_BALANCES = Invariant(
    id="I6",
    kind="A",
    title="The ledger balances",
    promise="Every transfer in the ledger sums to zero in every currency, and so does the whole.",
    sql="""\
SELECT payment_id, leg_n, kind, currency, sum(amount_minor) AS off_by_minor, count(*) AS lines
FROM payments.ledger
GROUP BY payment_id, leg_n, kind, currency
HAVING sum(amount_minor) <> 0
ORDER BY payment_id, leg_n, kind""",
    enforced_by="deferred constraint trigger on payments.ledger",
)

RECORDS_AGREE = Invariant(
    id="I7",
    kind="Q",
    title="Our records agree with the gateway",
    promise="For every payment, ledger, attempts and the gateway show the same amount.",
    sql="""\
WITH charged AS (
  SELECT payment_ref, currency, sum(amount_minor) FILTER (WHERE state = 'CAPTURED') AS minor,
         max(greatest(captured_at, refunded_at)) AS at
  FROM gateway.charges WHERE state IN ('CAPTURED', 'REFUNDED') GROUP BY payment_ref, currency
), attempted AS (
  SELECT payment_id::text AS payment_ref, currency, sum(amount_minor) AS minor,
         max(updated_at) AS at
  FROM payments.attempts WHERE state = 'SUCCEEDED' AND provider IN ('mock', 'flaky')
  GROUP BY payment_id, currency
), posted AS (
  SELECT l.payment_id::text AS payment_ref, l.currency, sum(l.amount_minor) AS minor,
         max(l.posted_at) AS at
  FROM payments.ledger l
  -- What was posted for an account outside is compared with the acquirer's record.
  WHERE l.account = 'gateway_clearing' AND NOT EXISTS (
    SELECT 1 FROM payments.attempts a WHERE (a.payment_id, a.leg_n) = (l.payment_id, l.leg_n)
      AND a.state IN ('SUCCEEDED', 'REFUNDED') AND a.provider NOT IN ('mock', 'flaky'))
  GROUP BY l.payment_id, l.currency
)
SELECT payment_ref, currency, coalesce(charged.minor, 0) AS gateway_minor,
       coalesce(attempted.minor, 0) AS attempts_minor, coalesce(posted.minor, 0) AS ledger_minor,
       greatest(charged.at, attempted.at, posted.at) AS since
FROM charged FULL JOIN attempted USING (payment_ref, currency)
          FULL JOIN posted USING (payment_ref, currency)
WHERE coalesce(charged.minor, 0) <> coalesce(posted.minor, 0)
   OR coalesce(charged.minor, 0) <> coalesce(attempted.minor, 0)""",
    enforced_by="one writer of outcomes; lookup of every unknown attempt",
)

THE_PRICE_IS_THE_PRICE = Invariant(
    id="I15",
    kind="A",
    title="The price is the price",
    promise="What was charged is what was ordered: price times quantity; never more is refunded.",
    sql="""\
SELECT 'order' AS what, id::text AS ref, unit_price_minor * quantity AS expected_minor,
       amount_minor AS found_minor
FROM orders.orders WHERE amount_minor <> unit_price_minor * quantity
UNION ALL
SELECT 'payment', o.id::text, o.amount_minor, p.amount_minor
FROM payments.payments p JOIN orders.orders o ON o.id = p.order_id
WHERE p.amount_minor IS NOT NULL
  AND (p.amount_minor, p.currency) IS DISTINCT FROM (o.amount_minor, o.currency)
UNION ALL
SELECT 'charge', c.payment_ref, a.amount_minor, c.amount_minor
FROM gateway.charges c JOIN payments.attempts a USING (gw_key)
WHERE c.state IN ('CAPTURED', 'REFUNDED')
  AND (c.amount_minor, c.currency) IS DISTINCT FROM (a.amount_minor, a.currency)
UNION ALL
SELECT 'refund', payment_id::text,
       sum(amount_minor) FILTER (WHERE amount_minor > 0),
       -sum(amount_minor) FILTER (WHERE amount_minor < 0)
FROM payments.ledger WHERE account = 'gateway_clearing'
GROUP BY payment_id, leg_n, currency
HAVING sum(amount_minor) < 0""",
    enforced_by="price snapshot in the order; guards on orders, payments and attempts",
)

EVERY_TRANSFER_IS_KNOWN = Invariant(
    id="I22",
    kind="A",
    title="Every transfer is one the shop makes",
    promise="For each leg the ledger has one capture if it was taken, one refund if given back, "
    "and no other account or transfer.",
    sql="""\
SELECT 'unknown account' AS what, payment_id, leg_n, kind, account AS found, amount_minor
FROM payments.ledger WHERE account NOT IN ('gateway_clearing', 'merchant')
UNION ALL
SELECT 'unknown transfer', payment_id, leg_n, kind, account, amount_minor
FROM payments.ledger WHERE kind NOT IN ('capture', 'refund') OR line NOT IN (1, 2)
UNION ALL
SELECT 'transfer that is missing or too much', payment_id, leg_n, kind,
       'should be ' || coalesce(e.minor, 0), coalesce(l.minor, 0)
FROM (
  SELECT payment_id, leg_n, 'capture' AS kind, sum(amount_minor) AS minor
  FROM payments.attempts WHERE state IN ('SUCCEEDED', 'REFUNDED') GROUP BY payment_id, leg_n
  UNION ALL
  SELECT payment_id, leg_n, 'refund', -sum(amount_minor)
  FROM payments.attempts WHERE state = 'REFUNDED' GROUP BY payment_id, leg_n
) e FULL JOIN (
  SELECT payment_id, leg_n, kind, sum(amount_minor) AS minor
  FROM payments.ledger WHERE account = 'gateway_clearing' GROUP BY payment_id, leg_n, kind
) l USING (payment_id, leg_n, kind)
WHERE coalesce(e.minor, 0) <> coalesce(l.minor, 0)""",
    enforced_by="CHECK on the account; an attempt moves and is posted in one statement",
)

THE_PRICE_WAS_THE_LISTS = Invariant(
    id="I24",
    kind="A",
    title="The price was the list's",
    promise="An order was placed at a price that the price list had when it was placed, and a "
    "product has its newest price.",
    # An order reads the list some moments after its transaction began, which is its time.
    sql="""\
SELECT o.id AS order_id, o.product_id, o.unit_price_minor, o.currency, o.created_at
FROM orders.orders o
WHERE NOT EXISTS (
  SELECT 1 FROM (SELECT product_id, price_minor, currency, since,
                        lead(since) OVER (PARTITION BY product_id ORDER BY since) AS until
                 FROM orders.prices) p
  WHERE p.product_id = o.product_id AND p.price_minor = o.unit_price_minor
    AND p.currency = o.currency AND p.since <= o.created_at + interval '10 seconds'
    AND coalesce(p.until, 'infinity') >= o.created_at - interval '10 seconds')
UNION ALL
SELECT NULL, s.product_id, s.price_minor, s.currency, p.since
FROM orders.products s
LEFT JOIN LATERAL (SELECT price_minor, currency, since FROM orders.prices
                   WHERE product_id = s.product_id ORDER BY since DESC LIMIT 1) p ON true
WHERE (p.price_minor, p.currency) IS DISTINCT FROM (s.price_minor, s.currency)
ORDER BY order_id""",
    enforced_by="the order is written from the price list in one statement",
)

INVARIANTS = (
    NOBODY_PAYS_TWICE,
    LEDGER_BALANCES,
    EVERY_TRANSFER_IS_KNOWN,
    RECORDS_AGREE,
    THE_PRICE_IS_THE_PRICE,
    THE_PRICE_WAS_THE_LISTS,
)
