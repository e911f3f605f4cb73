"""The tables in which an order leaves rows, and how to read them for some orders only.

A promise about orders depends on the rows of one order, or of a few orders that share a key. So it
must be judged again only for orders of which a row was written since the last proof:
`CHANGED_ORDERS` finds them, and `restrict` limits a promise's SQL to their rows.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec

# What a promise has to read: the rows of the changed orders; what moved since, with the sums of
# what had moved before; some links of the chain; or everything, where an index holds only the rows
# that matter.
ReadScope = Literal["orders", "sums", "chain", "everything"]

# Orders and payments of which a row was written by the transactions from $1 up to $2, or that are
# named in $3, as either; the payments of those orders and the orders of those payments; and what
# shares a gateway key or an Idempotency-Key with such a row. A mark above the window came from
# another server, in a dump that was restored here: it is older than anything that was proven here.
# `paid_for` says that it is the payment of an order, which is there as well.
CHANGED_ORDERS = """\
WITH RECURSIVE changed (ref, of_order) AS (
SELECT id::text, true FROM orders.orders WHERE :since
UNION SELECT order_id::text, true FROM orders.history WHERE :since
UNION SELECT order_id::text, true FROM inventory.reservations WHERE :since
UNION SELECT cause::text, true FROM inventory.stock_moves WHERE :since AND kind <> 'delivered'
UNION SELECT payment_id::text, false FROM payments.payments WHERE :since
UNION SELECT payment_id::text, false FROM payments.legs WHERE :since
UNION SELECT payment_id::text, false FROM payments.decisions WHERE :since
UNION SELECT payment_id::text, false FROM payments.attempts WHERE :since
UNION SELECT payment_id::text, false FROM payments.attempt_history WHERE :since
UNION SELECT payment_id::text, false FROM payments.refunds WHERE :since
UNION SELECT payment_id::text, false FROM payments.plans WHERE :since
UNION SELECT payment_id::text, false FROM payments.ledger WHERE :since
UNION SELECT payment_id::text, false FROM payments.provider_events WHERE :since
UNION SELECT payment_id::text, false FROM payments.reconciliation_breaks WHERE :since
UNION SELECT payment_id::text, false FROM webhooks.deliveries WHERE :since
UNION SELECT a.payment_id::text, false FROM payments.attempts a
  JOIN (SELECT intent FROM payments.settlement_lines WHERE :since) s ON s.intent = a.provider_ref
UNION SELECT payment_ref, false FROM gateway.charges WHERE :since
UNION SELECT k.order_id::text, true FROM orders.idempotency k
  JOIN (SELECT scope, key FROM orders.idempotency WHERE :since) i USING (scope, key)
UNION SELECT a.payment_id::text, false FROM payments.attempts a
  JOIN (SELECT gw_key FROM gateway.charges WHERE :since) c USING (gw_key)
UNION SELECT c.payment_ref, false FROM gateway.charges c
  JOIN (SELECT gw_key FROM payments.attempts WHERE :since) a USING (gw_key)
UNION SELECT ref, of_order FROM (
  SELECT order_ref AS ref FROM proof.removals WHERE :since UNION ALL SELECT unnest($3::text[])) n
  CROSS JOIN (VALUES (true), (false)) either (of_order)
), linked (ref, of_order, id) AS (
SELECT ref, of_order,
       CASE WHEN ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN ref::uuid END
FROM changed WHERE ref IS NOT NULL
UNION
SELECT n.id::text, NOT l.of_order, n.id FROM linked l CROSS JOIN LATERAL (
  SELECT payment_id AS id FROM orders.orders WHERE l.of_order AND id = l.id
  UNION ALL SELECT payment_id FROM payments.payments WHERE l.of_order AND order_id = l.id
  UNION ALL SELECT id FROM orders.orders WHERE NOT l.of_order AND payment_id = l.id
  UNION ALL SELECT order_id FROM payments.payments WHERE NOT l.of_order AND payment_id = l.id) n
WHERE n.id IS NOT NULL
)
SELECT ref, of_order, id,
       EXISTS (SELECT FROM orders.orders o WHERE o.payment_id = l.id AND o.id <> l.id) AS paid_for
