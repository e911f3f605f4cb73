"""What is read: wallets, a user's transactions, and the balances there are or were."""

from datetime import datetime
from itertools import groupby
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from chassis.http import cursors
from services.wallet.contract import UserId
from services.wallet.domain import (
    Balance,
    Transaction,
    UnknownTransaction,
    UnknownWallet,
    UserWallet,
)

_Seq = Annotated[int, Meta(ge=0, lt=10**18)]
# A payment's row shows what was left once its money was held, a credit's once it was sealed.
_SHOWN = (
    "SELECT t.transaction_id, t.seq, t.user_id, t.currency, t.kind, t.amount_minor, t.status,"
    "   t.reason, t.provider_id, t.external_reference, t.counterparty, t.refund_of, t.traceparent,"
    "   t.created_at, t.updated_at,"
    "   coalesce(e.available_minor, x.available_after_minor) AS balance_after_minor"
    " FROM wallets.transactions t"
    " LEFT JOIN wallets.transfers x"
    "   ON x.transfer_id = CASE t.kind WHEN 'REFUND' THEN t.void_id ELSE t.transaction_id END"
    " LEFT JOIN wallets.entries e"
    "   ON e.transaction_id = t.transaction_id AND e.amount_minor > 0"
)
_ONE = statement(
    text(f"{_SHOWN} WHERE t.transaction_id = :transaction_id AND t.user_id = :user_id"),
    "SELECT wallets.transactions",
)
_ANY = statement(
    text(f"{_SHOWN} WHERE t.transaction_id = :transaction_id"), "SELECT wallets.transactions"
)
_PAGE = statement(
    text(
        f"{_SHOWN} WHERE t.user_id = :user_id AND (:before ::bigint IS NULL OR t.seq < :before)"
        " ORDER BY t.seq DESC LIMIT :most ::int"
    ),
    "SELECT wallets.transactions",
)
_HAS_WALLET = statement(
    text("SELECT FROM wallets.wallet_balances WHERE user_id = :user_id LIMIT 1"),
    "SELECT wallets.wallet_balances",
)
_NOW = statement(text("SELECT clock_timestamp() AS now"), "SELECT now")
# Only constants of this module are put together here.
# ruff: noqa: S608
_INCOMING = (
    "(SELECT coalesce(sum(e.amount_minor), 0)::bigint FROM wallets.entries e"
    " WHERE e.account_id = w.account_id AND e.chained AND {unsealed})"
)
_BALANCES = statement(
    text(
        "SELECT w.currency, w.posted_minor, w.held_minor AS pending_out_minor,"
        f" {_INCOMING.format(unsealed='e.version IS NULL')} AS pending_in_minor"
        " FROM wallets.wallet_balances w WHERE w.user_id = :user_id ORDER BY w.currency"
    ),
    "SELECT wallets.wallet_balances",
)
_WALLETS = statement(
    text(
        "SELECT w.user_id, a.created_at, w.currency, w.posted_minor,"
        "   w.held_minor AS pending_out_minor,"
        f"  {_INCOMING.format(unsealed='e.version IS NULL')} AS pending_in_minor"
        " FROM wallets.wallet_balances w JOIN wallets.accounts a USING (account_id)"
        " WHERE w.user_id IN (SELECT DISTINCT user_id FROM wallets.wallet_balances"
        "   WHERE user_id > :after AND (:only ::text IS NULL OR user_id = :only)"
        "   ORDER BY user_id LIMIT :most ::int)"
        " ORDER BY w.user_id, w.currency"
    ),
    "SELECT wallets.wallet_balances",
)
# At an instant: the newest entry sealed by then, the holds not resolved by then, and the credits
# that had come and were not sealed.
_BALANCES_AT = statement(
    text(
        "SELECT w.currency, coalesce(p.balance_minor, 0) AS posted_minor,"
        " (SELECT coalesce(sum(h.amount_minor), 0)::bigint FROM wallets.transfers h"
        "  WHERE h.debit_account = w.account_id AND h.kind = 'hold' AND h.at <= :at"
        "    AND NOT EXISTS (SELECT FROM wallets.transfers r"
        "                    WHERE r.pending_id = h.transfer_id AND r.at <= :at)"
        " ) AS pending_out_minor,"
        f" {_INCOMING.format(unsealed='e.at <= :at AND (e.version IS NULL OR e.sealed_at > :at)')}"
        " AS pending_in_minor"
        " FROM wallets.wallet_balances w LEFT JOIN LATERAL ("
        "   SELECT e.balance_minor FROM wallets.entries e"
        "   WHERE e.account_id = w.account_id AND e.version IS NOT NULL AND e.sealed_at <= :at"
        "   ORDER BY e.sealed_at DESC, e.version DESC LIMIT 1) p ON true"
        " WHERE w.user_id = :user_id ORDER BY w.currency"
    ),
    "SELECT wallets.entries",
)


