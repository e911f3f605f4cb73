"""Promises about what a payment is made of: an order, legs, their attempts, and reasons."""

from proof.invariant import Invariant

ONE_LIVE_ATTEMPT = Invariant(
    id="I9",
    kind="A",
    title="One live attempt",
    promise="No leg of a payment has two attempts that could both take money.",
    sql="""\
SELECT payment_id, leg_n, count(*) AS live_attempts,
       string_agg(gw_key, ', ' ORDER BY n) AS gw_keys
FROM payments.attempts
WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED')
GROUP BY payment_id, leg_n
HAVING count(*) > 1
ORDER BY payment_id, leg_n""",
    enforced_by="partial unique index one_live_attempt",
)

A_PAYMENT_IS_ITS_ATTEMPTS = Invariant(
    id="I23",
    kind="A",
    title="A payment is what its attempts say",
    promise="The payment's state follows from the legs of its newest plan, a leg's from its newest "
    "attempt's, that one's from its history, and what is settled is what the gateway has, in this "
    "order of time.",
    sql="""\
SELECT 'payment' AS what, p.payment_id, p.state, coalesce(a.states, 'no attempt') AS other
FROM payments.payments p
LEFT JOIN LATERAL (
  SELECT string_agg(DISTINCT state, ' and ') AS states, count(*) AS legs,
         bool_or(state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED')) AS open,
         bool_or(state = 'SUCCEEDED') AS taken, bool_or(state = 'REFUNDED') AS refunded,
         bool_or(state = 'VOIDED') AS voided
  FROM (SELECT DISTINCT ON (t.leg_n) t.state FROM "payments"."attempts" t
        LEFT JOIN "payments"."legs" l USING (payment_id, leg_n)
        WHERE t.payment_id = p.payment_id AND coalesce(l.plan_n, 1) = (
          SELECT coalesce(max(plan_n), 1) FROM "payments"."legs" WHERE payment_id = p.payment_id)
        ORDER BY t.leg_n, t.n DESC) newest) a ON true
WHERE (CASE p.state
  WHEN 'SUCCEEDED' THEN a.states = 'SUCCEEDED'
  WHEN 'PROCESSING' THEN a.open
  WHEN 'CANCELLING' THEN a.open
  WHEN 'REFUND_PENDING' THEN a.taken AND NOT a.open
  WHEN 'REFUNDED' THEN a.refunded AND NOT (a.open OR a.taken)
  WHEN 'CANCELLED' THEN a.states IS NULL OR a.voided AND NOT (a.open OR a.taken OR a.refunded)
  WHEN 'FAILED' THEN a.states = 'FAILED' OR a.legs > 1 AND NOT (a.open OR a.taken)
END) IS NOT true
UNION ALL
SELECT 'attempt', a.payment_id, concat_ws(' ', a.state, a.detail),
       coalesce(concat_ws(' ', h.dst, h.detail), 'no history')
FROM payments.attempts a
LEFT JOIN LATERAL (SELECT dst, detail FROM "payments"."attempt_history" h
                   WHERE (h.payment_id, h.leg_n, h.n) = (a.payment_id, a.leg_n, a.n)
                   ORDER BY h.id DESC LIMIT 1) h ON true
WHERE (h.dst, h.detail) IS DISTINCT FROM (a.state, a.detail)
UNION ALL
SELECT 'first line of an attempt', a.payment_id, a.state, coalesce(h.src, 'no history')
FROM payments.attempts a
LEFT JOIN LATERAL (SELECT src, dst FROM "payments"."attempt_history" h
                   WHERE (h.payment_id, h.leg_n, h.n) = (a.payment_id, a.leg_n, a.n)
                   ORDER BY h.id LIMIT 1) h ON true
WHERE h.src IS NOT NULL OR h.dst IS NULL
UNION ALL
SELECT 'gateway', a.payment_id, a.state, coalesce(c.state, 'no charge')
FROM payments.attempts a
JOIN payments.payments p ON p.payment_id = a.payment_id
LEFT JOIN gateway.charges c ON c.gw_key = a.gw_key AND c.payment_ref = a.payment_id::text
WHERE a.provider IN ('mock', 'flaky')
  AND (a.state = 'FAILED' AND c.state IS DISTINCT FROM 'DECLINED'
       -- What was never sent is not there, and the leg went on elsewhere.
       AND NOT (c.state IS NULL AND EXISTS (SELECT 1 FROM payments.attempts later
                WHERE (later.payment_id, later.leg_n) = (a.payment_id, a.leg_n)
                  AND later.n > a.n))
   OR a.state = 'REFUNDED' AND c.state IS DISTINCT FROM 'REFUNDED'
   OR a.state = 'AUTHORISED' AND c.state IS NOT DISTINCT FROM 'REFUNDED'
   OR a.state = 'SUCCEEDED' AND c.state IS DISTINCT FROM 'CAPTURED'
      AND NOT (c.state IS NOT DISTINCT FROM 'REFUNDED'
               AND p.state IN ('REFUND_PENDING', 'PROCESSING', 'CANCELLING')))
UNION ALL
SELECT 'made at another time than its legs', p.payment_id, p.created_at::text, l.created_at::text
FROM payments.payments p JOIN payments.legs l USING (payment_id)
WHERE l.created_at NOT BETWEEN p.created_at - interval '1 min' AND p.created_at + interval '1 min'
UNION ALL
SELECT 'declined as no attempt was', p.payment_id, p.state, p.decline_code
FROM payments.payments p
WHERE p.decline_code IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM payments.attempt_history h WHERE h.payment_id = p.payment_id
                  AND h.dst = 'FAILED' AND h.detail = p.decline_code)
UNION ALL
SELECT 'captured before it was asked for', a.payment_id, a.created_at::text, c.captured_at::text
FROM payments.attempts a JOIN payments.payments p USING (payment_id)
JOIN gateway.charges c ON c.gw_key = a.gw_key
WHERE p.made_by <> 'capture' AND c.captured_at < a.created_at - interval '1 min'""",
    enforced_by="one writer of outcomes moves payment and attempt in one statement",
)

