"""The SQL that moves money: the hold, how a payment ends, deposits and transfers.

A row of `wallets.transfers` posts itself: its trigger locks the wallet that pays, moves its balance
and writes the entries. So a statement here says only what is to happen."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Statement, statement
from chassis.due_work import DueWork, backoff
from chassis.idempotency import IdempotencyStore
from chassis.ids import new_id
from services.wallet.domain import (
    Ending,
    InsufficientFunds,
    MoneyTaken,
    UnknownProvider,
    UnknownWallet,
    Wallet,
    WalletAttempt,
    attempt_state_of,
    reason_of,
    status_of,
)
from services.wallet.tables import attempts, idempotency

KEYS = IdempotencyStore(idempotency, entity=idempotency.c.transaction_id)

PAYMENTS_DUE = DueWork(
    attempts,
    key=attempts.c.transaction_id,
    state=attempts.c.state,
    # The partial index attempts_due has the same words.
    due="state IN ('IN_FLIGHT', 'UNKNOWN')",
    waiting="tries > 0",
    again_s=backoff(attempts.c.tries, floor=0.5),
    on_claim={"tries": attempts.c.tries + text("1")},
)


def _sql(sql: str, name: str) -> Statement:
    return statement(text(sql), name)


# The payer's row is locked until the transaction's end: whoever wants it waits here.
LOCK = _sql(
    "SELECT account_id, available_minor FROM wallets.wallet_balances"
    " WHERE user_id = :user_id AND currency = :currency FOR UPDATE",
    "SELECT wallets.wallet_balances",
)
# One row: without a provider, without a wallet, or not held, nothing is written.
_HOLD = _sql(
    "WITH w AS (SELECT account_id, available_minor FROM wallets.wallet_balances"
    "   WHERE user_id = :user_id AND currency = :currency FOR UPDATE),"
    " p AS (SELECT coalesce(a.account_id,"
    "     wallets.account_of('provider', s.provider_id, :currency)) AS account_id"
    "   FROM wallets.service_providers s LEFT JOIN wallets.accounts a"
    "     ON (a.kind, a.owner, a.currency) = ('provider', s.provider_id, :currency)"
    "   WHERE s.provider_id = :provider_id),"
    " new AS (SELECT :transaction_id ::uuid AS id, w.account_id AS wallet,"
    "     p.account_id AS provider, :amount ::bigint AS amount"
    "   FROM w, p WHERE w.available_minor >= :amount ::bigint),"
    " t AS (INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,"
    "     amount_minor, status, provider_id, external_reference, traceparent)"
    "   SELECT id, :user_id, :currency, wallet, 'PAYMENT', amount, 'PENDING', :provider_id,"
    "     :external_reference ::text, :traceparent ::text FROM new),"
    " a AS (INSERT INTO wallets.attempts (transaction_id, gw_key, next_attempt_at)"
    "   SELECT id, 'wal_' || id, now() + :lease_s * interval '1 second' FROM new),"
    " h AS (INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
    "     credit_account, amount_minor, currency)"
    "   SELECT id, 'hold', id, wallet, provider, amount, :currency FROM new)"
    " SELECT p.account_id AS provider, w.account_id AS wallet, w.available_minor,"
    "   EXISTS (SELECT FROM new) AS held"
    " FROM (SELECT) one LEFT JOIN p ON true LEFT JOIN w ON true",
    "INSERT wallets.transfers hold",
)
# One winner: the attempt moves once, and only while it is as it was when it was judged.
_ENDED = (
    "WITH a AS (UPDATE wallets.attempts SET state = :state, detail = :reason,"
    "   updated_at = clock_timestamp()"
    " WHERE transaction_id = :transaction_id ::uuid AND state IN ('IN_FLIGHT', 'UNKNOWN')"
    "   AND provider_ref IS NOT DISTINCT FROM :provider_ref RETURNING transaction_id),"
    " won AS (UPDATE wallets.transactions t SET status = :status, reason = :reason,"
    "   updated_at = clock_timestamp() FROM a"
    " WHERE t.transaction_id = a.transaction_id AND t.status = 'PENDING' RETURNING t.*),"
    " moved AS (INSERT INTO wallets.transfers (transfer_id, kind, pending_id)"
    " SELECT :transfer_id ::uuid, :kind, transaction_id FROM won)"
)
_POST = _sql(f"{_ENDED} SELECT transaction_id FROM won", "INSERT wallets.transfers post")
# What was held is given back, and the history says so: one transfer, not two.
_VOID = _sql(
    f"{_ENDED} INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id,"
    "   kind, amount_minor, status, provider_id, external_reference, refund_of, void_id,"
    "   traceparent)"
    " SELECT :refund_id ::uuid, user_id, currency, account_id, 'REFUND', amount_minor,"
    "   'COMPLETED', provider_id, external_reference, transaction_id, :transfer_id ::uuid,"
    "   traceparent FROM won RETURNING refund_of",
    "INSERT wallets.transfers void",
)
# The first name that is kept is the only one that is ever asked for the money.
_KEEP_REF = _sql(
    "UPDATE wallets.attempts SET provider_ref = :provider_ref, updated_at = clock_timestamp()"
    " WHERE transaction_id = :transaction_id ::uuid AND provider_ref IS NULL"
    "   AND state = 'IN_FLIGHT'",
    "UPDATE wallets.attempts",
)
# The request ends here; repair goes on soon, and a repeat of the request need not wait.
_LEAVE_OPEN = _sql(
    "WITH k AS (UPDATE wallets.idempotency SET locked_until = now()"
    "   WHERE transaction_id = :transaction_id ::uuid AND response IS NULL)"
    " UPDATE wallets.attempts SET state = 'UNKNOWN',"
    "   detail = CASE state WHEN 'IN_FLIGHT' THEN :why ELSE detail END,"
    "   next_attempt_at = now() + :base_s * interval '1 second', updated_at = clock_timestamp()"
    " WHERE transaction_id = :transaction_id ::uuid AND state IN ('IN_FLIGHT', 'UNKNOWN')",
    "UPDATE wallets.attempts",
)
_KEEP_ANSWER = _sql(
    "UPDATE wallets.idempotency SET status_code = :status ::int, response = :body ::bytea"
    " WHERE transaction_id = :transaction_id ::uuid AND response IS NULL",
    "UPDATE wallets.idempotency",
)
_ANSWER = _sql(
    "SELECT status_code, response FROM wallets.idempotency"
    " WHERE transaction_id = :transaction_id ::uuid AND response IS NOT NULL",
    "SELECT wallets.idempotency",
)
_ATTEMPT = _sql(
    "SELECT a.transaction_id, a.gw_key, t.amount_minor, t.currency, a.provider_ref,"
    "   extract(epoch FROM now() - a.created_at)::float8 AS age_s"
    " FROM wallets.attempts a JOIN wallets.transactions t USING (transaction_id)"
    " WHERE a.transaction_id = :transaction_id ::uuid AND t.status = 'PENDING'",
    "SELECT wallets.attempts",
)
_FIND_WALLET = _sql(
    "SELECT account_id FROM wallets.wallet_balances"
    " WHERE user_id = :user_id AND currency = :currency",
    "SELECT wallets.wallet_balances",
)
_OPEN_WALLET = _sql(
    "INSERT INTO wallets.wallet_balances (user_id, currency, account_id)"
    " VALUES (:user_id, :currency, wallets.account_of('wallet', :user_id, :currency))"
    " ON CONFLICT DO NOTHING",
    "INSERT wallets.wallet_balances",
)
_DEPOSIT = _sql(
    "WITH t AS (INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id,"
    "   kind, amount_minor, status, traceparent)"
    " VALUES (:transaction_id ::uuid, :user_id, :currency, :wallet ::uuid, 'DEPOSIT',"
    "   :amount ::bigint, 'PENDING', :traceparent))"
    " INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
    "   credit_account, amount_minor, currency)"
    " VALUES (:transaction_id ::uuid, 'deposit', :transaction_id ::uuid,"
    "   wallets.account_of('funding', 'deposits', :currency), :wallet ::uuid, :amount ::bigint,"
    "   :currency)",
    "INSERT wallets.transfers deposit",
)
# Before the transfer, and apart from it: what it posts is announced with its transaction.
_TWO_SIDES = _sql(
    "INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,"
    "   amount_minor, status, counterparty, traceparent)"
    " VALUES (:transaction_id ::uuid, :user_id, :currency, :wallet ::uuid, 'TRANSFER_OUT',"
    "   :amount ::bigint, 'COMPLETED', :payee, :traceparent),"
    "  (:payee_transaction_id ::uuid, :payee, :currency, :payee_wallet ::uuid, 'TRANSFER_IN',"
    "   :amount ::bigint, 'PENDING', :user_id, :traceparent)",
    "INSERT wallets.transactions",
)
_TRANSFER = _sql(
    "INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, payee_transaction_id,"
    "   debit_account, credit_account, amount_minor, currency)"
    " VALUES (:transaction_id ::uuid, 'transfer', :transaction_id ::uuid,"
    "   :payee_transaction_id ::uuid, :wallet ::uuid, :payee_wallet ::uuid, :amount ::bigint,"
    "   :currency)",
    "INSERT wallets.transfers transfer",
)
UNSEALED = _sql(
    "SELECT DISTINCT account_id FROM wallets.entries WHERE chained AND version IS NULL"
    " ORDER BY account_id LIMIT :most ::int",
    "SELECT wallets.entries",
)
# Two at once would only wait for each other, so one seals.
_SEAL = _sql(
    "SELECT CASE WHEN pg_try_advisory_xact_lock(hashtext('wallets.seal'))"
    " THEN wallets.seal(:account_id ::uuid, :most ::int) ELSE 0 END AS sealed",
    "SELECT wallets.seal",
)


class NewPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment is to be."""

    transaction_id: UUID
    user_id: str
    currency: str
    amount_minor: int
    provider_id: str
    external_reference: str
    traceparent: str | None


