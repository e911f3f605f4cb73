"""The acquirer's objects in SQL: each function takes a connection first, gives domain values."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, insert, select, text, update

from chassis.database.pool import Connection, Row, Statement, statement
from providers.acquirer import tables
from providers.acquirer.contract import Mode
from providers.acquirer.domain import (
    Account,
    AccountEvent,
    BalanceTransaction,
    CardCharge,
    PaymentIntent,
    PaymentMethod,
    Refund,
    WebhookEndpoint,
)

T = TypeVar("T")
# What the database fills in.
_GIVEN_BY_DATABASE = frozenset({"seq", "created_at"})


def _of(row: Row, shape: type[T]) -> T:
    return msgspec.convert(dict(row), shape)


def _insert(table: Table, shape: type[msgspec.Struct], *defaulted: str) -> Statement:
    names = set(shape.__struct_fields__) - _GIVEN_BY_DATABASE - set(defaulted)
    values = {name: bindparam(name, type_=table.c[name].type) for name in sorted(names)}
    return statement(
        insert(table).values(values).returning(*(table.c[n] for n in shape.__struct_fields__)),
        f"INSERT {table.fullname}",
    )


def _update(table: Table, *names: str) -> Statement:
    values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    return statement(
        update(table).where(table.c.id == bindparam("the_id")).values(values).returning(table),
        f"UPDATE {table.fullname}",
    )


async def _one(c: Connection, query: Statement, shape: type[T], **values: Any) -> T:
    row = await c.row(query, **values)
    if row is None:
        raise LookupError(query.name)
    return _of(row, shape)


# ---- accounts ------------------------------------------------------------------------------------

_a = tables.accounts.c
_ACCOUNT = statement(
    select(tables.accounts).where(_a.api_key == bindparam("api_key")), "SELECT acquirer.accounts"
)
_ACCOUNTS = statement(select(tables.accounts).order_by(_a.name), "SELECT acquirer.accounts")
_MODE = statement(
    update(tables.accounts)
    .where(_a.name == bindparam("the_name"))
    .values(mode=bindparam("new_mode"), mode_since=text("now()"))
    .returning(tables.accounts),
    "UPDATE acquirer.accounts",
)
# Refused by touching no row; the first of a day is bounded like the others.
_RESERVE = statement(
    text(
        "INSERT INTO acquirer.volumes AS v (account, day, authorised_minor)"
        " SELECT :account ::text, (now() AT TIME ZONE 'UTC')::date, :amount ::bigint"
        " WHERE :amount ::bigint <= :capacity ::bigint"
        " ON CONFLICT (account, day) DO UPDATE"
        " SET authorised_minor = v.authorised_minor + excluded.authorised_minor"
        " WHERE v.authorised_minor + excluded.authorised_minor <= :capacity ::bigint"
        " RETURNING v.authorised_minor"
    ),
    "UPSERT acquirer.volumes",
)
_GIVE_BACK = statement(
    text(
        "UPDATE acquirer.volumes SET authorised_minor = authorised_minor - :amount ::bigint"
        " WHERE account = :account AND day = (:at ::timestamptz AT TIME ZONE 'UTC')::date"
    ),
    "UPDATE acquirer.volumes",
)
_SECRET = statement(
    text("SELECT value FROM acquirer.secrets WHERE name = 'fingerprint'"), "SELECT acquirer.secrets"
)


async def account_of_key(c: Connection, api_key: str) -> Account | None:
    """The account that the API key opens."""
    row = await c.row(_ACCOUNT, api_key=api_key)
    return None if row is None else _of(row, Account)


async def list_accounts(c: Connection) -> list[Account]:
    """All accounts by name."""
    return [_of(row, Account) for row in await c.rows(_ACCOUNTS)]


async def set_mode(c: Connection, name: str, mode: Mode) -> Account | None:
    """The account, misbehaving from now on as the mode has it."""
    row = await c.row(_MODE, the_name=name, new_mode=mode)
    return None if row is None else _of(row, Account)


async def reserve_capacity(tx: Connection, account: Account, amount_minor: int) -> bool:
    """Count an authorisation against the day's capacity; false, and nothing done, past it."""
    row = await tx.row(
        _RESERVE, account=account.name, amount=amount_minor, capacity=account.daily_capacity_minor
    )
    return row is not None


async def give_back_capacity(tx: Connection, charge: CardCharge, amount_minor: int) -> None:
    """What was held and will not be captured counts no longer on the day it was authorised."""
    await tx.execute(_GIVE_BACK, account=charge.account, amount=amount_minor, at=charge.created_at)


async def fingerprint_key(c: Connection) -> bytes:
    """The key of the cards' fingerprints."""
    row = await c.row(_SECRET)
    if row is None:
        raise LookupError("acquirer.secrets is empty: run `make migrate-up`")
    value: bytes = row["value"]
    return value


# ---- objects: made, found, changed ---------------------------------------------------------------