THE_LEGS_ADD_UP = Invariant(
    id="I17",
    kind="A",
    title="The legs add up",
    promise="A payment is the sum of the legs of each of its plans, two at most, and an attempt is "
    "over its leg, at its provider.",
    sql="""\
SELECT 'payment' AS what, p.payment_id, NULL AS leg_n,
       concat_ws(' ', p.amount_minor, p.currency) AS expected,
       coalesce(l.found, 'no leg') AS found
FROM payments.payments p
LEFT JOIN LATERAL (
  SELECT string_agg(concat_ws(' ', minor, currency), ', ' ORDER BY currency) AS found
  FROM (SELECT plan_n, currency, sum(amount_minor) AS minor FROM "payments"."legs"
        WHERE payment_id = p.payment_id GROUP BY plan_n, currency) s GROUP BY plan_n) l ON true
WHERE l.found IS DISTINCT FROM nullif(concat_ws(' ', p.amount_minor, p.currency), '')
UNION ALL
SELECT 'plans', payment_id, NULL, '1 to 2 without a gap', string_agg(plan_n::text, ', ')
FROM (SELECT DISTINCT payment_id, plan_n FROM payments.legs) l
GROUP BY payment_id HAVING max(plan_n) > 2 OR max(plan_n) <> count(*)
UNION ALL
SELECT 'attempt', a.payment_id, a.leg_n::text,
       coalesce(concat_ws(' ', l.amount_minor, l.currency, l.provider), 'no leg'),
       concat_ws(' ', a.amount_minor, a.currency, a.provider)
FROM payments.attempts a LEFT JOIN payments.legs l USING (payment_id, leg_n)
WHERE (a.amount_minor, a.currency) IS DISTINCT FROM (l.amount_minor, l.currency)
   OR a.provider IS DISTINCT FROM l.provider AND (a.n = 1 OR a.provider <> ALL (l.fallbacks))
UNION ALL
SELECT 'leg of no payment', l.payment_id, l.leg_n::text, 'no payment', l.amount_minor::text
FROM payments.legs l LEFT JOIN payments.payments p USING (payment_id)
WHERE p.payment_id IS NULL""",
    enforced_by="deferred constraint trigger on payments.legs; all are written in one statement",
)

