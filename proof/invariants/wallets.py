"""Promises about wallets: their ledger, holds and hash chains, and what the gateway took for them.

They read every wallet each time: the window of a checkpoint is over orders and their payments."""

from proof.invariant import Invariant

EVERY_TRANSFER_SUMS_TO_ZERO = Invariant(
    id="W1",
    kind="A",
    title="Every transfer sums to zero",
    promise="What moves money has two entries of its amount, which cancel each other in its one "
    "currency; a hold and a void have none, and no entry is of no transfer.",
    sql="""\
SELECT t.transfer_id, t.kind, t.currency, t.amount_minor, count(e.entry_id) AS entries,
       coalesce(sum(e.amount_minor), 0) AS off_by_minor
FROM wallets.transfers t LEFT JOIN wallets.entries e USING (transfer_id)
GROUP BY t.transfer_id, t.kind, t.currency, t.amount_minor, t.debit_account, t.credit_account
HAVING CASE WHEN t.kind IN ('hold', 'void') THEN count(e.entry_id) <> 0
            ELSE count(e.entry_id) <> 2 OR sum(e.amount_minor) <> 0
              OR bool_or(e.currency <> t.currency)
              OR bool_or(e.amount_minor IS DISTINCT FROM CASE e.account_id WHEN t.debit_account
                         THEN -t.amount_minor WHEN t.credit_account THEN t.amount_minor END)
       END
UNION ALL
SELECT t.transfer_id, t.kind, t.currency, t.amount_minor, NULL, NULL
FROM wallets.transfers t
LEFT JOIN wallets.accounts d ON d.account_id = t.debit_account
LEFT JOIN wallets.accounts c ON c.account_id = t.credit_account
LEFT JOIN wallets.transactions o ON o.transaction_id = t.transaction_id
LEFT JOIN wallets.transactions p ON p.transaction_id = t.payee_transaction_id
WHERE (d.currency, c.currency, o.currency, coalesce(p.transaction_id, t.transaction_id))
  IS DISTINCT FROM (t.currency, t.currency, t.currency,
                    coalesce(t.payee_transaction_id, t.transaction_id))
UNION ALL
SELECT e.transfer_id, NULL, e.currency, NULL, 1, e.amount_minor FROM wallets.entries e
WHERE NOT EXISTS (SELECT FROM wallets.transfers t WHERE t.transfer_id = e.transfer_id)""",
    enforced_by="a transfer posts itself; nothing else writes wallets.entries",
    reads="everything",
)

A_BALANCE_IS_ITS_ENTRIES = Invariant(
    id="W2",
    kind="A",
    title="A balance is the sum of its entries",
    promise="A wallet's sealed entries are numbered without a gap, each with the balance up to it; "
    "its balance is their sum, and what it holds is its unresolved holds.",
    sql="""\
WITH sealed AS (
  SELECT account_id, version, balance_minor,
         row_number() OVER w AS n, sum(amount_minor) OVER w AS sum_minor
  FROM wallets.entries WHERE version IS NOT NULL
  WINDOW w AS (PARTITION BY account_id ORDER BY version)
), wallet AS (
  SELECT account_id, count(*) AS entries, max(sum_minor) FILTER (WHERE n = entries_) AS minor
  FROM (SELECT *, count(*) OVER (PARTITION BY account_id) AS entries_ FROM sealed) s
  GROUP BY account_id
), holding AS (
  SELECT h.debit_account AS account_id, sum(h.amount_minor) AS minor
  FROM wallets.transfers h
  WHERE h.kind = 'hold'
    AND NOT EXISTS (SELECT FROM wallets.transfers r WHERE r.pending_id = h.transfer_id)
  GROUP BY h.debit_account
)
SELECT 'entry' AS what, s.account_id, s.version::bigint AS found, s.n AS expected
FROM sealed s WHERE s.version <> s.n OR s.balance_minor <> s.sum_minor
UNION ALL
SELECT 'balance', w.account_id, w.posted_minor, coalesce(p.minor, 0)
FROM wallets.wallet_balances w LEFT JOIN wallet p USING (account_id)
WHERE w.posted_minor <> coalesce(p.minor, 0) OR w.version <> coalesce(p.entries, 0)
UNION ALL
SELECT 'held', w.account_id, w.held_minor, coalesce(h.minor, 0)
FROM wallets.wallet_balances w LEFT JOIN holding h USING (account_id)
WHERE w.held_minor <> coalesce(h.minor, 0)
UNION ALL
SELECT 'debit that is not sealed', e.account_id, e.amount_minor, NULL
FROM wallets.entries e WHERE e.chained AND e.version IS NULL AND e.amount_minor < 0""",
    enforced_by="entries and balance move in one trigger, under the wallet's lock",
    reads="everything",
)

