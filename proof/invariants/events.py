"""Promises about events: each change of state has its event, and each event arrives, in order.

The outboxes of all processes are numbered together; what is said of orders, goods and payments is
judged for those that changed. A consumer counts once it has begun, and a relay once it has led."""

from proof.invariant import Invariant
from topology import SHOP, find

# Each outbox that there may be. `"orders"."outbox"` is all of it, also where a promise is judged
# for some orders only.
_OWNERS = tuple(each.schema for each in SHOP if each.schema)
_AUDITOR = find("audit_consumer").name
_SENDER = find("webhook_sender").name
_EVENTS = """\
  SELECT 'order_id' AS named_as, * FROM orders.outbox WHERE aggregate = 'order'
  UNION ALL
  SELECT 'order_id', * FROM inventory.outbox WHERE aggregate = 'stock'
  UNION ALL
  SELECT 'payment_ref', * FROM payments.outbox WHERE aggregate = 'payment'"""
_POSITIONS = "\nUNION ALL\n".join(
    f'  SELECT position FROM "{owner}"."outbox" WHERE position >= (SELECT position FROM low)'  # noqa: S608 - constants
    for owner in _OWNERS
)
_TAKES = "(e.type = ANY (c.types) OR split_part(e.type, '.', 1) || '.*' = ANY (c.types))"


# Before there were events, switches had none: what is older than the first one does not count.
_SWITCHES = "\nUNION ALL\n".join(
    f"""\
SELECT '{owner}' AS owner, type, 0 AS changes, 1 AS events
FROM "{owner}"."outbox" WHERE aggregate = 'gremlin'
UNION ALL
SELECT '{owner}', CASE WHEN action IN ('started', 'changed') THEN 'gremlin.started'
                       ELSE 'gremlin.ended' END, 1, 0
FROM {owner}.gremlin_audit
WHERE at > (SELECT min(at) FROM "{owner}"."outbox" WHERE aggregate = 'gremlin')
           - interval '5 seconds'"""  # noqa: S608 - constants
    for owner in _OWNERS
)

