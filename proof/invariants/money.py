"""Promises about money: nobody pays twice, and our ledger agrees with the gateway's records."""

from proof.invariant import Invariant

NOBODY_PAYS_TWICE = Invariant(
    id="I3",
    kind="A",
    title="Nobody pays twice",
    promise="The gateway has at most one capture per order that was not refunded.",
    sql="""\
SELECT order_ref, count(*) AS captures, sum(amount_minor) AS taken_minor,
       string_agg(gw_key, ', ' ORDER BY captured_at) AS gw_keys
FROM gateway.charges
WHERE state = 'CAPTURED'
GROUP BY order_ref
HAVING count(*) > 1
ORDER BY order_ref""",
    enforced_by="one provider key per attempt, one live attempt per payment",
)

LEDGER_BALANCES = Invariant(
    id="I6",
    kind="A",
    title="The ledger balances",
    promise="Every transfer in the ledger sums to zero in every currency, and so does the whole.",
    sql="""\
SELECT transfer_id, currency, sum(amount_minor) AS off_by_minor, count(*) AS lines
FROM payments.ledger
GROUP BY transfer_id, currency
HAVING sum(amount_minor) <> 0
ORDER BY transfer_id""",
    enforced_by="deferred constraint trigger on payments.ledger",
)

RECORDS_AGREE = Invariant(
    id="I7",
    kind="Q",
    title="Our records agree with the gateway",
    promise="For every order, ledger, payment attempts and the gateway show the same amount.",
    sql="""\
WITH charged AS (
  SELECT order_ref, currency, sum(amount_minor) FILTER (WHERE state = 'CAPTURED') AS minor,
         max(greatest(captured_at, refunded_at)) AS at
  FROM gateway.charges WHERE state IN ('CAPTURED', 'REFUNDED') GROUP BY order_ref, currency
), attempted AS (
  SELECT order_id::text AS order_ref, currency, sum(amount_minor) AS minor, max(updated_at) AS at
  FROM payments.attempts WHERE state = 'SUCCEEDED' GROUP BY order_id, currency
), posted AS (
  SELECT split_part(transfer_id, ':', 1) AS order_ref, currency, sum(amount_minor) AS minor,
         max(posted_at) AS at
  FROM payments.ledger WHERE account = 'gateway_clearing'
  GROUP BY split_part(transfer_id, ':', 1), currency
)
SELECT order_ref, currency, coalesce(charged.minor, 0) AS gateway_minor,
       coalesce(attempted.minor, 0) AS attempts_minor, coalesce(posted.minor, 0) AS ledger_minor,
       greatest(charged.at, attempted.at, posted.at) AS since
FROM charged FULL JOIN attempted USING (order_ref, currency)
          FULL JOIN posted USING (order_ref, currency)
WHERE coalesce(charged.minor, 0) <> coalesce(posted.minor, 0)
   OR coalesce(charged.minor, 0) <> coalesce(attempted.minor, 0)""",
    enforced_by="one writer of outcomes; lookup of every unknown attempt",
)

ONE_LIVE_ATTEMPT = Invariant(
    id="I9",
    kind="A",
    title="One live attempt",
    promise="No payment has two attempts that could both take money.",
    sql="""\
SELECT order_id, count(*) AS live_attempts, string_agg(gw_key, ', ' ORDER BY n) AS gw_keys
FROM payments.attempts
WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED')
GROUP BY order_id
HAVING count(*) > 1
ORDER BY order_id""",
    enforced_by="partial unique index one_live_attempt",
)

THE_PRICE_IS_THE_PRICE = Invariant(
    id="I15",
    kind="A",
    title="The price is the price",
    promise="What was charged is what was ordered: price times quantity; never more is refunded.",
    sql="""\
SELECT 'order' AS what, id::text AS order_ref, unit_price_minor * quantity AS expected_minor,
       amount_minor AS found_minor
FROM orders.orders WHERE amount_minor <> unit_price_minor * quantity
UNION ALL
SELECT 'payment', o.id::text, o.amount_minor, p.amount_minor
FROM payments.payments p JOIN orders.orders o ON o.id = p.order_id
WHERE p.amount_minor IS NOT NULL
  AND (p.amount_minor, p.currency) IS DISTINCT FROM (o.amount_minor, o.currency)
UNION ALL
SELECT 'attempt', p.order_id::text, p.amount_minor, a.amount_minor
FROM payments.attempts a JOIN payments.payments p USING (order_id)
WHERE (a.amount_minor, a.currency) IS DISTINCT FROM (p.amount_minor, p.currency)
UNION ALL
SELECT 'charge', c.order_ref, a.amount_minor, c.amount_minor
FROM gateway.charges c JOIN payments.attempts a USING (gw_key)
WHERE c.state IN ('CAPTURED', 'REFUNDED')
  AND (c.amount_minor, c.currency) IS DISTINCT FROM (a.amount_minor, a.currency)
UNION ALL
SELECT 'refund', split_part(transfer_id, ':', 1),
       sum(amount_minor) FILTER (WHERE amount_minor > 0),
       -sum(amount_minor) FILTER (WHERE amount_minor < 0)
FROM payments.ledger WHERE account = 'gateway_clearing'
GROUP BY split_part(transfer_id, ':', 1), currency
HAVING sum(amount_minor) < 0""",
    enforced_by="price snapshot in the order; guards on orders, payments and attempts",
)

