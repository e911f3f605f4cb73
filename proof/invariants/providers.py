"""Promises about what providers tell us: their events, and the files of what they settled."""

from proof.invariant import Invariant

EVERY_EVENT_HAS_ONE_EFFECT = Invariant(
    id="P10",
    kind="Q",
    title="Every event has one effect",
    promise="An event of a provider is kept before it is answered, once, and processed; what it "
    "settled is how its attempt stands; none about an attempt of ours is passed over.",
    # What the acquirer believes to be delivered is read in its own tables. A payment that waits for
    # a human has contradicting answers, and none of them is resolved.
    sql="""\
SELECT 'not processed' AS what, e.provider, e.event_id, e.type, NULL AS found,
       coalesce(e.payment_id::text, e.event_id) AS payment_ref, e.received_at AS since
FROM payments.provider_events e WHERE e.processed_at IS NULL
UNION ALL
SELECT 'kept twice', e.provider, e.event_id, min(e.type), count(*)::text,
       coalesce(min(e.payment_id::text), e.event_id), '-infinity'
FROM payments.provider_events e GROUP BY e.provider, e.event_id HAVING count(*) > 1
UNION ALL
SELECT 'without its effect', e.provider, e.event_id, e.type,
       coalesce(a.provider || ' ' || a.state, 'no attempt'), e.payment_id::text, '-infinity'
FROM payments.provider_events e
LEFT JOIN payments.attempts a USING (payment_id, leg_n, n)
LEFT JOIN payments.payments p USING (payment_id)
WHERE e.result = 'settled' AND p.needs_review IS NOT true
  AND (a.provider IS DISTINCT FROM e.provider
    OR e.type = 'payment_intent.succeeded' AND a.state NOT IN ('SUCCEEDED', 'REFUNDED')
    OR e.type = 'payment_intent.canceled' AND a.state NOT IN ('VOIDED', 'FAILED')
    OR a.state IN ('IN_FLIGHT', 'UNKNOWN'))
UNION ALL
SELECT 'passed over', e.provider, e.event_id, e.type, e.result, e.payment_id::text, '-infinity'
FROM payments.provider_events e
JOIN payments.attempts a ON a.payment_id = e.payment_id AND a.gw_key = e.attempt_key
  AND a.provider = e.provider
WHERE e.result = 'foreign'
UNION ALL
SELECT 'answered and not kept', w.account, s.id, s.type, d.state, a.payment_id::text, '-infinity'
FROM payments.attempts a
JOIN acquirer.events s ON s.object ->> 'id' = a.provider_ref
JOIN acquirer.deliveries d ON d.event = s.id AND d.state = 'DELIVERED'
JOIN payments.webhook_endpoints w ON w.endpoint = d.endpoint
LEFT JOIN payments.provider_events e ON (e.provider, e.event_id) = (w.account, s.id)
WHERE e.event_id IS NULL""",
    enforced_by="the inbox is unique by event; outcome and processed mark commit together",
)

SETTLEMENT_AND_LEDGER_AGREE = Invariant(
    id="P6",
    kind="A",
    title="Settlement and ledger agree",
    promise="Each line of an account's file is one transfer in the ledger, of its amount, with the "
    "fee of the account's terms then, and the reverse; or the difference is on record.",
    sql="""\
WITH moved AS (
  SELECT a.provider AS account, a.provider_ref AS intent, l.kind, l.payment_id, l.leg_n,
         abs(l.amount_minor) AS amount_minor, l.currency, l.posted_at
  FROM payments.ledger l
  JOIN payments.attempts a ON (a.payment_id, a.leg_n) = (l.payment_id, l.leg_n)
   AND a.n = (SELECT max(n) FROM "payments"."attempts" newest
              WHERE (newest.payment_id, newest.leg_n) = (l.payment_id, l.leg_n))
  WHERE l.account = 'gateway_clearing' AND a.provider_ref IS NOT NULL
), judged AS (
  SELECT s.account, s.line_id, s.amount_minor, s.currency, s.fee_minor, m.payment_id,
         m.amount_minor AS ours_minor, m.currency AS ours_currency,
         CASE s.kind WHEN 'capture' THEN fee.minor ELSE 0 END AS expected_fee_minor,
         row_number() OVER (PARTITION BY s.account, s.intent, s.kind
                            ORDER BY s.booked_at, s.line_id) AS nth
  FROM payments.settlement_lines s
  LEFT JOIN moved m ON (m.account, m.intent, m.kind) = (s.account, s.intent, s.kind)
  LEFT JOIN LATERAL (
    SELECT (s.amount_minor * t.fee_basis_points + 9999) / 10000 + t.fee_fixed_minor AS minor
    FROM payments.provider_terms t WHERE t.account = s.account AND t.since <= s.booked_at
    ORDER BY t.since DESC LIMIT 1) fee ON true
)
SELECT CASE WHEN j.nth > 1 THEN 'line twice' WHEN j.ours_minor IS NULL THEN 'line without transfer'
            WHEN (j.ours_minor, j.ours_currency) <> (j.amount_minor, j.currency)
              THEN 'other amount' ELSE 'other fee' END AS what,
       j.account, j.line_id AS reference, j.payment_id, j.ours_minor, j.amount_minor,
       j.expected_fee_minor, j.fee_minor
FROM judged j
WHERE (j.nth > 1 OR j.ours_minor IS NULL
    OR (j.ours_minor, j.ours_currency) <> (j.amount_minor, j.currency)
    OR j.fee_minor IS DISTINCT FROM j.expected_fee_minor)
  AND NOT EXISTS (SELECT FROM payments.reconciliation_breaks b
                  WHERE (b.account, b.reference) = (j.account, j.line_id)
                    AND b.resolved_in IS NULL)
UNION ALL
SELECT 'transfer without line', m.account, m.payment_id || ':' || m.leg_n || ':' || m.kind,
       m.payment_id, m.amount_minor, NULL, NULL, NULL
FROM moved m
WHERE EXISTS (SELECT FROM payments.reconciliation_runs r
              WHERE (r.account, r.day) = (m.account, (m.posted_at AT TIME ZONE 'UTC')::date)
                AND r.result <> 'failed' AND r.started_at > m.posted_at + interval '1 minute')
  AND NOT EXISTS (SELECT FROM payments.settlement_lines s
                  WHERE (s.account, s.intent, s.kind) = (m.account, m.intent, m.kind))
  AND NOT EXISTS (SELECT FROM payments.reconciliation_breaks b
                  WHERE (b.account, b.reference)
                      = (m.account, m.payment_id || ':' || m.leg_n || ':' || m.kind)
                    AND b.resolved_in IS NULL)
ORDER BY 2, 3""",
    enforced_by="a run writes its lines together with every difference it found",
)

INVARIANTS = (EVERY_EVENT_HAS_ONE_EFFECT, SETTLEMENT_AND_LEDGER_AGREE)