ONE_CHANGE_ONE_EVENT = Invariant(
    id="E1",
    kind="A",
    title="One change, one event",
    promise="Each change of an order, of goods, of a payment, each refund and each switch of a "
    "gremlin has exactly one event, and nothing else has any.",
    sql=f"""\
WITH changes (aggregate, aggregate_id, type, n) AS (
  SELECT 'order', order_id::text, CASE dst WHEN 'PENDING' THEN 'order.created'
           WHEN 'CONFIRMED' THEN 'order.confirmed' ELSE 'order.failed' END, count(*)
  FROM orders.history
  WHERE dst IN ('PENDING', 'CONFIRMED', 'FAILED') AND src IS DISTINCT FROM dst GROUP BY 2, 3
  UNION ALL
  SELECT 'stock', cause::text, CASE kind WHEN 'sold' THEN 'stock.committed'
           ELSE 'stock.' || kind END, count(*)
  FROM inventory.stock_moves WHERE kind <> 'delivered' GROUP BY 2, 3
  UNION ALL
  SELECT 'payment', payment_id::text, 'payment.created', 1
  FROM payments.payments WHERE amount_minor IS NOT NULL
  UNION ALL
  SELECT 'payment', payment_id::text, 'refund.created', count(*) FROM payments.refunds GROUP BY 2
), events AS (
  SELECT aggregate, aggregate_id, type, count(*) AS n FROM orders.outbox
  WHERE aggregate = 'order' GROUP BY 1, 2, 3
  UNION ALL
  SELECT aggregate, aggregate_id, type, count(*) FROM inventory.outbox
  WHERE aggregate = 'stock' GROUP BY 1, 2, 3
  UNION ALL
  SELECT aggregate, aggregate_id, type, count(*) FROM payments.outbox
  WHERE aggregate = 'payment' AND type IN ('payment.created', 'refund.created') GROUP BY 1, 2, 3
), ends AS (
  -- A payment may come to an end again, after a refund of a part: its last one is its state's.
  SELECT p.payment_id, p.state, e.type, e.state_then, e.completed
  FROM payments.payments p LEFT JOIN (
    SELECT aggregate_id, count(*) FILTER (WHERE type = 'payment.completed') AS completed,
           (array_agg(type ORDER BY aggregate_seq DESC))[1] AS type,
           (array_agg(payload->>'state' ORDER BY aggregate_seq DESC))[1] AS state_then
    FROM payments.outbox
    WHERE aggregate = 'payment' AND type IN ('payment.completed', 'payment.failed')
    GROUP BY aggregate_id) e ON e.aggregate_id = p.payment_id::text
  WHERE p.amount_minor IS NOT NULL
), switches AS (
  SELECT owner, type, sum(changes)::bigint AS changes, sum(events)::bigint AS events FROM (
{_SWITCHES}
  ) s GROUP BY owner, type
)
SELECT 'events' AS what, coalesce(c.aggregate, t.aggregate) AS aggregate,
       coalesce(c.aggregate_id, t.aggregate_id) AS ref, coalesce(c.type, t.type) AS type,
       coalesce(c.n, 0) AS changes, coalesce(t.n, 0) AS events
FROM changes c FULL JOIN events t USING (aggregate, aggregate_id, type)
WHERE c.n IS DISTINCT FROM t.n
UNION ALL
SELECT 'an end that is not the payment''s', 'payment', payment_id::text,
       coalesce(concat_ws(' ', type, state_then), 'none'), 1, coalesce(completed, 0)
FROM ends
WHERE completed > 1 OR CASE state
  WHEN 'SUCCEEDED' THEN type IS DISTINCT FROM 'payment.completed'
  WHEN 'FAILED' THEN (type, state_then) IS DISTINCT FROM ('payment.failed', state)
  WHEN 'CANCELLED' THEN (type, state_then) IS DISTINCT FROM ('payment.failed', state)
  WHEN 'PROCESSING' THEN type IS NOT NULL
  WHEN 'CANCELLING' THEN type IS NOT NULL
  ELSE false END
UNION ALL
SELECT 'switches of gremlins', 'gremlin', owner, type, changes, events
FROM switches WHERE changes <> events""",  # noqa: S608 - constants
    enforced_by="triggers write the event in the transaction of the change",
)

# Where `low` begins is the first position that was given since, or the first of all.
SEQUENCES_ARE_GAPLESS = Invariant(
    id="E2",
    kind="A",
    title="No number is missing",
    promise="The events of an order, of goods, of a payment are numbered 1, 2, … , and the "
    "positions over all events are too, in that order, and up to the head.",
    sql=f"""\
WITH own AS (
{_EVENTS}
), low AS (
  SELECT min(position) AS position FROM own
), every (position) AS (
{_POSITIONS}
), numbered AS (
  SELECT (SELECT position FROM low) AS low, (SELECT position FROM events.head) AS head,
         count(*) AS given, count(DISTINCT position) AS distinct_ones, max(position) AS last
  FROM every
)
SELECT 'sequence' AS what, aggregate, aggregate_id AS ref, count(*)::text AS expected,
       max(aggregate_seq)::text AS found
FROM own GROUP BY aggregate, aggregate_id HAVING max(aggregate_seq) <> count(*)
UNION ALL
SELECT 'positions', NULL, NULL, (head - low + 1)::text, concat_ws(' ', distinct_ones, given, last)
FROM numbered
WHERE low IS NOT NULL
  AND (given <> head - low + 1 OR distinct_ones <> given OR last <> head)
UNION ALL
SELECT 'against the order', aggregate, aggregate_id, aggregate_seq::text, position::text
FROM (SELECT *, lag(position) OVER w AS before, lag(aggregate_seq) OVER w AS seq_before
      FROM own WINDOW w AS (PARTITION BY aggregate, aggregate_id ORDER BY aggregate_seq)) o
WHERE seq_before IS NOT NULL AND (position < before OR before IS NULL AND position IS NOT NULL)""",  # noqa: S608 - constants
    enforced_by="numbers are given under the aggregate's lock, positions under the head's",
)

