"""The SQL of holds: each step moves the hold, its purchase and its money in one statement."""

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, Statement, statement
from chassis.ids import new_id
from services.wallet.contract import PlaceHold
from services.wallet.domain import Wallet, WalletHold


def _sql(sql: str, name: str) -> Statement:
    return statement(text(sql), name)


_SHOWN = (
    "hold_key, state, user_id, amount_minor, currency, reference, reason, transaction_id,"
    " placed_by, created_at, updated_at"
)
# Only constants of this module are put together here.
# ruff: noqa: S608
_FIND = _sql(f"SELECT {_SHOWN} FROM wallets.holds WHERE hold_key = :key", "SELECT wallets.holds")
_LOCK = _sql(
    f"SELECT {_SHOWN} FROM wallets.holds WHERE hold_key = :key FOR UPDATE",
    "SELECT wallets.holds FOR UPDATE",
)
_HAS_WALLETS = _sql(
    "SELECT FROM wallets.wallet_balances WHERE user_id = :user_id LIMIT 1",
    "SELECT wallets.wallet_balances",
)
# Nothing at all where the key was taken meanwhile.
_PLACE = _sql(
    "WITH h AS (INSERT INTO wallets.holds (hold_key, state, user_id, currency, amount_minor,"
    "   reference, transaction_id, placed_by)"
    " VALUES (:key, 'HELD', :user_id, :currency, :amount ::bigint, :reference,"
    "   :transaction_id ::uuid, :placed_by) ON CONFLICT DO NOTHING RETURNING *),"
    " t AS (INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,"
    "   amount_minor, status, external_reference, traceparent)"
    " SELECT transaction_id, user_id, currency, :wallet ::uuid, 'PURCHASE', amount_minor,"
    "   'PENDING', reference, :traceparent FROM h),"
    " x AS (INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
    "   credit_account, amount_minor, currency)"
    " SELECT transaction_id, 'hold', transaction_id, :wallet ::uuid,"
    "   wallets.account_of('merchant', 'payments', currency), amount_minor, currency FROM h)"
    f" SELECT {_SHOWN} FROM h",
    "INSERT wallets.holds, wallets.transfers hold",
)
_REFUSE = _sql(
    "INSERT INTO wallets.holds (hold_key, state, user_id, currency, amount_minor, reference,"
    "   reason, placed_by)"
    " VALUES (:key, 'REFUSED', :user_id, :currency, :amount ::bigint, :reference, :reason,"
    f"   :placed_by) ON CONFLICT DO NOTHING RETURNING {_SHOWN}",
    "INSERT wallets.holds",
)
_PLANT = _sql(
    "INSERT INTO wallets.holds (hold_key, state, placed_by) VALUES (:key, 'VOIDED', :placed_by)"
    f" ON CONFLICT DO NOTHING RETURNING {_SHOWN}",
    "INSERT wallets.holds tombstone",
)
# Each of these once: a hold leaves its state, and its purchase with it, or nothing moves.
_ENDED = (
    "WITH h AS (UPDATE wallets.holds SET state = :state, updated_at = clock_timestamp()"
    " WHERE hold_key = :key AND state = 'HELD' RETURNING *),"
    " t AS (UPDATE wallets.transactions t SET status = :status, updated_at = clock_timestamp()"
    " FROM h WHERE t.transaction_id = h.transaction_id AND t.status = 'PENDING' RETURNING t.*),"
    " x AS (INSERT INTO wallets.transfers (transfer_id, kind, pending_id)"
    " SELECT :transfer_id ::uuid, :kind, transaction_id FROM t)"
)
_POST = _sql(f"{_ENDED} SELECT {_SHOWN} FROM h", "INSERT wallets.transfers post")
_BACK = (
    " INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,"
    "   amount_minor, status, external_reference, refund_of, void_id, traceparent)"
    " SELECT :refund_id ::uuid, user_id, currency, account_id, 'REFUND', amount_minor,"
    "   :refund_status, external_reference, transaction_id, :transfer_id ::uuid, traceparent FROM t"
)
_VOID = _sql(f"{_ENDED}, b AS ({_BACK}) SELECT {_SHOWN} FROM h", "INSERT wallets.transfers void")
# The money comes back as any credit does: it can be spent once it is sealed.
_REFUND = _sql(
    "WITH h AS (UPDATE wallets.holds SET state = 'REFUNDED', updated_at = clock_timestamp()"
    " WHERE hold_key = :key AND state = 'POSTED' RETURNING *),"
    " t AS (SELECT t.* FROM h JOIN wallets.transactions t USING (transaction_id)),"
    f" b AS ({_BACK} RETURNING transaction_id, refund_of),"
    " x AS (INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
    "   credit_account, amount_minor, currency, pending_id)"
    " SELECT :transfer_id ::uuid, 'refund', b.transaction_id, p.credit_account, p.debit_account,"
    "   p.amount_minor, p.currency, p.transfer_id"
    " FROM b JOIN wallets.transfers p ON p.pending_id = b.refund_of AND p.kind = 'post')"
    f" SELECT {_SHOWN} FROM h",
    "INSERT wallets.transfers refund",
)


