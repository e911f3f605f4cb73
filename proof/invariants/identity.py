"""Promises about sessions and keys: a refresh token is good once, and one key signs."""

from proof.invariant import Invariant

A_REFRESH_TOKEN_IS_GOOD_ONCE = Invariant(
    id="T1",
    kind="A",
    title="A refresh token is good once",
    promise="A spent refresh token has at most one successor, of its family; a family has at most "
    "one live token, and one that was revoked has none.",
    sql="""\
SELECT 'successors' AS what, p.family_id, p.token_id, count(*) AS found
FROM identity.refresh_tokens p JOIN identity.refresh_tokens s ON s.parent = p.token_id
GROUP BY p.family_id, p.token_id, p.state
HAVING count(*) > 1 OR p.state <> 'SPENT' OR bool_or(s.family_id <> p.family_id)
UNION ALL
SELECT 'live tokens', f.family_id, NULL, count(*)
FROM identity.families f JOIN identity.refresh_tokens t USING (family_id)
WHERE t.state = 'LIVE'
GROUP BY f.family_id, f.revoked_at HAVING count(*) > 1 OR f.revoked_at IS NOT NULL""",
    enforced_by="the family's lock; unique parent, one live token a family; triggers",
    reads="everything",
)

ONE_KEY_SIGNS = Invariant(
    id="T2",
    kind="A",
    title="One key signs, and was published before",
    promise="Where there are keys, one signs. None signed before the time that it was published "
    "for. One that is retired has no private part and was published on for an hour; one that was "
    "withdrawn has none, is not published any more, and says why.",
    sql="""\
SELECT 'signing keys' AS what, NULL AS kid, count(*) FILTER (WHERE state = 'SIGNING') AS found
FROM identity.signing_keys HAVING count(*) > 0 AND count(*) FILTER (WHERE state = 'SIGNING') <> 1
UNION ALL
SELECT 'signed too soon', kid, NULL
FROM identity.signing_keys WHERE signing_since < signs_at OR signs_at < published_at
UNION ALL
SELECT 'not over', kid, NULL
FROM identity.signing_keys
WHERE state = 'RETIRED'
  AND (private_key IS NOT NULL OR gone_at < retired_at + interval '1 hour')
UNION ALL
SELECT 'withdrawn and there', kid, NULL
FROM identity.signing_keys
WHERE state = 'WITHDRAWN'
  AND (private_key IS NOT NULL OR gone_at IS NULL OR gone_at > withdrawn_at
       OR withdrawn_at IS NULL OR withdrawn_because IS NULL)""",
    enforced_by="one index of the state; CHECK on the times; the trigger on its transitions",
    reads="everything",
)

INVARIANTS = (A_REFRESH_TOKEN_IS_GOOD_ONCE, ONE_KEY_SIGNS)