EVERY_CHOICE_IS_ON_RECORD = Invariant(
    id="I28",
    kind="A",
    title="Every choice is on record",
    promise="For each leg it is written down why it went to its provider, and no decision is lost.",
    # Before decisions there were keys of the form ord_<order>:1; the gateway knows them too.
    sql="""\
SELECT 'leg without a decision' AS what, l.payment_id, l.leg_n, l.provider AS found
FROM payments.legs l
WHERE NOT EXISTS (SELECT 1 FROM payments.decisions d
                  WHERE d.payment_id = l.payment_id AND d.leg_n = l.leg_n
                    AND d.plan_n = l.plan_n AND d.provider = l.provider)
  AND NOT EXISTS (SELECT 1 FROM payments.attempts a
                  WHERE a.payment_id = l.payment_id AND a.leg_n = 1 AND a.n = 1
                    AND a.gw_key = 'ord_' || l.payment_id || ':1')
UNION ALL
SELECT DISTINCT 'plan replaced without a decision', l.payment_id, NULL::int, l.plan_n::text
FROM payments.legs l
WHERE l.plan_n > 1 AND NOT EXISTS (SELECT 1 FROM payments.decisions d
  WHERE d.payment_id = l.payment_id AND d.kind = 'replace' AND d.plan_n = l.plan_n - 1)
UNION ALL
SELECT 'decision missing before the last', payment_id, NULL, count(*) || ' of ' || max(n)
FROM payments.decisions GROUP BY payment_id HAVING count(*) <> max(n)
UNION ALL
SELECT 'decision about no payment', d.payment_id, d.leg_n, d.kind
FROM payments.decisions d LEFT JOIN payments.payments p USING (payment_id)
WHERE p.payment_id IS NULL""",
    enforced_by="a decision is written in the statement that opens the payment; append-only",
)

NOBODY_ELSE_WHILE_UNKNOWN = Invariant(
    id="P3",
    kind="A",
    title="No other account while one is unknown",
    promise="An account is asked for a leg only after every one before it definitely took nothing, "
    "and under another plan only after every one of the plan before did.",
    # Each attempt's history begins with its own first line, and lines are numbered as they come.
    sql="""\
WITH tries AS (
  SELECT a.payment_id, a.leg_n, a.n, a.provider, coalesce(l.plan_n, 1) AS plan_n
  FROM payments.attempts a LEFT JOIN payments.legs l USING (payment_id, leg_n)
)
SELECT b.payment_id, b.leg_n, a.provider AS before, coalesce(h.dst, 'no history') AS stood,
       b.provider AS asked
FROM tries b
JOIN tries a ON a.payment_id = b.payment_id
  AND (a.leg_n = b.leg_n AND a.n < b.n OR a.plan_n < b.plan_n)
LEFT JOIN LATERAL (
  SELECT dst FROM "payments"."attempt_history" h
  WHERE (h.payment_id, h.leg_n, h.n) = (a.payment_id, a.leg_n, a.n)
    AND h.id < (SELECT min(id) FROM "payments"."attempt_history" f
                WHERE (f.payment_id, f.leg_n, f.n) = (b.payment_id, b.leg_n, b.n))
  ORDER BY h.id DESC LIMIT 1) h ON true
WHERE coalesce(h.dst, '') NOT IN ('FAILED', 'VOIDED')
ORDER BY b.payment_id, b.leg_n""",
    enforced_by="the next attempt, or plan, is opened by the settlement of a definite no; triggers",
)

ALL_LEGS_OR_NONE = Invariant(
    id="P2",
    kind="A",
    title="All legs or none",
    promise="Of a plan in several legs none is captured before it is decided to capture all, every "
    "refund of one was decided and written down before, and of a plan that was replaced none is.",
    sql="""\
WITH legs AS (
  SELECT payment_id, leg_n, plan_n, count(*) OVER (PARTITION BY payment_id, plan_n) AS of,
         max(plan_n) OVER (PARTITION BY payment_id) AS newest
  FROM payments.legs
)
SELECT 'captured before the decision' AS what, a.payment_id, a.leg_n, a.state
FROM payments.attempts a JOIN legs l USING (payment_id, leg_n)
WHERE a.state IN ('SUCCEEDED', 'REFUNDED') AND l.of > 1
  AND NOT EXISTS (SELECT 1 FROM payments.decisions d WHERE d.payment_id = a.payment_id
                  AND d.plan_n = l.plan_n AND d.kind IN ('capture', 'void', 'compensate'))
  AND (SELECT cancel_reason FROM "payments"."payments" p WHERE p.payment_id = a.payment_id) IS NULL
UNION ALL
SELECT 'money under a plan that was replaced', a.payment_id, a.leg_n, a.state
FROM payments.attempts a JOIN legs l USING (payment_id, leg_n)
WHERE l.plan_n < l.newest AND a.state NOT IN ('FAILED', 'VOIDED')
UNION ALL
SELECT 'refunded without a row', a.payment_id, a.leg_n, a.state
FROM payments.attempts a JOIN legs l USING (payment_id, leg_n)
WHERE a.state = 'REFUNDED' AND l.of > 1
  AND NOT EXISTS (SELECT 1 FROM payments.refunds r
                  WHERE (r.payment_id, r.leg_n, r.n) = (a.payment_id, a.leg_n, a.n)
                    AND (r.amount_minor, r.currency) = (a.amount_minor, a.currency))
ORDER BY 2, 3""",
    enforced_by="settlement decides in the transaction that learns how the last leg stands",
)

