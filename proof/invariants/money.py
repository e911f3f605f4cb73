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

INVARIANTS = (
    NOBODY_PAYS_TWICE,
    LEDGER_BALANCES,
    RECORDS_AGREE,
    ONE_LIVE_ATTEMPT,
    THE_PRICE_IS_THE_PRICE,
)