A_HOLD_IS_RESOLVED_ONCE = Invariant(
    id="W3",
    kind="A",
    title="A hold is resolved once",
    promise="A payment, or purchase, has one hold, of its amount and its user's wallet: posted if "
    "it was approved, voided if it was not, neither while it is pending; a payment has one "
    "attempt, and a key says what became of it.",
    sql="""\
SELECT t.transaction_id, t.status, count(DISTINCT h.transfer_id) AS holds,
       count(r.*) FILTER (WHERE r.kind = 'post') AS posts,
       count(r.*) FILTER (WHERE r.kind = 'void') AS voids
FROM wallets.transactions t
LEFT JOIN wallets.transfers h ON h.transaction_id = t.transaction_id AND h.kind = 'hold'
  AND (h.amount_minor, h.debit_account) = (t.amount_minor, t.account_id)
LEFT JOIN wallets.transfers r ON r.pending_id = h.transfer_id
WHERE t.kind IN ('PAYMENT', 'PURCHASE')
GROUP BY t.transaction_id, t.status
HAVING count(DISTINCT h.transfer_id) <> 1
    OR count(r.*) FILTER (WHERE r.kind = 'post') <> (t.status = 'APPROVED')::int
    OR count(r.*) FILTER (WHERE r.kind = 'void')
       <> (t.status IN ('DECLINED', 'GATEWAY_ERROR', 'VOIDED'))::int
UNION ALL
SELECT h.transaction_id, concat_ws(' ', h.state, t.kind, t.status), NULL, NULL, NULL
FROM wallets.holds h LEFT JOIN wallets.transactions t USING (transaction_id)
WHERE h.transaction_id IS NOT NULL
  AND (t.kind, t.status, EXISTS (SELECT FROM wallets.transactions r
                                 JOIN wallets.transfers b ON b.transfer_id = r.void_id
                                 WHERE r.refund_of = h.transaction_id AND b.kind = 'refund'))
      IS DISTINCT FROM ('PURCHASE', CASE h.state WHEN 'HELD' THEN 'PENDING'
                        WHEN 'VOIDED' THEN 'VOIDED' ELSE 'APPROVED' END, h.state = 'REFUNDED')
UNION ALL
SELECT coalesce(a.transaction_id, t.transaction_id),
       CASE WHEN t.kind IS NULL THEN 'an attempt of no payment' ELSE 'no attempt' END,
       NULL, NULL, NULL
FROM wallets.attempts a
FULL JOIN (SELECT * FROM wallets.transactions WHERE kind = 'PAYMENT') t USING (transaction_id)
WHERE a.gw_key IS DISTINCT FROM 'wal_' || t.transaction_id
UNION ALL
SELECT t.transaction_id, 'of another account than its user''s', NULL, NULL, NULL
FROM wallets.transactions t LEFT JOIN wallets.wallet_balances w USING (user_id, currency)
WHERE w.account_id IS DISTINCT FROM t.account_id""",
    enforced_by="unique pending_id; a payment and its hold end in one statement",
    reads="everything",
)