THE_ACQUIRER_AGREES = Invariant(
    id="P1",
    kind="Q",
    title="The acquirer has what we believe",
    promise="For each attempt the acquirer holds its amount if it was captured, and else nothing.",
    sql="""\
SELECT a.payment_id::text AS payment_ref, a.leg_n, a.provider, a.state, a.amount_minor,
       i.received_minor - coalesce(back.minor, 0) AS acquirer_minor, a.updated_at AS since
FROM payments.attempts a
JOIN acquirer.intents i ON i.id = a.provider_ref
LEFT JOIN LATERAL (SELECT sum(amount_minor) AS minor FROM acquirer.refunds r
                   WHERE r.intent = i.id) back ON true
WHERE i.received_minor - coalesce(back.minor, 0)
      <> CASE WHEN a.state = 'SUCCEEDED' THEN a.amount_minor ELSE 0 END
   OR i.status = 'requires_capture'
   OR upper(i.currency) <> a.currency OR i.metadata ->> 'attempt' IS DISTINCT FROM a.gw_key""",
    enforced_by="one intent an attempt, its id kept before it is confirmed; found out by its id",
)

ORDER_AND_PAYMENT_AGREE = Invariant(
    id="I29",
    kind="A",
    title="Order and payment name each other",
    promise="An order's payment is that order's; no order has two payments, no payment two orders.",
    # A payment that was made by hand may be called otherwise; it confirms no order (I4).
    sql="""\
SELECT 'payment of another order' AS what, o.id AS order_id, o.payment_id, p.order_id AS found
FROM orders.orders o JOIN payments.payments p ON p.payment_id = o.payment_id
WHERE p.order_id IS DISTINCT FROM o.id AND p.made_by = 'order-service'
UNION ALL
SELECT 'order with another payment', o.id, p.payment_id, o.payment_id
FROM payments.payments p JOIN orders.orders o ON o.id = p.order_id
WHERE p.payment_id <> o.payment_id AND p.made_by = 'order-service'
UNION ALL
SELECT 'several payments', order_id, NULL, NULL
FROM payments.payments WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1
UNION ALL
SELECT 'several orders', NULL, payment_id, NULL
FROM orders.orders GROUP BY payment_id HAVING count(*) > 1""",
    enforced_by="the id is stored with the order and never changes; each is unique on both sides",
)

ONE_OWNER = Invariant(
    id="I31",
    kind="A",
    title="An order and its payment have one owner",
    promise="Who placed an order owns its payment as well, and a merchant's payment is its "
    "request's owner's; their events say the same.",
    # A payment that was made by hand is nobody's, whoever's order it names. Old events say nothing.
    sql="""\
SELECT 'payment of another' AS what, p.payment_id::text AS ref, o.owner, p.owner AS found
FROM orders.orders o JOIN payments.payments p ON p.payment_id = o.payment_id
WHERE p.owner <> o.owner AND p.made_by = 'order-service'
UNION ALL
SELECT 'request of another', p.payment_id::text, p.owner, r.owner
FROM payments.payments p JOIN payments.requests r USING (payment_id)
WHERE r.owner <> p.owner
UNION ALL
SELECT 'order that its events give to another', o.id::text, o.owner, e.payload->>'owner'
FROM orders.orders o
JOIN orders.outbox e ON e.aggregate = 'order' AND e.aggregate_id = o.id::text
WHERE coalesce(e.payload->>'owner', 'anonymous') <> o.owner
UNION ALL
SELECT 'payment that its events give to another', p.payment_id::text, p.owner, e.payload->>'owner'
FROM payments.payments p
JOIN payments.outbox e ON e.aggregate = 'payment' AND e.aggregate_id = p.payment_id::text
WHERE coalesce(e.payload->>'owner', 'anonymous') <> p.owner""",
    enforced_by="the charge names the order's owner; an owner never changes; triggers write events",
)

INVARIANTS = (
    ORDER_AND_PAYMENT_AGREE,
    ONE_OWNER,
    THE_LEGS_ADD_UP,
    ONE_LIVE_ATTEMPT,
    A_PAYMENT_IS_ITS_ATTEMPTS,
    EVERY_CHOICE_IS_ON_RECORD,
    NOBODY_ELSE_WHILE_UNKNOWN,
    ALL_LEGS_OR_NONE,
    THE_ACQUIRER_AGREES,
)