async def lock_wallet(tx: Connection, user_id: str, currency: str) -> Wallet:
    """The wallet, locked; raises `UnknownWallet`."""
    row = await tx.row(LOCK, user_id=user_id, currency=currency)
    if row is None:
        raise UnknownWallet(user_id, currency)
    return msgspec.convert(dict(row), Wallet)


async def hold(tx: Connection, new: NewPayment, *, lease_s: float) -> WalletAttempt:
    """Lock the wallet and hold the money, with the payment PENDING and its attempt IN_FLIGHT.
    Raises `UnknownProvider`, `UnknownWallet` or `InsufficientFunds`, with nothing written."""
    found = await tx.row(
        _HOLD, transaction_id=new.transaction_id, user_id=new.user_id, currency=new.currency,
        amount=new.amount_minor, provider_id=new.provider_id,
        external_reference=new.external_reference, traceparent=new.traceparent, lease_s=lease_s,
    )  # fmt: skip
    if found is None or found["provider"] is None:
        raise UnknownProvider(new.provider_id)
    if found["wallet"] is None:
        raise UnknownWallet(new.user_id, new.currency)
    if not found["held"]:
        raise InsufficientFunds(found["available_minor"])
    key = f"wal_{new.transaction_id}"
    return WalletAttempt(new.transaction_id, key, new.amount_minor, new.currency, None, 0.0)


