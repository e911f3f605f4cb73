"""How each promise about wallets is broken; alice has paid, bob was declined."""

from tests.proof.breaks import NO_TRIGGERS, Break
from tests.proof.wallet_rows import DECLINED_PAYMENT, PAYMENT

_ALICE = (
    "(SELECT account_id FROM wallets.wallet_balances WHERE (user_id, currency) = ('alice', 'EUR'))"
)

# Of another application than the payment service, so no payment of ours is asked for.
_HOLD = (
    f"{NO_TRIGGERS}INSERT INTO wallets.holds (hold_key, state, user_id, currency, amount_minor,"
    " reference, transaction_id, reason, placed_by) VALUES"
)

WALLET_BREAKS = (
    Break(
        "W1",
        "a line of a transfer that says more",
        f"{NO_TRIGGERS}UPDATE wallets.entries SET amount_minor = amount_minor + 1"
        f" WHERE transfer_id IN (SELECT transfer_id FROM wallets.transfers WHERE kind = 'post')"
        " AND NOT chained",
        ("off_by_minor", 1),
    ),
    Break(
        "W1",
        "a transfer without its lines",
        f"{NO_TRIGGERS}INSERT INTO wallets.transfers (transfer_id, kind, transaction_id,"
        " debit_account, credit_account, amount_minor, currency) SELECT gen_random_uuid(),"
        " 'deposit', transaction_id, debit_account, credit_account, 5, currency"
        " FROM wallets.transfers WHERE kind = 'deposit' LIMIT 1",
        ("entries", 0),
    ),
    Break(
        "W1",
        "a line of no transfer",
        f"{NO_TRIGGERS}INSERT INTO wallets.entries (transfer_id, account_id, amount_minor,"
        f" currency, chained) SELECT gen_random_uuid(), {_ALICE}, 7, 'EUR', false",
        ("off_by_minor", 7),
    ),
    Break(
        "W1",
        "a transfer to an account that is none",
        f"{NO_TRIGGERS}UPDATE wallets.transfers SET credit_account = gen_random_uuid()"
        " WHERE kind = 'void'",
        ("kind", "void"),
    ),
    Break(
        "W2",
        "a balance that no entry explains",
        f"{NO_TRIGGERS}UPDATE wallets.wallet_balances SET posted_minor = posted_minor + 1"
        " WHERE user_id = 'carol'",
        ("what", "balance"),
    ),
    Break(
        "W2",
        "money held for nothing",
        f"{NO_TRIGGERS}UPDATE wallets.wallet_balances SET held_minor = 1 WHERE user_id = 'carol'",
        ("what", "held"),
    ),
    Break(
        "W3",
        "a hold resolved twice",
        "DROP INDEX wallets.one_end_a_hold;"
        f"{NO_TRIGGERS}INSERT INTO wallets.transfers (transfer_id, kind, transaction_id,"
        " debit_account, credit_account, amount_minor, currency, pending_id,"
        " available_after_minor)"
        " SELECT gen_random_uuid(), 'void', transaction_id, debit_account, credit_account,"
        f" amount_minor, currency, pending_id, 0 FROM wallets.transfers"
        f" WHERE kind = 'post' AND transaction_id = '{PAYMENT}'",
        ("voids", 1),
        ("W5",),
    ),
    Break(
        "W3",
        "an approved payment whose hold was voided",
        f"{NO_TRIGGERS}UPDATE wallets.transactions SET status = 'APPROVED', reason = NULL"
        f" WHERE transaction_id = '{DECLINED_PAYMENT}'",
        ("posts", 0),
        ("W7",),
    ),
    Break(
        "W3",
        "an attempt of no payment",
        f"{NO_TRIGGERS}INSERT INTO wallets.attempts (transaction_id, gw_key)"
        " VALUES (gen_random_uuid(), 'wal_of_nobody')",
        ("status", "an attempt of no payment"),
    ),
    Break(
        "W3",
        "a payment that is in another wallet's history",
        f"{NO_TRIGGERS}UPDATE wallets.transactions SET user_id = 'carol'"
        f" WHERE transaction_id = '{PAYMENT}'",
        ("status", "of another account than its user's"),
    ),
    Break(
        "W4",
        "a wallet overdrawn",
        "ALTER TABLE wallets.wallet_balances DROP CONSTRAINT never_overdrawn;"
        "WITH t AS (SELECT gen_random_uuid() AS id), o AS (INSERT INTO wallets.transactions"
        " (transaction_id, user_id, currency, account_id, kind, amount_minor, status, provider_id,"
        f" external_reference) SELECT id, 'alice', 'EUR', {_ALICE}, 'PAYMENT', 9000000, 'PENDING',"
        " 'demo-provider', 'x' FROM t),"
        " a AS (INSERT INTO wallets.attempts (transaction_id, gw_key)"
        " SELECT id, 'wal_' || id FROM t)"
        " INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
        f" credit_account, amount_minor, currency) SELECT id, 'hold', id, {_ALICE},"
        " wallets.account_of('provider', 'demo-provider', 'EUR'), 9000000, 'EUR' FROM t",
        ("what", "now"),
    ),
    Break(
        "W5",
        "a refund of another amount than was held",
        f"{NO_TRIGGERS}UPDATE wallets.transactions SET amount_minor = amount_minor + 1"
        " WHERE kind = 'REFUND'",
        ("refund_of", DECLINED_PAYMENT),
    ),
    Break(
        "W6",
        "an entry dated back",
        f"{NO_TRIGGERS}UPDATE wallets.entries SET sealed_at = sealed_at - interval '1 hour'"
        f" WHERE account_id = {_ALICE} AND version = 1",
        ("version", 1),
    ),
    Break(
        "W6",
        "a head that is no entry's link",
        f"{NO_TRIGGERS}UPDATE wallets.wallet_balances SET head = 'x' WHERE user_id = 'carol'",
        ("version", 1),
    ),
    Break(
        "W7",
        "a second capture for one payment",
        "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
        " received_minor, client_secret, metadata) SELECT 'pi_twice', account, amount_minor,"
        " currency, capture_method, status, received_minor, client_secret, metadata"
        " FROM acquirer.intents WHERE id = 'pi_paid'",
        ("captures", 2),
    ),
    Break(
        "W7",
        "a declined payment that was captured",
        "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
        " received_minor, client_secret, metadata) VALUES ('pi_late', 'wallets', 300, 'eur',"
        f" 'automatic', 'succeeded', 300, '', '{{\"attempt\": \"wal_{DECLINED_PAYMENT}\"}}')",
        ("status", "DECLINED"),
    ),
    Break(
        "W3",
        "a key that says something else than its purchase",
        f"{_HOLD} ('a-key-of-another-till', 'HELD', 'alice', 'EUR', 300, 'x', '{PAYMENT}', NULL,"
        " 'till')",
        ("status", "HELD PAYMENT APPROVED"),
    ),
    Break(
        "W8",
        "a hold that no payment asked for",
        f"{_HOLD} ('pay_of-nobody-at-all', 'REFUSED', 'alice', 'EUR', 300, 'x', NULL,"
        " 'insufficient-funds', 'payments')",
        ("hold", "REFUSED"),
    ),
)
