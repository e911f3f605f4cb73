"""What the database holds of an act: orders and payments since it began, money in doubt, stock."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Connection, Database, statement
from proof.clients.intent import Intent
from proof.clients.oracle import RECORDED, contradictions_so_far, orders_of
from scenarios.conditions import ExpectedStock, OrderCounts, WalletCounts
from scenarios.payers import AnsweredPayer
from scenarios.spenders import AnsweredSpender
from scenarios.visitors import UNCLEAR

# The same condition as the order service's own index of what is due.
_DUE = (
    "(status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')"
    " OR (status = 'CONFIRMED' AND stock_committed_at IS NULL))"
)
_ORDERS = statement(
    text(
        """
SELECT count(*) AS placed,
       count(*) FILTER (WHERE settled_at IS NULL) AS open,
       count(*) FILTER (WHERE status = 'PENDING_INVENTORY') AS pending_inventory,
       count(*) FILTER (WHERE status = 'PENDING_PAYMENT') AS pending_payment,
       count(*) FILTER (WHERE status = 'CONFIRMED') AS confirmed,
       count(*) FILTER (WHERE reason = 'PAYMENT_DECLINED') AS declined,
       count(*) FILTER (WHERE reason = 'OUT_OF_STOCK') AS sold_out,
       count(*) FILTER (WHERE status = 'FAILED'
         AND reason NOT IN ('PAYMENT_DECLINED', 'OUT_OF_STOCK')) AS failed
FROM orders.orders WHERE created_at >= :since"""
    ),
    "SELECT an act's orders",
)
_PAYMENTS = statement(
    text(
        """
WITH made AS (
  SELECT p.payment_id, p.state, p.needs_review, p.amount_minor,
         p.state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING') AS open
  FROM payments.payments p WHERE p.created_at >= :since AND p.amount_minor IS NOT NULL
), legs AS (
  SELECT DISTINCT ON (a.payment_id, a.leg_n) a.payment_id, a.state, a.n, a.amount_minor
  FROM payments.attempts a JOIN made USING (payment_id)
  ORDER BY a.payment_id, a.leg_n, a.n DESC
), whole AS (
  SELECT made.*, count(legs.n) AS parts,
         count(legs.n) FILTER (WHERE legs.state = 'UNKNOWN') AS unknown,
         coalesce(sum(legs.amount_minor) FILTER (WHERE legs.state = 'SUCCEEDED'), 0) AS kept_minor
  FROM made LEFT JOIN legs USING (payment_id)
  GROUP BY made.payment_id, made.state, made.needs_review, made.amount_minor, made.open
)
SELECT count(*) AS made,
       count(*) FILTER (WHERE open) AS open,
       count(*) FILTER (WHERE open AND unknown > 0) AS unknown,
       count(*) FILTER (WHERE state = 'SUCCEEDED') AS succeeded,
       count(*) FILTER (WHERE state = 'SUCCEEDED' AND parts > 1) AS split,
       count(*) FILTER (WHERE state = 'FAILED') AS failed,
       count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
       count(*) FILTER (WHERE state = 'REFUNDED') AS refunded,
       count(*) FILTER (WHERE NOT open AND kept_minor NOT IN (0, amount_minor)) AS in_part,
       count(*) FILTER (WHERE needs_review) AS needs_review,
       (SELECT count(*) FROM legs WHERE state = 'AUTHORISED') AS leg_held,
       (SELECT count(*) FROM legs WHERE state = 'SUCCEEDED') AS leg_captured,
       (SELECT count(*) FROM legs WHERE state = 'VOIDED') AS leg_voided,
       (SELECT count(*) FROM legs WHERE state = 'FAILED') AS leg_declined,
       (SELECT count(*) FROM legs WHERE state = 'UNKNOWN') AS leg_unknown,
       (SELECT count(*) FROM legs WHERE state = 'REFUNDED') AS leg_refunded,
       (SELECT count(*) FROM legs WHERE n > 1) AS leg_moved
FROM whole"""
    ),
    "SELECT an act's payments",
)
_REST = statement(
    text(
        f"""
