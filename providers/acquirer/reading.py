"""Answers what changes nothing: one object, a list, the balance, the settlement file."""

import csv
import io
from datetime import date
from typing import Any

from chassis.database.pool import Connection
from providers.acquirer import expand, page_store, store
from providers.acquirer.domain import Account, BalanceTransaction
from providers.acquirer.errors import no_such
from providers.acquirer.page_store import LISTS, Page
from providers.acquirer.parameters import Parameters, invalid
from providers.acquirer.views import View, view

_MOST_LISTED, _LISTED = 100, 10
_LAST_SECOND = 253_402_300_799
_LINE = (
    "balance_transaction", "type", "source", "payment_intent", "amount_minor", "fee_minor",
    "net_minor", "currency", "created_at",
)  # fmt: skip


async def retrieve(
    c: Connection, account: Account, given: Parameters, what: str, shape: type, object_id: str
) -> View:
    """One object of the account. Raises `Refused` 404."""
    paths = given.texts("expand")
    # A client that runs in a browser sends it; a key of the account may see the intent without it.
    given.text("client_secret")
    given.finish()
    expand.check(what, paths)
    found: Any = await store.find(c, shape, account, object_id)
    if found is None:
        raise no_such(what, object_id, "id")
    shown = view(found)
    await expand.expand(c, account, shown, paths)
    return shown


async def list_objects(
    c: Connection, account: Account, given: Parameters, what: str, shape: type, url: str
) -> View:
    """A page of the account's objects, newest first."""
    paths, page = given.texts("expand"), _page(given, shape)
    given.finish()
    expand.check(what, paths)
    cursor = None
    if mark := page.after or page.before:
        cursor = await page_store.place_of(c, shape, account, mark)
        if cursor is None:
            param = "starting_after" if page.after else "ending_before"
            raise no_such(what, mark, param, status=400)
    found: list[Any]
    found, has_more = await page_store.read_page(c, shape, account, page, cursor)
    shown = {"object": "list", "data": [view(x) for x in found], "has_more": has_more, "url": url}
    await expand.expand(c, account, shown, [path for path in paths if path.startswith("data.")])
    return shown


def _page(given: Parameters, shape: type) -> Page:
    limit = given.integer("limit")
    if limit is not None and not 1 <= limit <= _MOST_LISTED:
        raise invalid("limit", f"Invalid limit: it is 1 to {_MOST_LISTED}.")
    after, before = given.text("starting_after"), given.text("ending_before")
    if after and before:
        raise invalid("ending_before", "Give starting_after or ending_before, not both.")
    # The parameter of an intent's id has a longer name than its column.
    names = {"intent": "payment_intent"}
    filters = {f: given.text(names.get(f, f)) or None for f in LISTS[shape].filters}
    bounds = _created(given)
    return Page(limit or _LISTED, after, before, *bounds, filters)


def _created(given: Parameters) -> tuple[int | None, int | None]:
    """From (inclusive) and to (exclusive), in seconds; an object's second is the whole of it."""
    if not given.has_inner("created"):
        at = _second(given, "created")
        return at, None if at is None else at + 1
    bounds = given.nested("created")
    least, above = _second(bounds, "created[gte]"), _second(bounds, "created[gt]")
    below, most = _second(bounds, "created[lt]"), _second(bounds, "created[lte]")
    lows = [least, None if above is None else above + 1]
    highs = [below, None if most is None else most + 1]
    low = max((each for each in lows if each is not None), default=None)
    return low, min((each for each in highs if each is not None), default=None)


def _second(given: Parameters, name: str) -> int | None:
    at = given.integer(name)
    if at is not None and not 0 <= at <= _LAST_SECOND:
        raise invalid(name, "Invalid timestamp: it is seconds since 1970, up to the year 9999.")
    return at


async def balance(c: Connection, account: Account, given: Parameters) -> View:
    """What the account is owed: the sum of its balance transactions, by currency."""
    given.finish()
    owed = await store.balance_of(c, account)
    available = [
        {"amount": net_minor, "currency": currency, "source_types": {"card": net_minor}}
        for currency, net_minor in sorted(owed.items())
    ]
    return {"object": "balance", "available": available, "livemode": False, "pending": []}


async def settlement(c: Connection, account: Account, given: Parameters) -> bytes:
    """The account's captures, refunds and fees of one UTC day as CSV, oldest first."""
    asked = given.needed("date")
    given.finish()
    try:
        day = date.fromisoformat(asked)
    except ValueError:
        raise invalid("date", "Invalid date: write it as 2026-11-28.") from None
    lines = await store.lines_of_day(c, account, day)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_LINE)
    writer.writerows(_row(line) for line in lines)
    return text.getvalue().encode()


def _row(line: BalanceTransaction) -> tuple[object, ...]:
    return (
        line.id, line.type, line.source, line.intent, line.amount_minor, line.fee_minor,
        line.net_minor, line.currency, line.created_at.isoformat(),
    )  # fmt: skip