NOBODY_SPENDS_WHAT_IS_NOT_THERE = Invariant(
    id="W4",
    kind="A",
    title="No wallet is overdrawn",
    promise="What a wallet could spend, holds counted, was never below zero: not now, not at any "
    "version, not between two.",
    sql="""\
WITH steps AS (
  SELECT debit_account AS account_id, at,
         CASE kind WHEN 'void' THEN amount_minor ELSE -amount_minor END AS minor
  FROM wallets.transfers WHERE kind IN ('hold', 'void', 'transfer')
  UNION ALL
  SELECT account_id, sealed_at, amount_minor FROM wallets.entries
  WHERE version IS NOT NULL AND amount_minor > 0
), left_over AS (
  SELECT account_id, at, sum(minor) OVER (PARTITION BY account_id ORDER BY at, minor DESC) AS minor
  FROM steps
)
SELECT 'after a step' AS what, account_id, at, minor AS available_minor
FROM left_over WHERE minor < 0
UNION ALL
SELECT 'at a version', account_id, sealed_at, available_minor
FROM wallets.entries WHERE available_minor < 0 OR balance_minor < 0
UNION ALL
SELECT 'now', account_id, NULL, posted_minor - held_minor
FROM wallets.wallet_balances WHERE posted_minor < held_minor OR held_minor < 0""",
    enforced_by="the wallet's lock; CHECK on available, holds counted",
    reads="everything",
)

A_REFUND_IS_ONE_VOID = Invariant(
    id="W5",
    kind="A",
    title="A refund row is one void or refund",
    promise="Each REFUND in a history points at one void of its payment's hold, or one refund of "
    "its purchase, of its amount; and each of those has one.",
    sql="""\
SELECT r.transaction_id, r.refund_of, r.void_id, r.amount_minor, v.amount_minor AS void_minor
FROM wallets.transactions r
LEFT JOIN wallets.transfers v ON v.transfer_id = r.void_id
  AND (v.kind = 'void' AND v.transaction_id = r.refund_of
    OR v.kind = 'refund' AND v.transaction_id = r.transaction_id
       AND EXISTS (SELECT FROM wallets.transfers p WHERE p.transfer_id = v.pending_id
                   AND (p.kind, p.transaction_id) = ('post', r.refund_of)))
WHERE r.kind = 'REFUND'
  AND (v.amount_minor, v.currency) IS DISTINCT FROM (r.amount_minor, r.currency)
UNION ALL
SELECT NULL, v.transaction_id, v.transfer_id, NULL, v.amount_minor
FROM wallets.transfers v
WHERE v.kind IN ('void', 'refund') AND (SELECT count(*) FROM wallets.transactions r
                                      WHERE r.kind = 'REFUND'
                                        AND r.void_id = v.transfer_id) <> 1""",
    enforced_by="the void, or refund, and its row are one statement; unique void_id",
    reads="everything",
)

THE_CHAIN_OF_A_WALLET_IS_WHOLE = Invariant(
    id="W6",
    kind="A",
    title="A wallet's chain is whole",
    promise="Each sealed entry's link is the digest of the link before it and of what the entry "
    "says, and the wallet's head is the last; the first broken link of a wallet is named.",
    sql="""\
WITH computed AS (
  SELECT e.account_id, e.version, e.link, sha256(
           coalesce(lag(e.link) OVER (PARTITION BY e.account_id ORDER BY e.version), '')
           || convert_to(concat_ws('|', e.account_id, e.version, e.transfer_id, e.amount_minor,
                e.balance_minor, (extract(epoch FROM e.sealed_at) * 1000000)::bigint), 'UTF8')
         ) AS should_be
  FROM wallets.entries e WHERE e.version IS NOT NULL
)
SELECT DISTINCT ON (account_id) account_id, version, encode(link, 'hex') AS found,
       encode(should_be, 'hex') AS computed
FROM (
  SELECT account_id, version, link, should_be FROM computed WHERE link <> should_be
  UNION ALL
  SELECT w.account_id, w.version, w.head, coalesce(e.link, '')
  FROM wallets.wallet_balances w
  LEFT JOIN wallets.entries e ON (e.account_id, e.version) = (w.account_id, w.version)
  WHERE w.head <> coalesce(e.link, '')
) broken ORDER BY account_id, version""",
    enforced_by="the link is computed by the trigger that seals; entries are immutable",
    reads="everything",
)