async def end(tx: Connection, attempt: WalletAttempt, ending: Ending) -> bool:
    """Post what is held, or give it back; False where that has been done already, or where somebody
    has meanwhile kept another name for the attempt."""
    values: dict[str, Any] = {
        "transaction_id": attempt.transaction_id,
        "provider_ref": attempt.provider_ref,
        "state": attempt_state_of(ending),
        "status": status_of(ending),
        "reason": reason_of(ending),
        "transfer_id": new_id(),
    }
    if isinstance(ending, MoneyTaken):
        return await tx.row(_POST, kind="post", **values) is not None
    return await tx.row(_VOID, kind="void", refund_id=new_id(), **values) is not None


async def keep_ref(c: Connection, transaction_id: UUID, provider_ref: str) -> bool:
    """Keep the gateway's name of the attempt, before anybody is asked for money under it."""
    kept = await c.execute(_KEEP_REF, transaction_id=transaction_id, provider_ref=provider_ref)
    return kept == 1


async def leave_open(c: Connection, transaction_id: UUID, why: str, *, base_s: float) -> None:
    """It is not known whether the money was taken: repair finds out."""
    await c.execute(_LEAVE_OPEN, transaction_id=transaction_id, why=why, base_s=base_s)


async def keep_answer(tx: Connection, transaction_id: UUID, status: int, body: bytes) -> None:
    """Keep the answer of a payment under its request's key."""
    await tx.execute(_KEEP_ANSWER, transaction_id=transaction_id, status=status, body=body)


