"""Promises about what is decided for a payment: its plan, its policy, and who may be asked now."""

from proof.invariant import Invariant

# The fee of an amount is worked out here once more, in a type that nothing overflows.
_FEE = "(t.fixed + ceil({minor}::numeric * t.points / 10000))"
_PLANS = """\
WITH legs AS (
  SELECT p.payment_id, p.plan_n, coalesce((l.leg->>'leg_n')::int, l.n) AS n,
         l.leg->>'account' AS account,
         (l.leg->>'amount_minor')::bigint AS minor, (l.leg->>'fee_minor')::bigint AS fee
  FROM payments.plans p, jsonb_array_elements(p.legs) WITH ORDINALITY AS l (leg, n)
), terms AS (
  SELECT p.payment_id, p.plan_n, t->>'account' AS account,
         (t->>'fee_basis_points')::int AS points, (t->>'fee_fixed_minor')::bigint AS fixed,
         (t->>'minimum_minor')::bigint AS least,
         least((t->>'maximum_minor')::bigint, (t->>'capacity_minor')::bigint) AS most,
         t->'currencies' ? (p.inputs->>'currency') AS takes,
         p.inputs->'usable' ? (t->>'account') AS usable
  FROM payments.plans p, jsonb_array_elements(p.inputs->'terms') t
), plans AS (
  SELECT p.payment_id, p.plan_n, p.inputs->>'split' AS split,
         (p.inputs->>'amount')::bigint AS amount,
         (p.inputs->>'amount')::bigint - coalesce((p.inputs->>'wallet_minor')::bigint, 0)
           AS divided,
         p.inputs->'policy'->'action'->>'kind' AS action,
         (p.certificate->>'cost_minor')::bigint AS cost,
         (p.certificate->>'lower_bound_minor')::bigint AS bound, s.minor, s.fee
  FROM payments.plans p
  LEFT JOIN (SELECT payment_id, plan_n, sum(minor)::bigint AS minor, sum(fee)::bigint AS fee
             FROM legs GROUP BY payment_id, plan_n) s USING (payment_id, plan_n)
)"""

A_PLAN_IS_WHAT_IT_CLAIMS = Invariant(
    id="P7",
    kind="A",
    title="A plan is what it claims",
    promise="A plan's legs are the payment's, sum to its amount and cost what their accounts "
    "charge; its claims fit, no account alone would have cost less, and none failed the plan "
    "before.",
    # Which division over several accounts costs least is a search: `proof/plan_certificate.py` does
    # it with a solver.
    sql=f"""\
{_PLANS}
SELECT 'legs that are not the amount' AS what, payment_id, NULL AS account,
       amount::text AS expected, coalesce(minor::text, 'no leg') AS found
FROM plans WHERE minor IS DISTINCT FROM amount
UNION ALL
SELECT 'a leg that its account does not take so', l.payment_id, l.account,
       coalesce(concat_ws(' ', t.least, 'to', t.most, 'for',
                          {_FEE.format(minor="l.minor")}), 'no terms'),
       concat_ws(' ', l.minor, 'for', l.fee)
FROM legs l LEFT JOIN terms t USING (payment_id, plan_n, account)
WHERE (t.takes AND l.minor BETWEEN t.least AND t.most
       AND l.fee = {_FEE.format(minor="l.minor")}) IS NOT true
UNION ALL
SELECT 'a claim that does not fit', payment_id, NULL, fee::text, cost || ' and at least ' || bound
FROM plans WHERE cost IS NOT NULL AND (cost <> fee OR bound > cost)
UNION ALL
SELECT 'an account alone costs less', p.payment_id, t.account,
       {_FEE.format(minor="p.divided")}::text, p.fee::text
FROM plans p JOIN terms t USING (payment_id, plan_n)
WHERE p.split = 'cheapest' AND p.action IS DISTINCT FROM 'prefer' AND t.usable AND t.takes
  AND p.divided BETWEEN t.least AND t.most AND {_FEE.format(minor="p.divided")} < p.fee
UNION ALL
SELECT 'a leg that is not the plan''s', l.payment_id, l.account, l.minor::text,
       coalesce(concat_ws(' ', g.amount_minor, g.provider), 'no leg')
FROM legs l LEFT JOIN payments.legs g ON g.payment_id = l.payment_id AND g.leg_n = l.n
  AND g.plan_n = l.plan_n
WHERE (g.amount_minor, g.provider) IS DISTINCT FROM (l.minor, l.account)
UNION ALL
SELECT DISTINCT 'an account that failed the plan before', l.payment_id, l.account, NULL, a.gw_key
FROM legs l JOIN payments.legs g ON g.payment_id = l.payment_id AND g.plan_n < l.plan_n
JOIN payments.attempts a ON (a.payment_id, a.leg_n) = (g.payment_id, g.leg_n)
  AND a.provider = l.account AND a.state = 'FAILED'""",  # noqa: S608 - constants
    enforced_by="plan and legs are committed together, from one search whose claim is stored",
)