def _hold(row: Row | None) -> WalletHold | None:
    return None if row is None else msgspec.convert(dict(row), WalletHold)


async def find(c: Connection, key: str) -> WalletHold | None:
    """What the key has become, if it is known."""
    return _hold(await c.row(_FIND, key=key))


async def lock(tx: Connection, key: str) -> WalletHold | None:
    """The same, held until the transaction ends."""
    return _hold(await tx.row(_LOCK, key=key))


async def has_wallets(c: Connection, user_id: str) -> bool:
    """Whether the user has a wallet in any currency."""
    return await c.row(_HAS_WALLETS, user_id=user_id) is not None


async def place(
    tx: Connection, key: str, asked: PlaceHold, wallet: Wallet, placed_by: str,
    traceparent: str | None,
) -> WalletHold | None:  # fmt: skip
    """Hold the money of a locked wallet; None where the key was taken meanwhile."""
    return _hold(
        await tx.row(
            _PLACE, key=key, user_id=asked.user_id, currency=asked.currency, amount=asked.amount,
            reference=asked.reference, transaction_id=new_id(), wallet=wallet.account_id,
            placed_by=placed_by, traceparent=traceparent,
        )
    )  # fmt: skip


async def refuse(
    tx: Connection, key: str, asked: PlaceHold, reason: str, placed_by: str
) -> WalletHold | None:
    """Keep that it was refused, and why; None where the key was taken meanwhile."""
    return _hold(
        await tx.row(
            _REFUSE, key=key, user_id=asked.user_id, currency=asked.currency, amount=asked.amount,
            reference=asked.reference, reason=reason, placed_by=placed_by,
        )
    )  # fmt: skip


async def plant_tombstone(tx: Connection, key: str, placed_by: str) -> WalletHold | None:
    """The end of a hold that never was; None where the key is known."""
    return _hold(await tx.row(_PLANT, key=key, placed_by=placed_by))


async def post(tx: Connection, key: str) -> WalletHold | None:
    """Take what is held; None where nothing is."""
    return _hold(
        await tx.row(
            _POST, key=key, state="POSTED", status="APPROVED", kind="post", transfer_id=new_id()
        )
    )


async def void(tx: Connection, key: str) -> WalletHold | None:
    """Give back what is held; None where nothing is."""
    return _hold(
        await tx.row(
            _VOID, key=key, state="VOIDED", status="VOIDED", kind="void", transfer_id=new_id(),
            refund_id=new_id(), refund_status="COMPLETED",
        )
    )  # fmt: skip


async def refund(tx: Connection, key: str) -> WalletHold | None:
    """Give back what was taken; None where nothing was."""
    return _hold(
        await tx.row(
            _REFUND, key=key, transfer_id=new_id(), refund_id=new_id(), refund_status="PENDING"
        )
    )