FROM linked l""".replace(":since", "changed_in >= $1 AND changed_in < $2")

# Orders that a price written in that window may concern, at most $3 of each product. I24 allows ten
# seconds before it. Apart from `CHANGED_ORDERS`: a slice of history needs none of them, since its
# own orders are compared with all prices.
PRICED_ORDERS = """\
SELECT o.id::text FROM orders.prices p
CROSS JOIN LATERAL (
  SELECT id FROM orders.orders
  WHERE product_id = p.product_id AND created_at >= p.since - interval '10 seconds'
  ORDER BY created_at DESC LIMIT $3) o
WHERE p.changed_in >= $1 AND p.changed_in < $2"""

_EVENTS = "SELECT * FROM {}.outbox WHERE aggregate = '{}' AND aggregate_id = ANY ({})"
_ROWS_OF_ORDERS = {
    "orders.orders": "SELECT * FROM orders.orders WHERE id = ANY ($4)",
    "orders.history": "SELECT * FROM orders.history WHERE order_id = ANY ($4)",
    # A key may own no order; then it is read together with the rows that have the same key.
    "orders.idempotency": """\
SELECT * FROM orders.idempotency WHERE order_id = ANY ($4)
UNION ALL
SELECT * FROM orders.idempotency WHERE order_id IS NULL AND (scope, key) IN (
  SELECT scope, key FROM orders.idempotency WHERE changed_in >= $8 AND changed_in < $9)""",
    "inventory.reservations": "SELECT * FROM inventory.reservations WHERE order_id = ANY ($4)",
    "inventory.stock_moves": "SELECT * FROM inventory.stock_moves WHERE cause = ANY ($4)",
    "payments.payments": "SELECT * FROM payments.payments WHERE payment_id = ANY ($5)",
    "payments.legs": "SELECT * FROM payments.legs WHERE payment_id = ANY ($5)",
    "payments.decisions": "SELECT * FROM payments.decisions WHERE payment_id = ANY ($5)",
    "payments.attempts": "SELECT * FROM payments.attempts WHERE payment_id = ANY ($5)",
    "payments.attempt_history": """\
SELECT * FROM payments.attempt_history WHERE payment_id = ANY ($5)""",
    "payments.refunds": "SELECT * FROM payments.refunds WHERE payment_id = ANY ($5)",
    "payments.plans": "SELECT * FROM payments.plans WHERE payment_id = ANY ($5)",
    "payments.ledger": "SELECT * FROM payments.ledger WHERE payment_id = ANY ($5)",
    "payments.provider_events": """\
SELECT * FROM payments.provider_events WHERE payment_id = ANY ($5) OR processed_at IS NULL""",
    # And what is about no attempt of ours.
    "payments.settlement_lines": """\
SELECT s.* FROM payments.attempts a JOIN payments.settlement_lines s ON s.intent = a.provider_ref
WHERE a.payment_id = ANY ($5)
UNION ALL
SELECT s.* FROM payments.settlement_lines s
WHERE s.changed_in >= $8 AND s.changed_in < $9
  AND NOT EXISTS (SELECT FROM payments.attempts a WHERE a.provider_ref = s.intent)""",
    "orders.outbox": _EVENTS.format("orders", "order", "$6"),
    "inventory.outbox": _EVENTS.format("inventory", "stock", "$6"),
    "payments.outbox": _EVENTS.format("payments", "payment", "$7"),
    "events.inbox": """\
SELECT i.* FROM events.consumers c JOIN events.inbox i ON i.consumer = c.consumer
  AND i.aggregate IN ('order', 'stock') AND i.aggregate_id = ANY ($6)
UNION ALL
SELECT i.* FROM events.consumers c JOIN events.inbox i ON i.consumer = c.consumer
  AND i.aggregate = 'payment' AND i.aggregate_id = ANY ($7)""",
    "audit.log": """\
SELECT * FROM audit.log WHERE aggregate IN ('order', 'stock') AND aggregate_id = ANY ($6)
UNION ALL
SELECT * FROM audit.log WHERE aggregate = 'payment' AND aggregate_id = ANY ($7)""",
    "webhooks.deliveries": "SELECT * FROM webhooks.deliveries WHERE payment_id = ANY ($5)",
    "gateway.charges": "SELECT * FROM gateway.charges WHERE payment_ref = ANY ($7)",
}
# What has moved since the checkpoint, and what had moved by then, as sums.
_ROWS_FOR_SUMS = {
    "inventory.stock_moves": """\