SELECT now() AS at,
  (SELECT coalesce(sum(amount_minor), 0)::bigint FROM payments.payments
    WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')) AS money_in_doubt,
  (SELECT greatest(0, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0))::float8
    FROM orders.orders WHERE {_DUE}) AS overdue_s"""  # noqa: S608 - a constant of this module
    ),
    "SELECT money in doubt",
)
_STOCK = statement(
    text("SELECT product_id, stock, reserved, sold FROM inventory.stock LIMIT 200"),
    "SELECT stock",
)
# An act's wallet has one currency, so that its minor units can be added.
_WALLETS = statement(
    text(
        """
SELECT w.user_id, sum(w.available_minor)::bigint AS available, sum(w.held_minor)::bigint AS held,
       coalesce(sum(t.paid), 0)::int AS paid, coalesce(sum(t.open), 0)::int AS open
FROM wallets.wallet_balances w LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE status = 'APPROVED') AS paid,
         count(*) FILTER (WHERE status = 'PENDING') AS open
  FROM wallets.transactions
  WHERE user_id = w.user_id AND currency = w.currency AND kind = 'PAYMENT' AND created_at >= :since
) t ON true
WHERE w.user_id = ANY(:users ::text[]) GROUP BY w.user_id"""
    ),
    "SELECT an act's wallets",
)
_NEWEST_LINE = statement(
    text("SELECT coalesce(max(n), 0) AS line FROM audit.log"), "SELECT audit.log"
)
_AUDIT = statement(
    text(
        "SELECT count(*) FILTER (WHERE type = 'login.revoked') AS logins_revoked,"
        " count(*) FILTER (WHERE type = 'key.withdrawn') AS keys_withdrawn FROM audit.log"
        " WHERE type IN ('login.revoked', 'key.withdrawn') AND n > :line"
    ),
    "SELECT what was written down",
)
# How the columns begin that count parts of payments.
_OF_LEGS = "leg_"
_RECORDED = statement(
    text(RECORDED.format(keys="CAST(:keys AS text[])")), "SELECT what customers ordered"
)
_CONTRADICTED = statement(
    text(
        """
SELECT count(*) FILTER (WHERE paid <> (coalesce(p.state, '') = 'SUCCEEDED')) AS contradicted
FROM unnest(:merchants ::text[], :requests ::text[], :paid ::bool[])
  AS told (merchant_id, request_id, paid)
LEFT JOIN payments.requests r USING (merchant_id, request_id)
LEFT JOIN payments.payments p USING (payment_id)"""
    ),
    "SELECT what payers were told",
)
_CONTRADICTED_WALLET = statement(
    text(
        """
SELECT count(*) FILTER (WHERE paid <> (coalesce(t.status, '') = 'APPROVED')) AS contradicted
FROM unnest(:users ::text[], :references ::text[], :paid ::bool[])
  AS told (user_id, reference, paid)
LEFT JOIN wallets.transactions t
  ON t.user_id = told.user_id AND t.external_reference = told.reference AND t.kind = 'PAYMENT'"""
    ),
    "SELECT what spenders were told",
)
# What the acquirer holds is read in its own records, for whichever payment it names.
_PAID_TWICE = statement(
    text(
        """
SELECT count(*) AS twice FROM (
  SELECT p.id
  FROM acquirer.intents i JOIN (
    SELECT payment_id::text AS id, amount_minor FROM payments.payments
    UNION ALL
    SELECT transaction_id::text, amount_minor FROM wallets.transactions WHERE kind = 'PAYMENT'
  ) p ON p.id = i.metadata ->> 'payment'
  WHERE i.created_at >= :since
  GROUP BY p.id, p.amount_minor
  HAVING sum(i.received_minor - (SELECT coalesce(sum(amount_minor), 0) FROM acquirer.refunds r
                                 WHERE r.intent = i.id)) > p.amount_minor) t"""
    ),
    "SELECT payments that the acquirer took twice",
)
_MERCHANTS = statement(
    text("SELECT merchant_id FROM payments.merchants ORDER BY merchant_id LIMIT 100"),
    "SELECT merchants",
)


class CountingStart(Struct, frozen=True):
    """When an act began, by the database's clock, how much had been sold by then, and which was the
    newest line of the audit log; and whose wallets are counted."""

    at: datetime
    sold: dict[str, int]
    users: list[str]
    line: int


async def start_counting(database: Database, users: Sequence[str] = ()) -> CountingStart:
    """The moment from which an act counts, also in these users' wallets."""
    async with database.connect() as connection:
        rest = await connection.row(_REST)
        stock = await connection.rows(_STOCK)
        newest = await connection.row(_NEWEST_LINE)
    if rest is None or newest is None:
        raise LookupError("the database has no time")
    return CountingStart(
        rest["at"], {row["product_id"]: row["sold"] for row in stock}, [*users], newest["line"]
    )