async def stored_answer(c: Connection, transaction_id: UUID) -> tuple[int, bytes] | None:
    """The kept answer of a payment."""
    row = await c.row(_ANSWER, transaction_id=transaction_id)
    return None if row is None else (row["status_code"], row["response"])


async def find_attempt(c: Connection, transaction_id: UUID) -> WalletAttempt | None:
    """The attempt of a payment that is not decided; None where it is."""
    row = await c.row(_ATTEMPT, transaction_id=transaction_id)
    return None if row is None else msgspec.convert(dict(row), WalletAttempt)


async def find_wallet(c: Connection, user_id: str, currency: str) -> UUID | None:
    """The wallet's account, not locked."""
    row = await c.row(_FIND_WALLET, user_id=user_id, currency=currency)
    return None if row is None else row["account_id"]


async def deposit(
    tx: Connection, transaction_id: UUID, user_id: str, currency: str, amount_minor: int,
    traceparent: str | None,
) -> None:  # fmt: skip
    """Money comes in, with no lock on the wallet; the first deposit opens it."""
    wallet = await find_wallet(tx, user_id, currency)
    if wallet is None:
        await tx.execute(_OPEN_WALLET, user_id=user_id, currency=currency)
        wallet = await find_wallet(tx, user_id, currency)
    await tx.execute(
        _DEPOSIT, transaction_id=transaction_id, user_id=user_id, currency=currency,
        wallet=wallet, amount=amount_minor, traceparent=traceparent,
    )  # fmt: skip


async def transfer(
    tx: Connection, transaction_id: UUID, payer: tuple[str, Wallet], payee: tuple[str, UUID],
    currency: str, amount_minor: int, traceparent: str | None,
) -> None:  # fmt: skip
    """Money goes from a locked wallet to another, of which nothing is locked."""
    values: dict[str, Any] = {
        "transaction_id": transaction_id,
        "payee_transaction_id": new_id(),
        "wallet": payer[1].account_id,
        "payee_wallet": payee[1],
        "currency": currency,
        "amount": amount_minor,
    }
    await tx.execute(
        _TWO_SIDES, user_id=payer[0], payee=payee[0], traceparent=traceparent, **values
    )
    await tx.execute(_TRANSFER, **values)


async def unsealed_wallets(c: Connection, most: int) -> list[UUID]:
    """Wallets with credits that are not sealed yet."""
    return [row["account_id"] for row in await c.rows(UNSEALED, most=most)]


async def seal(c: Connection, account_id: UUID, most: int) -> int:
    """Seal a wallet's credits; how many."""
    row = await c.row(_SEAL, account_id=account_id, most=most)
    return row["sealed"] if row else 0
