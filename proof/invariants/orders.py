"""Promises about orders: each reaches one final state, and money and goods agree with it."""

import msgspec

from proof.invariant import Invariant, Limits

# Where an order's money can be: at the gateway, or taken from a wallet.
_CHARGES = """\
(SELECT gw_key, payment_ref, state, amount_minor, captured_at FROM gateway.charges
 UNION ALL
 SELECT hold_key, reference, CASE state WHEN 'POSTED' THEN 'CAPTURED' ELSE state END,
        amount_minor, updated_at
 FROM wallets.holds)"""

CONFIRMED_MEANS_DELIVERED = Invariant(
    id="I4",
    kind="A",
    title="Confirmed means paid and in stock",
    promise="A confirmed order is paid for and its goods are kept; only an operator may refund it.",
    sql=f"""\
SELECT o.id AS order_id, c.state AS charge, r.state AS reservation, r.product_id, r.quantity,
       o.stock_committed_at, p.state AS payment
FROM orders.orders o
LEFT JOIN payments.payments p ON p.payment_id = o.payment_id AND p.order_id = o.id
LEFT JOIN {_CHARGES} c ON c.payment_ref = o.payment_id::text
  AND c.state IN ('CAPTURED', 'REFUNDED')
LEFT JOIN inventory.reservations r ON r.order_id = o.id
WHERE o.status = 'CONFIRMED' AND (
      c.state IS NULL
   OR p.state IS NULL OR p.state NOT IN ('SUCCEEDED', 'REFUND_PENDING', 'REFUNDED')
   OR c.state = 'REFUNDED'
      AND (p.cancel_reason, p.cancelled_by) IS DISTINCT FROM ('REFUND', 'hand')
      AND NOT EXISTS (SELECT 1 FROM {_CHARGES} k
                      WHERE k.payment_ref = o.payment_id::text AND k.state = 'CAPTURED')
   OR r.state IS NULL OR r.state NOT IN ('HELD', 'COMMITTED')
   OR o.stock_committed_at IS NOT NULL AND r.state <> 'COMMITTED'
   OR (r.product_id, r.quantity) IS DISTINCT FROM (o.product_id, o.quantity))
ORDER BY o.id""",  # noqa: S608 - constants
    enforced_by="one decision per order, by compare-and-set on its version",
)

FAILED_MEANS_FREE = Invariant(
    id="I5",
    kind="A",
    title="Failed means free",
    promise="A failed order keeps no money and no goods.",
    sql=f"""\
SELECT o.id AS order_id, o.reason, c.gw_key, c.amount_minor, r.state AS reservation,
       greatest(o.settled_at, c.captured_at) AS since
FROM orders.orders o
LEFT JOIN payments.payments p ON p.order_id = o.id
LEFT JOIN {_CHARGES} c ON c.payment_ref IN (o.payment_id::text, p.payment_id::text)
  AND c.state = 'CAPTURED'
LEFT JOIN inventory.reservations r ON r.order_id = o.id AND r.state IN ('HELD', 'COMMITTED')
WHERE o.status = 'FAILED' AND (c.gw_key IS NOT NULL OR r.order_id IS NOT NULL)""",  # noqa: S608 - constants
    enforced_by="payment cancelled first, then goods released, then FAILED",
)

DECIDED_ONCE = Invariant(
    id="I8",
    kind="A",
    title="A decision is final",
    promise="Orders and payment attempts follow their state machines; a final state is final.",
    sql="""\
SELECT 'order' AS machine, h.order_id AS id, h.version AS step, h.src, h.dst
FROM orders.history h
LEFT JOIN orders.transitions t ON t.src = h.src AND t.dst = h.dst
WHERE h.src IS NOT NULL
  AND (t.src IS NULL AND NOT (h.src = 'CONFIRMED' AND h.dst = 'CONFIRMED')
       OR h.src = 'FAILED' OR h.src = 'CONFIRMED' AND h.dst <> 'CONFIRMED')
UNION ALL
SELECT 'attempt', a.payment_id, a.n, a.src, a.dst
FROM payments.attempt_history a
LEFT JOIN payments.transitions t ON t.machine = 'attempt' AND t.src = a.src AND t.dst = a.dst
WHERE a.src IS NOT NULL AND t.src IS NULL""",
    enforced_by="transition tables and triggers in the database",
)