async def read_counts(database: Database, since: CountingStart) -> OrderCounts:
    """Everything an act asks the database, in a few short statements."""
    async with database.connect() as connection:
        payments = await _payments(connection, since)
        return OrderCounts(
            orders=await _orders(connection, since),
            stock=await _stock(connection, since),
            wallets=await _wallets(connection, since),
            audit=dict(await connection.row(_AUDIT, line=since.line) or {}),
            payments={name: n for name, n in payments.items() if not name.startswith(_OF_LEGS)},
            legs={
                name.removeprefix(_OF_LEGS): n
                for name, n in payments.items()
                if name.startswith(_OF_LEGS)
            },
            **dict(await connection.row(_REST) or {}),
        )


async def _orders(connection: Connection, since: CountingStart) -> dict[str, int]:
    return dict(await connection.row(_ORDERS, since=since.at) or {})


async def _payments(connection: Connection, since: CountingStart) -> dict[str, int]:
    return dict(await connection.row(_PAYMENTS, since=since.at) or {})


async def _stock(connection: Connection, since: CountingStart) -> dict[str, ExpectedStock]:
    return {
        row["product_id"]: ExpectedStock(
            row["stock"], row["reserved"], row["sold"] - since.sold.get(row["product_id"], 0)
        )
        for row in await connection.rows(_STOCK)
    }


async def _wallets(connection: Connection, since: CountingStart) -> dict[str, WalletCounts]:
    if not since.users:
        return {}
    rows = await connection.rows(_WALLETS, users=since.users, since=since.at)
    return {
        row["user_id"]: WalletCounts(row["available"], row["held"], row["paid"], row["open"])
        for row in rows
    }


async def count_lost(database: Database, intents: Sequence[Intent]) -> int:
    """How many customers were answered what the database contradicts."""
    async with database.connect() as connection:
        rows = await connection.rows(_RECORDED, keys=[intent.key for intent in intents])
    recorded = orders_of(rows)
    return sum(bool(contradictions_so_far(intent, recorded.get(intent.key))) for intent in intents)


async def count_lost_payments(database: Database, answered: Sequence[AnsweredPayer]) -> int:
    """How many payers were answered what the database contradicts: paid, and the money was not
    taken; or declined, and it was."""
    final = [each for each in answered if each.response in ("paid", "declined")]
    async with database.connect() as connection:
        row = await connection.row(
            _CONTRADICTED,
            merchants=[each.merchant_id for each in final],
            requests=[each.request_id for each in final],
            paid=[each.response == "paid" for each in final],
        )
    return int(row["contradicted"]) if row else 0


async def count_lost_spending(database: Database, answered: Sequence[AnsweredSpender]) -> int:
    """How many spenders were answered what the database contradicts: paid, and it was not; or not
    paid, and it was."""
    final = [each for each in answered if each.response not in UNCLEAR]
    async with database.connect() as connection:
        row = await connection.row(
            _CONTRADICTED_WALLET,
            users=[each.user_id for each in final],
            references=[each.reference for each in final],
            paid=[each.response == "paid" for each in final],
        )
    return int(row["contradicted"]) if row else 0


async def count_paid_twice(database: Database, since: CountingStart) -> int:
    """For how many payments the acquirer holds more than their amount."""
    async with database.connect() as connection:
        row = await connection.row(_PAID_TWICE, since=since.at)
    return int(row["twice"]) if row else 0


async def read_merchants(database: Database) -> list[str]:
    """The merchants there are, by name."""
    async with database.connect() as connection:
        return [row["merchant_id"] for row in await connection.rows(_MERCHANTS)]
