"""Lists in SQL: newest first, from an object onwards in either direction, one page at a time."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Float, Table, Text, bindparam, cast, func, or_, select

from chassis.database.pool import Connection, Statement, statement
from providers.acquirer import tables
from providers.acquirer.domain import (
    Account,
    AccountEvent,
    BalanceTransaction,
    CardCharge,
    PaymentIntent,
    Refund,
    WebhookEndpoint,
)

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is wanted. `filters` are values by column, None for any; the times are
    seconds since 1970, from (inclusive) and to (exclusive)."""

    limit: int
    after: str = ""
    before: str = ""
    created_from: float | None = None
    created_to: float | None = None
    filters: dict[str, str | None] = {}


class Listed(msgspec.Struct):
    """A table that can be listed: what it may be filtered by, and its statements."""

    filters: tuple[str, ...]
    place: Statement
    older: Statement
    newer: Statement


def _listed(table: Table, *filters: str) -> Listed:
    c, mine = table.c, table.c.account == bindparam("account")

    def unless_given(name: str, kind: Any, condition: Any) -> Any:
        return or_(cast(bindparam(name), kind).is_(None), condition)

    def time(name: str) -> Any:
        return func.to_timestamp(cast(bindparam(name), Float))

    def page(beyond: Any, order: Any) -> Statement:
        wanted = [
            mine,
            unless_given("cursor", BigInteger, beyond),
            unless_given("created_from", Float, c.created_at >= time("created_from")),
            unless_given("created_to", Float, c.created_at < time("created_to")),
            *(unless_given(name, Text, c[name] == bindparam(name)) for name in filters),
        ]
        rows = select(table).where(*wanted).order_by(order).limit(bindparam("most"))
        return statement(rows, f"SELECT {table.fullname} page")

    cursor = cast(bindparam("cursor"), BigInteger)
    place = select(c.seq).where(mine, c.id == bindparam("the_id"))
    return Listed(
        filters,
        statement(place, f"SELECT {table.fullname} place"),
        page(c.seq < cursor, c.seq.desc()),
        page(c.seq > cursor, c.seq),
    )


LISTS: dict[type, Listed] = {
    PaymentIntent: _listed(tables.intents),
    CardCharge: _listed(tables.charges, "intent"),
    Refund: _listed(tables.refunds, "charge", "intent"),
    BalanceTransaction: _listed(tables.balance_transactions, "type", "source"),
    AccountEvent: _listed(tables.events, "type"),
    WebhookEndpoint: _listed(tables.webhook_endpoints),
}


async def place_of(c: Connection, shape: type, account: Account, object_id: str) -> int | None:
    """Where the object stands in its list; None when the account has no such object."""
    row = await c.row(LISTS[shape].place, the_id=object_id, account=account.name)
    return None if row is None else row["seq"]


async def read_page(
    c: Connection, shape: type[T], account: Account, page: Page, cursor: int | None
) -> tuple[list[T], bool]:
    """The objects of a page, newest first, and whether there are more beyond it."""
    listed = LISTS[shape]
    rows = await c.rows(
        listed.newer if page.before else listed.older,
        account=account.name,
        cursor=cursor,
        created_from=page.created_from,
        created_to=page.created_to,
        most=page.limit + 1,
        **{name: page.filters.get(name) for name in listed.filters},
    )
    found = [msgspec.convert(dict(row), shape) for row in rows[: page.limit]]
    return (found[::-1] if page.before else found), len(rows) > page.limit