NOTHING_UNFINISHED = Invariant(
    id="I10",
    kind="Q",
    title="Every order comes to an end",
    promise="When the shop is quiescent, every order is confirmed with its goods sold, or failed.",
    sql="""\
SELECT id AS order_id, status, reason, last_outcome, attempts, next_attempt_at,
       coalesce(settled_at, created_at) AS since
FROM orders.orders
WHERE status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')
   OR (status = 'CONFIRMED' AND stock_committed_at IS NULL)""",
    enforced_by="the reconciler: any replica takes any due order",
    reads="everything",
)

NOTHING_HELD_BACK = Invariant(
    id="I11",
    kind="Q",
    title="Nothing is left hanging",
    promise="When the shop is quiescent, no unit is on hold, and no payment is in doubt or waits "
    "for a human.",
    sql="""\
SELECT 'reservation' AS what, order_id::text AS ref, state, created_at AS since
FROM inventory.reservations WHERE state = 'HELD'
UNION ALL
SELECT 'payment', payment_id::text, state, updated_at
FROM payments.payments WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')
UNION ALL
SELECT 'payment that needs a human', payment_id::text, state, updated_at
FROM payments.payments WHERE needs_review
UNION ALL
SELECT 'attempt', gw_key, state, created_at
FROM payments.attempts WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED')""",
    enforced_by="the order reconciler and the payment prober",
    reads="everything",
)

ONE_ORDER_PER_KEY = Invariant(
    id="I12",
    kind="A",
    title="One order per key",
    promise="A request sent twice under one key is one order, and no order answers to two keys.",
    sql="""\
SELECT 'key names several orders' AS what, i.scope, i.key, count(*) AS found
FROM orders.idempotency i GROUP BY i.scope, i.key HAVING count(*) > 1
UNION ALL
SELECT 'order answers to several keys', min(scope), string_agg(key, ', '), count(*)
FROM orders.idempotency WHERE order_id IS NOT NULL
GROUP BY order_id HAVING count(DISTINCT (scope, key)) > 1
UNION ALL
SELECT 'key without its order', i.scope, i.key, 0
FROM orders.idempotency i LEFT JOIN orders.orders o ON o.id = i.order_id
WHERE i.order_id IS NOT NULL AND o.id IS NULL""",
    enforced_by="primary key (scope, key), claimed in the transaction that creates the order",
)

HISTORY_IS_WHOLE = Invariant(
    id="I13",
    kind="A",
    title="History is whole",
    promise="Each order's history has every version once; its first line is when it was made, "
    "its last one how it stands.",
    # A minute is more than any transaction that makes an order may take. Orders of the first
    # releases have the trace of a later step.
    sql="""\
SELECT 'gap before' AS what, h.order_id, h.version, h.src AS expected, p.dst AS found
FROM orders.history h
LEFT JOIN orders.history p ON p.order_id = h.order_id AND p.version = h.version - 1
WHERE (h.version > 0 OR h.src IS NOT NULL) AND h.src IS DISTINCT FROM p.dst
UNION ALL
SELECT 'last line', o.id, o.version, concat_ws(' ', o.status, o.reason, o.last_outcome),
       concat_ws(' ', h.dst, h.reason, h.outcome)
FROM orders.orders o
LEFT JOIN orders.history h ON h.order_id = o.id AND h.version = o.version
WHERE (h.dst, h.reason, h.outcome) IS DISTINCT FROM (o.status, o.reason, o.last_outcome)
UNION ALL
SELECT 'line without its version', h.order_id, h.version, o.status, h.dst
FROM orders.history h LEFT JOIN orders.orders o ON o.id = h.order_id
WHERE o.id IS NULL OR h.version > o.version
UNION ALL
SELECT 'made at another time', o.id, 0, o.created_at::text, h.at::text
FROM orders.orders o JOIN orders.history h ON h.order_id = o.id AND h.version = 0
WHERE h.at NOT BETWEEN o.created_at - interval '1 min' AND o.created_at + interval '1 min'
UNION ALL
SELECT 'trace of no step', o.id, o.version, o.traceparent, NULL
FROM orders.orders o
WHERE NOT EXISTS (SELECT 1 FROM orders.history h WHERE h.order_id = o.id
                  AND h.traceparent IS NOT DISTINCT FROM o.traceparent)""",
    enforced_by="history is written by trigger and is append-only",
)

