"""The books in which an order leaves rows, and how to read them for some orders only.

A promise about orders is a property of the rows of one order, or of a few that share a key. So it
need be judged again only for orders of which a row was written since it was last proven:
`IN_QUESTION` finds them, and `narrowed` makes a promise's own SQL read nothing else.
"""

import re
from collections.abc import Iterable
from typing import Literal
from uuid import UUID

import msgspec

# What a promise has to see: the rows of the orders in question; with them the sum of all that was
# sold before; or everything there is, where an index holds just what it asks for.
ReadScope = Literal["orders", "sums", "everything"]

# Orders of which a row was written in the window of transactions from $1 up to $2, and those that
# share a key with such a row, at the gateway or of a request. A mark above the window came from
# another server, in a dump that was restored here: older than anything that was proven here.
CHANGED_ORDERS = """\
SELECT id::text AS ref FROM orders.orders WHERE :since
UNION SELECT order_id::text FROM orders.history WHERE :since
UNION SELECT order_id::text FROM inventory.reservations WHERE :since
UNION SELECT order_id::text FROM payments.payments WHERE :since
UNION SELECT order_id::text FROM payments.attempts WHERE :since
UNION SELECT order_id::text FROM payments.attempt_history WHERE :since
UNION SELECT split_part(transfer_id, ':', 1) FROM payments.ledger WHERE :since
UNION SELECT order_ref FROM gateway.charges WHERE :since
UNION SELECT order_ref FROM proof.removals WHERE :since
UNION SELECT k.order_id::text FROM orders.idempotency k
  JOIN (SELECT scope, key FROM orders.idempotency WHERE :since) i USING (scope, key)
UNION SELECT a.order_id::text FROM payments.attempts a
  JOIN (SELECT gw_key FROM gateway.charges WHERE :since) c USING (gw_key)
UNION SELECT c.order_ref FROM gateway.charges c
  JOIN (SELECT gw_key FROM payments.attempts WHERE :since) a USING (gw_key)
""".replace(":since", "changed_in >= $1 AND changed_in < $2")

_OF_ORDERS = {
    "orders.orders": "SELECT * FROM orders.orders WHERE id = ANY ($4)",
    "orders.history": "SELECT * FROM orders.history WHERE order_id = ANY ($4)",
    # A key may own no order; then it is looked at with whoever else has the same key.
    "orders.idempotency": """\
SELECT * FROM orders.idempotency WHERE order_id = ANY ($4)
UNION ALL
SELECT * FROM orders.idempotency WHERE order_id IS NULL AND (scope, key) IN (
  SELECT scope, key FROM orders.idempotency WHERE changed_in >= $7 AND changed_in < $8)""",
    "inventory.reservations": "SELECT * FROM inventory.reservations WHERE order_id = ANY ($4)",
    "payments.payments": "SELECT * FROM payments.payments WHERE order_id = ANY ($4)",
    "payments.attempts": "SELECT * FROM payments.attempts WHERE order_id = ANY ($4)",
    "payments.attempt_history": "SELECT * FROM payments.attempt_history WHERE order_id = ANY ($4)",
    # The shop's own transfers are found by their keys, any other by its order.
    "payments.ledger": """\
SELECT * FROM payments.ledger WHERE transfer_id = ANY ($6)
UNION ALL
SELECT * FROM payments.ledger
WHERE split_part(transfer_id, ':', 1) = ANY ($5) AND transfer_id !~ '^[^:]*:(cap|ref)$'""",
    "gateway.charges": "SELECT * FROM gateway.charges WHERE order_ref = ANY ($5)",
}
# What is held, what was sold since, and what had been sold by then: all of it adds up.
_SUMS = {
    "inventory.reservations": """\
SELECT product_id, quantity, state FROM inventory.reservations
WHERE state = 'HELD'
UNION ALL
SELECT product_id, quantity, state FROM inventory.reservations
WHERE state = 'COMMITTED' AND changed_in >= $7 AND changed_in < $8
UNION ALL
SELECT key, value::int, 'COMMITTED' FROM jsonb_each_text($9)"""
}
_TYPES = (
    "$2::timestamptz, $3::timestamptz, $4::uuid[], $5::text[], $6::text[], $7::xid8, $8::xid8,"
    " $9::jsonb"
)
_BOOK = re.compile(rf"\b({'|'.join(map(re.escape, _OF_ORDERS))})\b")


def restrict(sql: str, reads: ReadScope) -> tuple[str, str]:
    """The same promise, asked of some rows only: what goes before the query, and its text.

    Each book it names becomes the part of that book, under the book's own name in quotes: one text
    for both ways of asking, so that they cannot drift apart. Its parameters, past those every
    promise has: $4 orders' ids, $5 the same as text, $6 the keys of their transfers, $7 and $8 the
    window of transactions, $9 units sold before it.
    """
    parts = _SUMS if reads == "sums" else _OF_ORDERS
    books = dict.fromkeys(_BOOK.findall(sql))
    named = "".join(f',\n"{book}" AS NOT MATERIALIZED (\n{parts[book]}\n)' for book in books)
    # PostgreSQL wants the type of every parameter, needed here or not.
    return f"WITH given AS (SELECT {_TYPES}){named}\n", _BOOK.sub(r'"\1"', sql)


class ChangedOrders(msgspec.Struct, frozen=True):
    """The orders that a proof looks at, in the forms in which the books name them."""

    refs: tuple[str, ...]
    ids: tuple[UUID, ...]
    transfers: tuple[str, ...]


def changed_orders(refs: Iterable[str]) -> ChangedOrders:
    """These orders, and whatever else bears such a name: a book may hold rows of no order."""
    known = tuple(sorted(set(refs)))
    ids = tuple(each for each in map(_uuid, known) if each is not None)
    return ChangedOrders(
        known, ids, tuple(f"{ref}:{kind}" for ref in known for kind in ("cap", "ref"))
    )


def _uuid(ref: str) -> UUID | None:
    try:
        found = UUID(ref)
    except ValueError:
        return None
    # Only what PostgreSQL would write; no join meets another spelling.
    return found if str(found) == ref else None