CONFIRMED_IS_A_PREFIX = Invariant(
    id="E3",
    kind="A",
    title="Published in order",
    promise="What was published of an order, of goods, of a payment is the beginning of what "
    "happened to it: nothing overtakes, and nothing is published before it has a position.",
    sql=f"""\
SELECT aggregate, aggregate_id AS ref, aggregate_seq AS seq, confirmed_at
FROM (SELECT *, bool_and(confirmed_at IS NOT NULL) OVER (
        PARTITION BY aggregate, aggregate_id ORDER BY aggregate_seq) AS all_before
      FROM (
{_EVENTS}
) own) o
WHERE confirmed_at IS NOT NULL AND (NOT all_before OR position IS NULL)""",  # noqa: S608 - constants
    enforced_by="one leader; a lower number that is not confirmed holds its aggregate back",
)

# The effects of the metrics consumer are sums over all events, which no proof of a few orders
# can read: the primary key of the inbox, in the transaction of the sum, stands for them.
CONSUMED_IS_A_PREFIX = Invariant(
    id="E4",
    kind="A",
    title="Taken in order, once",
    promise="What an ordered consumer has taken of an order, of goods, of a payment is the "
    "beginning of what happened to it, each event once, and each has its line in the audit log.",
    sql=f"""\
WITH own AS (
{_EVENTS}
), taken AS (
  SELECT c.consumer, e.aggregate, e.aggregate_id, e.aggregate_seq, e.event_id,
         i.event_id IS NOT NULL AS is_taken
  FROM own e JOIN events.consumers c ON c.is_ordered AND {_TAKES}
  LEFT JOIN events.inbox i ON (i.consumer, i.event_id) = (c.consumer, e.event_id)
)
SELECT 'overtaken' AS what, consumer, aggregate, aggregate_id AS ref, aggregate_seq AS seq
FROM (SELECT *, bool_and(is_taken) OVER (
        PARTITION BY consumer, aggregate, aggregate_id ORDER BY aggregate_seq) AS all_before
      FROM taken) t
WHERE is_taken AND NOT all_before
UNION ALL
SELECT 'taken, and never happened', i.consumer, i.aggregate, i.aggregate_id, i.aggregate_seq
FROM events.inbox i LEFT JOIN own e ON e.event_id = i.event_id
WHERE i.aggregate IN ('order', 'stock', 'payment')
  AND (e.aggregate, e.aggregate_id, e.aggregate_seq)
      IS DISTINCT FROM (i.aggregate, i.aggregate_id, i.aggregate_seq)
UNION ALL
SELECT CASE WHEN i.event_id IS NULL THEN 'a line for nothing taken' ELSE 'no line' END,
       coalesce(i.consumer, '{_AUDITOR}'), coalesce(i.aggregate, l.aggregate),
       coalesce(i.aggregate_id, l.aggregate_id), coalesce(i.aggregate_seq, l.aggregate_seq)
FROM (SELECT * FROM events.inbox WHERE consumer = '{_AUDITOR}') i
FULL JOIN audit.log l USING (event_id)
WHERE (i.event_id IS NULL OR l.event_id IS NULL)
  AND coalesce(i.aggregate, l.aggregate) IN ('order', 'stock', 'payment')
UNION ALL
SELECT 'a line that says something else', '{_AUDITOR}', l.aggregate, l.aggregate_id,
       l.aggregate_seq
FROM audit.log l JOIN own e USING (event_id)
WHERE (l.type, l.aggregate, l.aggregate_id, l.aggregate_seq, l.data, l.happened_at)
      IS DISTINCT FROM (e.type, e.aggregate, e.aggregate_id, e.aggregate_seq, e.payload, e.at)
UNION ALL
SELECT 'the line before is gone', '{_AUDITOR}', l.aggregate, l.aggregate_id, l.n::int
FROM audit.log l
WHERE l.n > 1 AND NOT EXISTS (SELECT FROM "audit"."log" b WHERE b.n = l.n - 1)""",  # noqa: S608 - constants
    enforced_by="the inbox is written in the transaction of the effect; a gap stalls its aggregate",
)