_OBJECTS: tuple[tuple[str, Table, Any], ...] = (
    ("pi", tables.intents, PaymentIntent),
    ("ch", tables.charges, CardCharge),
    ("re", tables.refunds, Refund),
    ("pm", tables.payment_methods, PaymentMethod),
    ("txn", tables.balance_transactions, BalanceTransaction),
    ("evt", tables.events, AccountEvent),
    ("we", tables.webhook_endpoints, WebhookEndpoint),
)


def _mine(table: Table) -> Any:
    wanted = (table.c.id == bindparam("the_id"), table.c.account == bindparam("account"))
    return select(table).where(*wanted)


_FIND = {shape: statement(_mine(table), f"SELECT {table.fullname}") for _, table, shape in _OBJECTS}
_LOCK = statement(_mine(tables.intents).with_for_update(), "SELECT acquirer.intents FOR UPDATE")
SHAPE_OF = {prefix: shape for prefix, _, shape in _OBJECTS}
_ADD = {
    PaymentMethod: _insert(tables.payment_methods, PaymentMethod),
    PaymentIntent: _insert(
        tables.intents, PaymentIntent, "received_minor", "latest_charge", "last_error",
        "cancellation_reason", "canceled_at",
    ),
    CardCharge: _insert(tables.charges, CardCharge, "refunded_minor", "released"),
    Refund: _insert(tables.refunds, Refund),
    BalanceTransaction: _insert(tables.balance_transactions, BalanceTransaction),
    WebhookEndpoint: _insert(tables.webhook_endpoints, WebhookEndpoint),
}  # fmt: skip
_MOVED = (
    "status", "received_minor", "payment_method", "latest_charge", "last_error",
    "cancellation_reason", "canceled_at",
)  # fmt: skip
_MOVE = _update(tables.intents, *_MOVED)
_CHANGED = ("captured_minor", "refunded_minor", "released", "balance_transaction")
_CHANGE = _update(tables.charges, *_CHANGED)
_FORGET = statement(
    text("DELETE FROM acquirer.webhook_endpoints WHERE id = :the_id AND account = :account"),
    "DELETE acquirer.webhook_endpoints",
)


async def add(tx: Connection, shape: type[T], **values: Any) -> T:
    """A new object; the database gives it its place and its time."""
    return await _one(tx, _ADD[shape], shape, **values)  # type: ignore[index]


async def find(c: Connection, shape: type[T], account: Account, object_id: str) -> T | None:
    """An object of this account."""
    row = await c.row(_FIND[shape], the_id=object_id, account=account.name)
    return None if row is None else _of(row, shape)


async def lock_intent(tx: Connection, account: Account, intent_id: str) -> PaymentIntent | None:
    """The intent, held until the transaction ends: whoever comes second sees what the first did."""
    row = await tx.row(_LOCK, the_id=intent_id, account=account.name)
    return None if row is None else _of(row, PaymentIntent)


async def move(tx: Connection, intent: PaymentIntent, **changes: Any) -> PaymentIntent:
    """The intent in another state, as far as the machine lets it go there."""
    moved = msgspec.structs.replace(intent, **changes)
    values = {f"new_{name}": getattr(moved, name) for name in _MOVED}
    return await _one(tx, _MOVE, PaymentIntent, the_id=intent.id, **values)


async def change_charge(tx: Connection, charge: CardCharge, **changes: Any) -> CardCharge:
    """The charge, captured, refunded or released."""
    changed = msgspec.structs.replace(charge, **changes)
    values = {f"new_{name}": getattr(changed, name) for name in _CHANGED}
    return await _one(tx, _CHANGE, CardCharge, the_id=charge.id, **values)


async def forget_endpoint(tx: Connection, account: Account, endpoint_id: str) -> bool:
    """Delete a webhook endpoint, and what was still to be delivered there."""
    return await tx.execute(_FORGET, the_id=endpoint_id, account=account.name) > 0


# ---- settlement ----------------------------------------------------------------------------------

_b = tables.balance_transactions.c
_OF_DAY = statement(
    select(tables.balance_transactions)
    .where(
        _b.account == bindparam("account"),
        text("created_at >= :day ::date AND created_at < :day ::date + 1"),
    )
    .order_by(_b.created_at, _b.seq),
    "SELECT acquirer.balance_transactions",
)


_BALANCE = statement(
    text(
        "SELECT currency, sum(amount_minor - fee_minor)::bigint AS net_minor"
        " FROM acquirer.balance_transactions WHERE account = :account GROUP BY currency"
    ),
    "SELECT acquirer.balance_transactions sum",
)


async def balance_of(c: Connection, account: Account) -> dict[str, int]:
    """What the account is owed, in minor units by currency."""
    rows = await c.rows(_BALANCE, account=account.name)
    return {row["currency"]: row["net_minor"] for row in rows}


async def lines_of_day(c: Connection, account: Account, day: Any) -> Sequence[BalanceTransaction]:
    """The account's money movements of one UTC day, oldest first (connections run in UTC)."""
    rows = await c.rows(_OF_DAY, account=account.name, day=day)
    return [_of(row, BalanceTransaction) for row in rows]