EVERY_TRANSFER_IS_KNOWN = Invariant(
    id="I22",
    kind="A",
    title="Every transfer is one the shop makes",
    promise="The ledger has one capture for what was taken, one refund for what was given back, "
    "and no other account or transfer.",
    sql="""\
SELECT 'unknown account' AS what, transfer_id, account AS found, amount_minor
FROM payments.ledger WHERE account NOT IN ('gateway_clearing', 'merchant')
UNION ALL
SELECT 'unknown transfer', transfer_id, account, amount_minor
FROM payments.ledger WHERE transfer_id !~ '^[^:]*:(cap|ref)$' OR line NOT IN (1, 2)
UNION ALL
SELECT 'transfer that is missing or too much', transfer_id,
       'should be ' || coalesce(e.minor, 0), coalesce(l.minor, 0)
FROM (
  SELECT order_id::text || ':cap' AS transfer_id, sum(amount_minor) AS minor
  FROM payments.attempts WHERE state IN ('SUCCEEDED', 'REFUNDED') GROUP BY order_id
  UNION ALL
  SELECT order_id::text || ':ref', -sum(amount_minor)
  FROM payments.attempts WHERE state = 'REFUNDED' GROUP BY order_id
) e FULL JOIN (
  SELECT transfer_id, sum(amount_minor) AS minor
  FROM payments.ledger WHERE account = 'gateway_clearing' GROUP BY transfer_id
) l USING (transfer_id)
WHERE coalesce(e.minor, 0) <> coalesce(l.minor, 0)""",
    enforced_by="CHECK on the account; an attempt moves and is posted in one statement",
)

A_PAYMENT_IS_ITS_ATTEMPTS = Invariant(
    id="I23",
    kind="A",
    title="A payment is what its attempts say",
    promise="The payment's state follows from its newest attempt's, that one's from its history, "
    "and what is settled is what the gateway has.",
    sql="""\
SELECT 'payment' AS what, p.order_id, p.state, coalesce(a.state, 'no attempt') AS other
FROM payments.payments p
LEFT JOIN payments.attempts a ON a.order_id = p.order_id
  AND a.n = (SELECT max(n) FROM payments.attempts newest WHERE newest.order_id = p.order_id)
WHERE (p.state, coalesce(a.state, '')) NOT IN (
  ('PROCESSING', 'IN_FLIGHT'), ('PROCESSING', 'UNKNOWN'),
  ('CANCELLING', 'IN_FLIGHT'), ('CANCELLING', 'UNKNOWN'),
  ('SUCCEEDED', 'SUCCEEDED'), ('REFUND_PENDING', 'SUCCEEDED'), ('REFUNDED', 'REFUNDED'),
  ('FAILED', 'FAILED'), ('CANCELLED', 'VOIDED'), ('CANCELLED', ''))
UNION ALL
SELECT 'attempt', a.order_id, concat_ws(' ', a.state, a.detail),
       coalesce(concat_ws(' ', h.dst, h.detail), 'no history')
FROM payments.attempts a
LEFT JOIN LATERAL (SELECT dst, detail FROM payments.attempt_history h
                   WHERE h.order_id = a.order_id AND h.n = a.n ORDER BY h.id DESC LIMIT 1) h ON true
WHERE (h.dst, h.detail) IS DISTINCT FROM (a.state, a.detail)
UNION ALL
SELECT 'first line of an attempt', a.order_id, a.state, coalesce(h.src, 'no history')
FROM payments.attempts a
LEFT JOIN LATERAL (SELECT src, dst FROM payments.attempt_history h
                   WHERE h.order_id = a.order_id AND h.n = a.n ORDER BY h.id LIMIT 1) h ON true
WHERE h.src IS NOT NULL OR h.dst IS NULL
UNION ALL
SELECT 'gateway', a.order_id, a.state, coalesce(c.state, 'no charge')
FROM payments.attempts a
JOIN payments.payments p ON p.order_id = a.order_id
LEFT JOIN gateway.charges c ON c.gw_key = a.gw_key AND c.order_ref = a.order_id::text
WHERE a.state = 'FAILED' AND c.state IS DISTINCT FROM 'DECLINED'
   OR a.state = 'REFUNDED' AND c.state IS DISTINCT FROM 'REFUNDED'
   OR a.state = 'SUCCEEDED' AND c.state IS DISTINCT FROM 'CAPTURED'
      AND NOT (c.state IS NOT DISTINCT FROM 'REFUNDED' AND p.state = 'REFUND_PENDING')""",
    enforced_by="one writer of outcomes moves payment and attempt in one statement",
)

THE_PRICE_WAS_THE_LISTS = Invariant(
    id="I24",
    kind="A",
    title="The price was the list's",
    promise="An order was placed at a price that the price list had when it was placed.",
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
ORDER BY o.id""",
    enforced_by="the order is written from the price list in one statement",
)

INVARIANTS = (
    NOBODY_PAYS_TWICE,
    LEDGER_BALANCES,
    EVERY_TRANSFER_IS_KNOWN,
    RECORDS_AGREE,
    A_PAYMENT_IS_ITS_ATTEMPTS,
    ONE_LIVE_ATTEMPT,
    THE_PRICE_IS_THE_PRICE,
    THE_PRICE_WAS_THE_LISTS,
)