APPROVED_IS_ONE_CAPTURE = Invariant(
    id="W7",
    kind="A",
    title="Approved is one capture",
    promise="For an approved payment the gateway has one capture of its amount, and for one that "
    "ended otherwise none.",
    # At another gateway than the acquirer there is nothing to compare with.
    sql="""\
WITH taken AS (
  SELECT i.metadata ->> 'attempt' AS gw_key, count(*) AS captures, sum(i.received_minor) AS minor,
         min(upper(i.currency)) AS currency
  FROM acquirer.intents i WHERE i.account = 'wallets' AND i.status = 'succeeded'
  GROUP BY 1
)
SELECT t.transaction_id, t.status, t.amount_minor, t.currency, coalesce(k.captures, 0) AS captures,
       k.minor AS taken_minor, k.currency AS taken_currency
FROM wallets.transactions t JOIN wallets.attempts a USING (transaction_id)
LEFT JOIN taken k USING (gw_key)
WHERE t.kind = 'PAYMENT' AND EXISTS (SELECT FROM acquirer.intents WHERE account = 'wallets')
  AND CASE t.status WHEN 'PENDING' THEN coalesce(k.captures, 0) > 1
      WHEN 'APPROVED' THEN (k.captures, k.minor, k.currency)
                           IS DISTINCT FROM (1::bigint, t.amount_minor::numeric, t.currency::text)
      ELSE k.captures IS NOT NULL END""",
    enforced_by="one attempt a payment; its name at the gateway is kept before money is asked for",
    reads="everything",
)

PAYMENTS_AND_HOLDS_AGREE = Invariant(
    id="W8",
    kind="A",
    title="Payments and holds agree",
    promise="Each attempt that a wallet pays is one hold, of its wallet, amount and currency, "
    "which ended as the attempt did; and each hold of a payment is one attempt.",
    # A hold ends before the attempt learns of it, so one that goes on may be ahead. What was
    # refused before it was read has no hold.
    sql="""\
SELECT coalesce(a.gw_key, h.hold_key) AS gw_key, a.payment_id, a.state, h.state AS hold,
       concat_ws(' ', a.method, a.amount_minor, a.currency) AS expected,
       concat_ws(' ', h.user_id, h.amount_minor, h.currency, h.reference) AS found
FROM (SELECT a.*, p.state AS payment_state
      FROM payments.attempts a JOIN payments.payments p USING (payment_id)
      WHERE a.provider = 'wallet') a
FULL JOIN (SELECT * FROM wallets.holds WHERE hold_key LIKE 'pay\\_%') h ON h.hold_key = a.gw_key
WHERE a.gw_key IS NULL
   OR h.amount_minor IS NOT NULL AND (h.user_id, h.amount_minor, h.currency, h.reference)
      IS DISTINCT FROM (a.method, a.amount_minor, a.currency, a.payment_id::text)
   OR CASE a.state
        WHEN 'AUTHORISED' THEN h.state IN ('HELD', 'POSTED', 'VOIDED')
        WHEN 'SUCCEEDED' THEN h.state = 'POSTED' OR h.state = 'REFUNDED'
             AND a.payment_state IN ('REFUND_PENDING', 'PROCESSING', 'CANCELLING')
        WHEN 'REFUNDED' THEN h.state = 'REFUNDED'
        WHEN 'VOIDED' THEN h.state = 'VOIDED'
        WHEN 'FAILED' THEN coalesce(h.state, 'REFUSED') = 'REFUSED'
        ELSE true END IS NOT true""",
    enforced_by="one key an attempt; a void of a new key leaves a tombstone; answers stay",
    reads="everything",
)

INVARIANTS = (
    EVERY_TRANSFER_SUMS_TO_ZERO,
    A_BALANCE_IS_ITS_ENTRIES,
    A_HOLD_IS_RESOLVED_ONCE,
    NOBODY_SPENDS_WHAT_IS_NOT_THERE,
    A_REFUND_IS_ONE_VOID,
    THE_CHAIN_OF_A_WALLET_IS_WHOLE,
    APPROVED_IS_ONE_CAPTURE,
    PAYMENTS_AND_HOLDS_AGREE,
)
