"""Two payments from wallets, written straight into the tables: alice's approved, bob's declined."""

from uuid import UUID

import asyncpg

PAYMENT = UUID("00000000-0000-4000-8000-0000000000b1")
DECLINED_PAYMENT = UUID("00000000-0000-4000-8000-0000000000b2")

_HELD = """
WITH w AS (SELECT account_id FROM wallets.wallet_balances WHERE (user_id, currency) = ($2, 'EUR')),
t AS (INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,
        amount_minor, status, provider_id, external_reference)
      SELECT $1, $2, 'EUR', account_id, 'PAYMENT', 300, 'PENDING', 'demo-provider', 'x' FROM w),
a AS (INSERT INTO wallets.attempts (transaction_id, gw_key) VALUES ($1, 'wal_' || $1::uuid))
INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account, credit_account,
                               amount_minor, currency)
SELECT $1, 'hold', $1, account_id, wallets.account_of('provider', 'demo-provider', 'EUR'), 300,
       'EUR' FROM w"""
_RESOLVE = """
INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account, credit_account,
                               amount_minor, currency, pending_id)
SELECT gen_random_uuid(), $2, transaction_id, debit_account, credit_account, amount_minor,
       currency, transfer_id FROM wallets.transfers WHERE transfer_id = $1"""
_REFUND = """
INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind, amount_minor,
  status, provider_id, external_reference, refund_of, void_id)
SELECT gen_random_uuid(), t.user_id, t.currency, t.account_id, 'REFUND', t.amount_minor,
       'COMPLETED',
       t.provider_id, t.external_reference, t.transaction_id, v.transfer_id
FROM wallets.transactions t JOIN wallets.transfers v ON v.pending_id = t.transaction_id
WHERE t.transaction_id = $1"""


async def fill_wallets(connection: asyncpg.Connection) -> None:
    """As the wallet service and the acquirer would have left them."""
    for payment, user in ((PAYMENT, "alice"), (DECLINED_PAYMENT, "bob")):
        await connection.execute(_HELD, payment, user)
    await connection.execute(
        "INSERT INTO acquirer.intents (id, account, amount_minor, currency, capture_method, status,"
        " received_minor, client_secret, metadata) VALUES ('pi_paid', 'wallets', 300, 'eur',"
        " 'automatic', 'succeeded', 300, '', jsonb_build_object('attempt', 'wal_' || $1::uuid))",
        PAYMENT,
    )
    await connection.execute(
        "UPDATE wallets.transactions SET status = 'APPROVED' WHERE transaction_id = $1", PAYMENT
    )
    await connection.execute(
        "UPDATE wallets.attempts SET state = 'CAPTURED', provider_ref = 'pi_paid'"
        " WHERE transaction_id = $1",
        PAYMENT,
    )
    await connection.execute(_RESOLVE, PAYMENT, "post")
    await connection.execute(
        "UPDATE wallets.transactions SET status = 'DECLINED', reason = 'generic_decline'"
        " WHERE transaction_id = $1",
        DECLINED_PAYMENT,
    )
    await connection.execute(
        "UPDATE wallets.attempts SET state = 'DECLINED' WHERE transaction_id = $1",
        DECLINED_PAYMENT,
    )
    await connection.execute(_RESOLVE, DECLINED_PAYMENT, "void")
    await connection.execute(_REFUND, DECLINED_PAYMENT)