A_DECISION_IS_ITS_POLICYS = Invariant(
    id="P9",
    kind="A",
    title="A decision is its policy's",
    promise="What a policy said of a payment follows from its text, rule by rule: the first one "
    "that was true, or failed, decided.",
    # Whether a condition is true is CEL's to say, which SQL cannot: tests ask a second library.
    sql="""\
WITH asked AS (
  SELECT p.payment_id, p.plan_n, p.policy_version, p.inputs->'policy' AS said, v.text
  FROM payments.plans p LEFT JOIN payments.policies v ON v.version = p.policy_version
  WHERE p.policy_version IS NOT NULL
), traced AS (
  SELECT a.payment_id, a.plan_n, r.n, r.rule->>'outcome' AS outcome, (r.rule->>'line')::int AS line,
         r.rule->>'action' AS action, a.said,
         split_part(a.text, E'\\n', (r.rule->>'line')::int) AS written,
         concat('if ', r.rule->>'when', ' then ', r.rule->>'action') AS recorded,
         first_value(r.n) OVER (PARTITION BY a.payment_id, a.plan_n ORDER BY
           r.rule->>'outcome' IN ('matched', 'failed') DESC, r.n) AS decides,
         r.rule->>'outcome' IN ('matched', 'failed') AS decided
  FROM asked a, jsonb_array_elements(a.said->'trace') WITH ORDINALITY AS r (rule, n)
)
SELECT 'another version' AS what, payment_id, policy_version AS expected,
       coalesce(said->>'version', 'nothing said') AS found
FROM asked WHERE text IS NULL OR said->>'version' IS DISTINCT FROM policy_version
UNION ALL
SELECT 'a rule that is not in the text', payment_id, written, recorded
FROM traced WHERE left(written, length(recorded)) IS DISTINCT FROM recorded
UNION ALL
SELECT 'rules left out', a.payment_id, w.rules::text, jsonb_array_length(a.said->'trace')::text
FROM asked a CROSS JOIN LATERAL (
  SELECT count(*) AS rules FROM regexp_split_to_table(a.text, E'\\n') AS line
  WHERE line ~ '^if ') w
WHERE w.rules IS DISTINCT FROM jsonb_array_length(a.said->'trace')
UNION ALL
SELECT 'not the first that decides', payment_id, coalesce(said->>'line', 'no line'),
       line || ' ' || outcome
FROM traced
WHERE outcome <> CASE WHEN n = decides AND decided THEN outcome
                      WHEN n > decides AND (said->>'line') IS NOT NULL THEN 'not reached'
                      ELSE 'not matched' END
   OR n = decides AND decided AND (said->>'line')::int IS DISTINCT FROM line
   OR (said->>'line') IS NOT NULL AND n = decides AND NOT decided
UNION ALL
SELECT 'another action', t.payment_id, t.written, concat_ws(' ', t.said->'action'->>'kind',
                                                           t.said->'action'->>'provider') AS found
FROM traced t
WHERE t.n = t.decides AND t.decided AND concat_ws(' ', t.said->'action'->>'kind',
                                                 t.said->'action'->>'provider')
      IS DISTINCT FROM CASE WHEN t.outcome = 'matched' THEN t.action
                            ELSE coalesce(substring(t.written FROM ' onError (.*)$'),
                                          'skipFallback') END
UNION ALL
SELECT 'an action without a rule', payment_id, 'allow', said->'action'->>'kind'
FROM asked WHERE said->>'line' IS NULL AND said->'action'->>'kind' IS DISTINCT FROM 'allow'""",
    enforced_by="policies and plans are never changed; a version is the digest of its text",
)

NOBODY_IS_ASKED_THROUGH_AN_OPEN_BREAKER = Invariant(
    id="P8",
    kind="A",
    title="An open breaker is kept",
    promise="An account is asked for no new money later than a second after its breaker opened, "
    "but for one probe at a time.",
    sql="""\
WITH moves AS (
  SELECT id, account, dst, at, until, lead(at, 1, 'infinity') OVER own AS ended,
         lag(dst) OVER own AS before, lag(until) OVER own AS not_before
  FROM payments.breaker_transitions WINDOW own AS (PARTITION BY account ORDER BY id)
), asked AS (
  SELECT a.provider, a.gw_key, a.created_at
  FROM payments.attempts a JOIN payments.payments p USING (payment_id)
  WHERE a.method IS NOT NULL AND (a.provider <> 'wallet' OR p.order_id IS NULL)
)
SELECT 'asked while it was open' AS what, m.account, a.gw_key AS found, m.at AS moved_at,
       a.created_at AS at
FROM moves m JOIN asked a ON a.provider = m.account
  AND a.created_at > m.at + interval '1 second' AND a.created_at < m.ended
WHERE m.dst = 'open'
UNION ALL
SELECT 'probed too early', account, before, not_before, at
FROM moves WHERE dst = 'half-open' AND (before = 'closed' OR at < not_before)
UNION ALL
SELECT 'probed by several', m.account, string_agg(a.gw_key, ', ' ORDER BY a.gw_key), m.at,
       max(a.created_at)
FROM moves m JOIN asked a ON a.provider = m.account
  AND a.created_at > m.at AND a.created_at < m.ended
WHERE m.dst = 'half-open'
GROUP BY m.id, m.account, m.at HAVING count(*) > 1
ORDER BY at""",
    enforced_by="the state is read in the transaction that writes the attempt; a leased row probes",
    reads="everything",
)

INVARIANTS = (
    A_PLAN_IS_WHAT_IT_CLAIMS,
    A_DECISION_IS_ITS_POLICYS,
    NOBODY_IS_ASKED_THROUGH_AN_OPEN_BREAKER,
)