async def find(c: Connection, user_id: str, transaction_id: UUID) -> Transaction:
    """One of the user's transactions; raises `UnknownTransaction`."""
    row = await c.row(_ONE, transaction_id=transaction_id, user_id=user_id)
    if row is None:
        raise UnknownTransaction(transaction_id)
    return msgspec.convert(dict(row), Transaction)


async def find_any(c: Connection, transaction_id: UUID) -> Transaction:
    """A transaction, whoever it belongs to; raises `UnknownTransaction`."""
    row = await c.row(_ANY, transaction_id=transaction_id)
    if row is None:
        raise UnknownTransaction(transaction_id)
    return msgspec.convert(dict(row), Transaction)


async def page(c: Connection, user_id: str, most: int, before: int | None) -> list[Transaction]:
    """The newest, or those before a place; raises `UnknownWallet`."""
    if await c.row(_HAS_WALLET, user_id=user_id) is None:
        raise UnknownWallet(user_id)
    rows = await c.rows(_PAGE, user_id=user_id, before=before, most=most)
    return [msgspec.convert(dict(row), Transaction) for row in rows]


async def now(c: Connection) -> datetime:
    """The database's clock, which all instants here are of."""
    row = await c.row(_NOW)
    if row is None:
        raise LookupError("no clock")
    found: datetime = row["now"]
    return found


async def balances(c: Connection, user_id: str, at: datetime | None) -> list[Balance]:
    """Each currency of the user, now or at an instant; raises `UnknownWallet`."""
    if at is None:
        rows = await c.rows(_BALANCES, user_id=user_id)
    else:
        rows = await c.rows(_BALANCES_AT, user_id=user_id, at=at)
    if not rows:
        raise UnknownWallet(user_id)
    return [msgspec.convert(dict(row), Balance) for row in rows]


async def wallets(
    c: Connection, most: int, after: str = "", only: str | None = None
) -> list[UserWallet]:
    """Wallets by user, those after one user; with `only` that user's alone."""
    rows = await c.rows(_WALLETS, most=most, after=after, only=only)
    return [
        UserWallet(
            user_id,
            min(row["created_at"] for row in theirs),
            [
                Balance(
                    row["currency"],
                    row["posted_minor"],
                    row["pending_out_minor"],
                    row["pending_in_minor"],
                )
                for row in theirs
            ],
        )
        for user_id, theirs in (
            (user_id, list(group)) for user_id, group in groupby(rows, lambda row: row["user_id"])
        )
    ]


def write_cursor(transaction: Transaction) -> str:
    """Where the next page of a history begins: after this one."""
    return cursors.write_cursor(_history_of(transaction.user_id), transaction.seq)


def read_cursor(cursor: str, user_id: str) -> int:
    """The place a cursor names; raises `Problem` 400 for what we did not write for this user."""
    return cursors.read_cursor(_history_of(user_id), cursor, _Seq)


def write_user_cursor(user_id: str) -> str:
    """Where the next page of wallets begins: after this user."""
    return cursors.write_cursor("wallets", user_id)


def read_user_cursor(cursor: str) -> str:
    """The user a cursor names; raises `Problem` 400 for what we did not write."""
    return cursors.read_cursor("wallets", cursor, UserId)


def _history_of(user_id: str) -> str:
    return f"transactions of {user_id}"