A_REASON_IS_WHAT_HAPPENED = Invariant(
    id="I25",
    kind="A",
    title="A reason is what happened",
    promise="An order that failed for its stock or its card has the refusal on record.",
    sql="""\
SELECT o.id AS order_id, o.reason, r.state AS reservation, p.state AS payment
FROM orders.orders o
LEFT JOIN inventory.reservations r ON r.order_id = o.id
LEFT JOIN payments.payments p ON p.payment_id = o.payment_id
WHERE o.status IN ('FAILED', 'CANCELLING')
  AND (o.reason = 'OUT_OF_STOCK' AND r.state IS DISTINCT FROM 'REJECTED'
    OR o.reason = 'PAYMENT_DECLINED' AND p.state IS DISTINCT FROM 'FAILED'
    OR o.reason NOT IN ('OUT_OF_STOCK', 'PAYMENT_DECLINED') AND r.state = 'REJECTED'
       AND o.status = 'FAILED' AND p.payment_id IS NULL)
ORDER BY o.id""",
    enforced_by="a decision is recorded with the answer it follows from",
)

RESPONSES_ARE_TRUE = Invariant(
    id="R3",
    kind="A",
    title="Stored responses are true",
    promise="The response stored under a key names the order it owns, and is still true.",
    sql="""\
SELECT i.scope, i.key, i.order_id, i.status_code, o.status
FROM orders.idempotency i JOIN orders.orders o ON o.id = i.order_id
WHERE i.response IS NOT NULL
  AND (position(convert_to('"order_id":"' || o.id || '"', 'UTF8') IN i.response) = 0
       OR i.status_code NOT IN (201, 202, 402, 409)
       OR i.status_code IN (201, 202) AND (
            position(convert_to('"product_id":"' || o.product_id || '"', 'UTF8') IN i.response) = 0
         OR position(convert_to('"quantity":' || o.quantity || ',', 'UTF8') IN i.response) = 0
         OR position(convert_to('"amount_minor":' || o.amount_minor || ',', 'UTF8')
                     IN i.response) = 0)
       OR i.status_code = 201 AND (
            o.status <> 'CONFIRMED'
         OR position(convert_to('"status":"CONFIRMED"', 'UTF8') IN i.response) = 0)
       OR i.status_code IN (402, 409) AND o.status NOT IN ('CANCELLING', 'FAILED'))
ORDER BY i.scope, i.key""",
    enforced_by="a response is stored once, after the step that it reports",
)

# By the clock, and not by when the proof's transaction began: on a busy machine its snapshot may be
# seconds younger, and a row in it as well.
_NOTHING_STRANDED = """\
SELECT 'order' AS what, id::text AS ref, status AS state, next_attempt_at
FROM orders.orders
WHERE (status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')
       OR (status = 'CONFIRMED' AND stock_committed_at IS NULL))
  AND next_attempt_at > clock_timestamp() + interval '{order_s:g} s'
UNION ALL
SELECT 'payment', payment_id::text, state, next_attempt_at
FROM payments.payments
WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')
  AND next_attempt_at > clock_timestamp() + interval '{payment_s:g} s'
UNION ALL
SELECT 'attempt that nothing looks up', a.gw_key, a.state, NULL
FROM payments.attempts a JOIN payments.payments p USING (payment_id)
WHERE a.state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED')
  AND p.state NOT IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"""


def nothing_stranded(limits: Limits) -> Invariant:
    """Rule R10: whichever process crashed, a later attempt of the row is due, and soon."""
    return Invariant(
        id="R10",
        kind="A",
        title="Nothing is stranded",
        promise="Whatever is unfinished has a next attempt, due within its bound.",
        sql=_NOTHING_STRANDED.format(order_s=limits.order_due_s, payment_s=limits.payment_due_s),
        enforced_by="next_attempt_at is never null; leases are later due times",
        reads="everything",
    )


def invariants(limits: Limits) -> tuple[Invariant, ...]:
    """The promises about orders, as far as this gateway allows."""
    # A gateway that cannot refuse a voided charge may capture late; the sweep then gives it back.
    failed = FAILED_MEANS_FREE
    if not limits.gateway_fences:
        failed = msgspec.structs.replace(failed, kind="Q")
    return (
        CONFIRMED_MEANS_DELIVERED,
        failed,
        DECIDED_ONCE,
        NOTHING_UNFINISHED,
        NOTHING_HELD_BACK,
        ONE_ORDER_PER_KEY,
        HISTORY_IS_WHOLE,
        A_REASON_IS_WHAT_HAPPENED,
        RESPONSES_ARE_TRUE,
        nothing_stranded(limits),
    )