SELECT product_id, kind, quantity::bigint FROM inventory.stock_moves
WHERE changed_in >= $8 AND changed_in < $9
UNION ALL
SELECT s->>0, s->>1, (s->>2)::bigint FROM jsonb_array_elements($10) s"""
}
_ROWS_OF_CHAIN = {"proof.chain": "SELECT * FROM proof.chain WHERE n = ANY ($11)"}
_ROWS = {"orders": _ROWS_OF_ORDERS, "sums": _ROWS_FOR_SUMS, "chain": _ROWS_OF_CHAIN}
_TYPES = (
    "$1::bigint, $2::timestamptz, $3::timestamptz, $4::uuid[], $5::uuid[], $6::text[], $7::text[],"
    " $8::xid8, $9::xid8, $10::jsonb, $11::bigint[]"
)
_PARAMETER = re.compile(r"\$([0-9]+)")
_TABLE = re.compile(rf"\b({'|'.join(map(re.escape, {**_ROWS_OF_ORDERS, **_ROWS_OF_CHAIN}))})\b")


class Restricted(msgspec.Struct, frozen=True):
    """A promise's SQL, and the tables that it reads from the WITH clause before it."""

    sql: str
    tables: tuple[str, ...]


@functools.cache
def restrict(sql: str, reads: ReadScope) -> Restricted:
    """The promise, limited to the rows that it has to read: `rows_given` has them.

    Each table it names becomes a subquery of that table, under the table's name in quotes, which is
    read once. A name of which each half is in quotes stays: what is looked up for each row is found
    by the table's index. Both ways of reading use one text, so that they cannot differ.
    """
    tables = tuple(dict.fromkeys(name for name in _TABLE.findall(sql) if name in _ROWS[reads]))

    def renamed(found: re.Match[str]) -> str:
        return f'"{found[0]}"' if found[0] in tables else found[0]

    return Restricted(_TABLE.sub(renamed, sql), tables)


class RowsGiven(msgspec.Struct, frozen=True):
    """The WITH clause that goes before restricted promises, and which parameters it reads."""

    clause: str
    parameters: frozenset[int]


@functools.cache
def rows_given(tables: tuple[str, ...], reads: ReadScope) -> RowsGiven:
    """The rows of these tables. The parameters, after those of every promise: $4 ids of orders, $5
    of payments, $6 and $7 the same as text, $8 and $9 the window of transactions, $10 units moved
    before it: [product, kind, units] each, $11 links."""
    rows_of = _ROWS[reads]
    subqueries = "".join(f',\n"{table}" AS MATERIALIZED (\n{rows_of[table]}\n)' for table in tables)
    used = frozenset(map(int, _PARAMETER.findall(subqueries)))
    # PostgreSQL needs the type of every parameter, also of those that this text does not use.
    return RowsGiven(f"WITH given AS (SELECT {_TYPES}){subqueries}\n", used)


class ChangedOrders(msgspec.Struct, frozen=True):
    """The orders that a proof reads and their payments, in both forms in which tables refer to
    them. `orders` counts an order and its payment as one."""

    order_refs: tuple[str, ...]
    payment_refs: tuple[str, ...]
    order_ids: tuple[UUID, ...]
    payment_ids: tuple[UUID, ...]
    orders: int


def changed_orders(rows: Iterable[Mapping[str, Any]]) -> ChangedOrders:
    """What `CHANGED_ORDERS` found. A reference that is not a UUID has no id and stays: a table may
    hold rows of no order."""
    found = sorted(rows, key=lambda row: row["ref"])
    orders = [row for row in found if row["of_order"]]
    payments = [row for row in found if not row["of_order"]]
    count = len({row["ref"] for row in found if not row["paid_for"]})
    return ChangedOrders(_refs(orders), _refs(payments), _ids(orders), _ids(payments), count)


def _refs(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(row["ref"] for row in rows)


def _ids(rows: Iterable[Mapping[str, Any]]) -> tuple[UUID, ...]:
    return tuple(row["id"] for row in rows if row["id"] is not None)
