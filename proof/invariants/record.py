"""Promises about the record: every row leads back to its order, nothing was taken out, and what
guards it is there."""

from proof.guards import FOUND
from proof.invariant import Invariant
from proof.sealed_tables import FORMAT, LINK_CONTENT, digests

NOTHING_IS_WITHOUT_ITS_ORDER = Invariant(
    id="I20",
    kind="A",
    title="Nothing is without its order",
    promise="Goods, money and every line about them lead back to an order, or were made by hand.",
    sql="""\
SELECT 'reservation' AS what, r.order_id::text AS ref, r.state AS found, r.created_at AS at
FROM inventory.reservations r LEFT JOIN orders.orders o ON o.id = r.order_id
WHERE o.id IS NULL AND r.made_by = 'order-service'
UNION ALL
SELECT 'payment', p.payment_id::text, p.state, p.created_at
FROM payments.payments p LEFT JOIN orders.orders o ON o.id = p.order_id
WHERE o.id IS NULL AND p.made_by = 'order-service'
UNION ALL
SELECT 'attempt without its payment', a.payment_id::text, a.gw_key, a.created_at
FROM payments.attempts a LEFT JOIN payments.payments p USING (payment_id)
WHERE p.payment_id IS NULL
UNION ALL
SELECT 'payment without an attempt', p.payment_id::text, p.state, p.created_at
FROM payments.payments p LEFT JOIN payments.attempts a USING (payment_id)
WHERE a.payment_id IS NULL AND p.amount_minor IS NOT NULL
UNION ALL
SELECT 'line about no attempt', h.payment_id::text, h.dst, h.at
FROM payments.attempt_history h LEFT JOIN payments.attempts a USING (payment_id, leg_n, n)
WHERE a.payment_id IS NULL
UNION ALL
SELECT 'charge that nobody asked for', c.payment_ref, c.gw_key || ' ' || c.state, c.created_at
FROM gateway.charges c LEFT JOIN payments.attempts a
  ON a.gw_key = c.gw_key AND a.payment_id::text = c.payment_ref
WHERE a.gw_key IS NULL
UNION ALL
SELECT 'transfer for no payment', l.payment_id::text, l.kind, l.posted_at
FROM payments.ledger l LEFT JOIN payments.payments p USING (payment_id)
WHERE p.payment_id IS NULL
UNION ALL
SELECT 'reservation of an order, by hand', r.order_id::text, r.made_by, r.created_at
FROM inventory.reservations r JOIN orders.orders o ON o.id = r.order_id
WHERE r.made_by = 'hand' AND r.product_id IS NOT NULL
UNION ALL
SELECT 'payment of an order, by hand', p.payment_id::text, p.made_by, p.created_at
FROM payments.payments p JOIN orders.orders o ON o.payment_id = p.payment_id
WHERE p.made_by = 'hand' AND p.amount_minor IS NOT NULL
UNION ALL
SELECT 'payment for a capture that was asked for', p.payment_id::text, p.made_by, p.created_at
FROM payments.payments p
WHERE p.made_by = 'capture' AND p.cancel_reason IS DISTINCT FROM 'NEVER_ASKED_FOR'""",
    enforced_by="intent before effect; the order comes first, by its id",
)

NOTHING_WAS_TAKEN_OUT = Invariant(
    id="I26",
    kind="A",
    title="Nothing was taken out",
    promise="No row was deleted, no line that is written once was changed, and no order that was "
    "proven is gone.",
    sql="""\
SELECT book AS what, order_ref, was::text AS was, changed_in::text AS in_transaction
FROM proof.removals
UNION ALL
SELECT 'orders that were proven before are gone', NULL, missing, NULL
FROM (SELECT nullif(current_setting('valerix.orders_missing', true), '') AS missing) s
WHERE missing IS NOT NULL
ORDER BY in_transaction""",
    enforced_by="append-only triggers; notes that are kept though triggers are off",
    reads="everything",
)

THE_GUARDS_STAND = Invariant(
    id="I30",
    kind="A",
    title="The guards stand",
    promise="Triggers and what they call, constraints, unique indexes and transitions are "
    "as the migrations made them.",
    sql=f"""\
WITH made AS (
  SELECT key AS guard, value AS made
  FROM jsonb_each_text(nullif(current_setting('valerix.guards', true), '')::jsonb)
), present AS (
{FOUND}
)
SELECT guard, coalesce(made, 'not made') AS made, coalesce(found, 'missing') AS found
FROM made FULL JOIN present USING (guard)
WHERE made IS DISTINCT FROM found AND EXISTS (SELECT FROM made)
ORDER BY guard""",  # noqa: S608 - constants
    enforced_by="only the owner of the tables may alter them; this notices when the owner did",
    reads="everything",
)

# What a link of an older format seals is sealed by a newer link as well; its own digest is checked.
# `"proof"."chain"` is all of it, also where the promise is judged for some links only.
THE_RECORD_IS_UNBROKEN = Invariant(
    id="I27",
    kind="A",
    title="The record is unbroken",
    promise="What was written and sealed still reads the same, link by link, up to the head that "
    "is kept outside the database.",
    sql="""\
SELECT l.n AS link, t.name AS what, l.at AS sealed_at, l.tables->>t.name AS sealed,
       jsonb_build_array(t.lines, t.digest)::text AS found
FROM proof.chain l CROSS JOIN LATERAL (
{digests}
) t
WHERE l.format = {format} AND l.server = (SELECT system_identifier::text FROM pg_control_system())
  AND l.tables->t.name IS DISTINCT FROM jsonb_build_array(t.lines, t.digest)
UNION ALL
SELECT l.n, 'the link itself', l.at, encode(l.digest, 'hex'), encode(sha256(
         l.previous || convert_to({content}, 'UTF8')), 'hex')
FROM proof.chain l
WHERE l.digest <> sha256(l.previous || convert_to({content}, 'UTF8'))
UNION ALL
SELECT l.n, 'the link before', l.at, encode(l.previous, 'hex'), encode(p.digest, 'hex')
FROM proof.chain l LEFT JOIN "proof"."chain" p ON p.n = l.n - 1
WHERE l.previous IS DISTINCT FROM CASE WHEN l.n = 1 THEN ''::bytea ELSE p.digest END
UNION ALL
SELECT h.n, 'the head outside', NULL, h.digest, encode(p.digest, 'hex')
FROM (SELECT split_part(head, ' ', 1)::bigint AS n, split_part(head, ' ', 2) AS digest
      FROM (SELECT nullif(current_setting('valerix.chain_head', true), '') AS head) s
      WHERE head IS NOT NULL) h
LEFT JOIN "proof"."chain" p ON p.n = h.n
WHERE h.digest IS DISTINCT FROM encode(p.digest, 'hex')
ORDER BY link, what""".format(  # noqa: S608 - constants
        digests=digests("l.since", "l.before"), content=LINK_CONTENT.format("l."), format=FORMAT
    ),
    enforced_by="links over what ended transactions wrote; their head in a file, a metric, the log",
    reads="chain",
)

INVARIANTS = (
    NOTHING_IS_WITHOUT_ITS_ORDER,
    NOTHING_WAS_TAKEN_OUT,
    THE_GUARDS_STAND,
    THE_RECORD_IS_UNBROKEN,
)