EVERY_EVENT_ARRIVES = Invariant(
    id="E5",
    kind="Q",
    title="Every event arrives",
    promise="In the end every event is published, and every consumer that takes it has taken it; "
    "what a consumer has parked is named.",
    sql=f"""\
WITH own AS (
{_EVENTS}
)
SELECT 'not published' AS what, CASE WHEN named_as = 'order_id' THEN aggregate_id END AS order_id,
       CASE WHEN named_as = 'payment_ref' THEN aggregate_id END AS payment_ref, type,
       NULL AS consumer, NULL AS parked, at AS since
FROM own WHERE confirmed_at IS NULL AND (SELECT leader IS NOT NULL FROM events.head)
UNION ALL
SELECT 'not taken', CASE WHEN named_as = 'order_id' THEN e.aggregate_id END,
       CASE WHEN named_as = 'payment_ref' THEN e.aggregate_id END, e.type, c.consumer, p.reason,
       e.at
FROM own e JOIN events.consumers c ON {_TAKES}
LEFT JOIN events.inbox i ON (i.consumer, i.event_id) = (c.consumer, e.event_id)
LEFT JOIN events.parked p ON (p.consumer, p.event_id) = (c.consumer, e.event_id)
WHERE i.event_id IS NULL""",  # noqa: S608 - constants
    enforced_by="the relay publishes what is not confirmed, and a consumer tries until it has it",
)

# Deliveries are opened for what the sender has taken, so there are none for what it has not.
WEBHOOKS_ARE_DELIVERED = Invariant(
    id="E6",
    kind="A",
    title="A webhook for each event",
    promise="Each event of a merchant's payment that the webhook sender has taken has exactly one "
    "delivery for each endpoint that was there when it happened and wants its type, with what "
    "happened in it; it is sent, waits, or is dead after a day or with its endpoint.",
    sql=f"""\
WITH due AS (
  SELECT e.endpoint_id, o.event_id, o.aggregate_id, o.type, o.payload
  FROM payments.outbox o
  JOIN events.inbox i ON (i.consumer, i.event_id) = ('{_SENDER}', o.event_id)
  JOIN webhooks.endpoints e ON e.merchant_id = o.payload->>'merchant_id' AND o.type = ANY (e.types)
    AND e.created_at <= o.at AND (e.disabled_at IS NULL OR e.disabled_at > o.at)
  WHERE o.aggregate = 'payment'
), made AS (
  SELECT endpoint_id, event_id, count(*) AS n, min(payment_id::text) AS payment_ref,
         min(type) AS type, min(body)::jsonb AS body
  FROM webhooks.deliveries GROUP BY endpoint_id, event_id
)
SELECT CASE WHEN d.event_id IS NULL THEN 'a delivery of nothing' WHEN m.n IS NULL THEN 'no delivery'
         WHEN m.n > 1 THEN 'delivered by two rows' ELSE 'says something else' END AS what,
       coalesce(d.aggregate_id, m.payment_ref) AS ref, coalesce(d.type, m.type) AS type,
       coalesce(d.endpoint_id, m.endpoint_id) AS endpoint
FROM due d FULL JOIN made m USING (endpoint_id, event_id)
WHERE d.event_id IS NULL OR m.n IS DISTINCT FROM 1
   OR (m.payment_ref, m.type, m.body->>'type', m.body->'data')
      IS DISTINCT FROM (d.aggregate_id, d.type, d.type, d.payload)
UNION ALL
SELECT 'dead, and never tried', w.payment_id::text, w.type, w.endpoint_id
FROM webhooks.deliveries w JOIN webhooks.endpoints e USING (endpoint_id)
WHERE w.state = 'DEAD' AND e.disabled_at IS NULL AND w.attempts = 0
UNION ALL
SELECT 'sent, and not accepted', payment_id::text, type, endpoint_id
FROM webhooks.deliveries
WHERE state = 'SENT' AND (last_status BETWEEN 200 AND 299) IS NOT TRUE""",  # noqa: S608 - constants
    enforced_by="deliveries are written in the transaction of the inbox, once for each endpoint",
)

INVARIANTS = (
    ONE_CHANGE_ONE_EVENT,
    SEQUENCES_ARE_GAPLESS,
    CONFIRMED_IS_A_PREFIX,
    CONSUMED_IS_A_PREFIX,
    EVERY_EVENT_ARRIVES,
    WEBHOOKS_ARE_DELIVERED,
)
