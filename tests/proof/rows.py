"""A small shop written straight into the tables: one order of every kind, every promise kept."""

from uuid import UUID

import asyncpg

CONFIRMED = UUID("00000000-0000-4000-8000-00000000000c")
DECLINED = UUID("00000000-0000-4000-8000-00000000000d")
REFUNDED = UUID("00000000-0000-4000-8000-00000000000e")
CANCELLED = UUID("00000000-0000-4000-8000-00000000000f")
PENDING = UUID("00000000-0000-4000-8000-0000000000aa")


def payment_of(order_id: UUID) -> UUID:
    """The payment of an order: the same last digits, elsewhere."""
    return UUID(int=order_id.int | 1 << 96)


_ORDER = """
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
                           currency, status, next_attempt_at, deadline_at, created_at)
VALUES ($1, $2, 'PROD-001', 2, 9999, 19998, 'EUR', 'PENDING', now(), now() + interval '15 min',
        {at})"""
# What the trigger writes has the time of the clock.
_FIRST_LINE = """
INSERT INTO orders.history (order_id, version, dst, attempts, at)
VALUES ($1, 0, 'PENDING', 0, {at})"""
_FIRST_EVENT = """
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload, at)
VALUES ('order', $1::uuid, 1, 'order.created', '{{}}', {at})"""
_MOVE = """
UPDATE orders.orders SET status = $2, reason = $3, version = version + 1,
  settled_at = CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN coalesce(settled_at, {at}) END
WHERE id = $1"""
_KEEP = """
INSERT INTO orders.idempotency
  (scope, key, request_hash, order_id, status_code, response, locked_until)
VALUES ('POST /orders', $2, '', $1, $3, convert_to(concat('{{"order_id":"', $1::uuid,
        '","status":"', $4::text, '","product_id":"PROD-001","quantity":2,"amount_minor":19998,'),
        'UTF8'), now())"""
_PAYMENT = """
WITH p AS (
  INSERT INTO payments.payments
    (payment_id, order_id, amount_minor, currency, state, created_at, updated_at)
  VALUES ($1, $2, 19998, 'EUR', 'PROCESSING', {at}, {at})),
l AS (
  INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider, created_at)
  VALUES ($1, 1, 19998, 'EUR', 'mock', {at}))
INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs, at)
VALUES ($1, 1, 'route', 1, 'mock', 'It is the one connector that is configured.', '{{}}', {at})"""
_ATTEMPT = """
INSERT INTO payments.attempts (payment_id, leg_n, n, provider, gw_key, amount_minor, currency,
                               state, created_at, updated_at)
VALUES ($1, 1, 1, 'mock', 'pay_' || $1::uuid || ':1:1', 19998, 'EUR', 'IN_FLIGHT', {at}, {at})"""
_CHARGE = """
INSERT INTO gateway.charges
  (gw_key, provider, payment_ref, amount_minor, currency, state, captured_at, refunded_at)
VALUES ('pay_' || $1::uuid || ':1:1', 'mock', $1::uuid::text, 19998, 'EUR', $2, {at},
        CASE WHEN $2 = 'REFUNDED' THEN {at} END)"""
_POST = """
INSERT INTO payments.ledger
  (payment_id, leg_n, kind, line, account, amount_minor, currency, posted_at)
VALUES ($1, 1, $2, 1, 'gateway_clearing', $3, 'EUR', {at}),
       ($1, 1, $2, 2, 'merchant', -$3::bigint, 'EUR', {at})"""
_TAKE = """
UPDATE inventory.stock SET stock = stock - 2, column = column + 2 WHERE product_id = 'PROD-001'"""
_NOTE = """
INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity, at)
VALUES ($1, $2, 'PROD-001', 2, {at})"""
_LONG_AGO = "now() - interval '1 day'"


async def fill(connection: asyncpg.Connection) -> None:
    """Three orders of yesterday that are settled, and one of this second that is pending, and has
    a quarter of an hour for it."""
    shop = ShopRows(connection, _LONG_AGO)
    await shop.order(CONFIRMED, "PENDING_PAYMENT", "CONFIRMED")
    await shop.hold(CONFIRMED, "COMMITTED")
    await shop.pay(CONFIRMED, "SUCCEEDED", "CAPTURED")
    await shop.store_response(CONFIRMED, "the-first-key-of-all", 201)
    await shop.order(DECLINED, "PENDING_PAYMENT", "CANCELLING", "FAILED")
    await shop.hold(DECLINED, "RELEASED")
    await shop.pay(DECLINED, "FAILED", "DECLINED")
    await shop.store_response(DECLINED, "the-second-key-of-all", 402)
    await shop.order(REFUNDED, "PENDING_PAYMENT", "CONFIRMED")
    await shop.hold(REFUNDED, "COMMITTED")
    await shop.pay(REFUNDED, "SUCCEEDED", "CAPTURED")
    await shop.refund(REFUNDED)
    shop = ShopRows(connection, "now()")
    await shop.order(PENDING, "PENDING_PAYMENT")
    await shop.hold(PENDING, "HELD")
    await shop.pay(PENDING, "IN_FLIGHT")


async def waiting_order(connection: asyncpg.Connection) -> None:
    """One more order of yesterday that has not come to its end."""
    shop = ShopRows(connection, _LONG_AGO)
    await shop.order(CANCELLED, "PENDING_PAYMENT")
    await shop.hold(CANCELLED, "HELD")
    await shop.pay(CANCELLED, "IN_FLIGHT")


async def cancelled_order(connection: asyncpg.Connection) -> None:
    """One more order of yesterday, cancelled before the gateway had charged it."""
    shop = ShopRows(connection, _LONG_AGO)
    await shop.order(
        CANCELLED, "PENDING_PAYMENT", "CANCELLING", "FAILED", because="PAYMENT_TIMEOUT"
    )
    await shop.hold(CANCELLED, "RELEASED")
    payment_id = payment_of(CANCELLED)
    await shop.run(_PAYMENT, payment_id, CANCELLED)
    await shop.run(_ATTEMPT, payment_id)
    await shop.run(_CHARGE, payment_id, "VOIDED")
    await shop.run(
        "UPDATE payments.attempts SET state = 'VOIDED' WHERE payment_id = $1", payment_id
    )
    for state in ("CANCELLING", "CANCELLED"):
        await shop.run(
            "UPDATE payments.payments SET state = $2, cancelled_by = 'order-service'"
            " WHERE payment_id = $1",
            payment_id,
            state,
        )


class ShopRows:
    """Writes rows as the services would have left them at the moment `at` (an SQL expression)."""

    def __init__(self, connection: asyncpg.Connection, at: str) -> None:
        self._connection = connection
        self._at = at

    async def run(self, sql: str, *values: object) -> None:
        """One statement, with `at` in place of {at}."""
        await self._connection.execute(sql.format(at=self._at), *values)

    async def order(self, order_id: UUID, *steps: str, because: str = "PAYMENT_DECLINED") -> None:
        """An order that went through `steps`; a confirmed one has its goods booked."""
        await self.run("SET session_replication_role = replica")
        await self.run(_ORDER, order_id, payment_of(order_id))
        await self.run(_FIRST_LINE, order_id)
        await self.run(_FIRST_EVENT, order_id)
        await self.run("SET session_replication_role = origin")
        for step in steps:
            reason = because if step in ("CANCELLING", "FAILED") else None
            await self.run(_MOVE, order_id, step, reason)
        if steps[-1] == "CONFIRMED":
            await self.run(
                "UPDATE orders.orders SET stock_committed_at = {at}, version = version + 1"
                " WHERE id = $1",
                order_id,
            )

    async def hold(self, order_id: UUID, state: str) -> None:
        """Its reservation of two units, and the stock that it takes."""
        await self.run(
            "INSERT INTO inventory.reservations (order_id, product_id, quantity, state, created_at)"
            " VALUES ($1, 'PROD-001', 2, $2, {at})",
            order_id,
            state,
        )
        column = {"HELD": "reserved", "COMMITTED": "sold"}.get(state)
        if column:
            await self.run(_TAKE.replace("column", column))
        moves = {"HELD": ["reserved"], "COMMITTED": ["reserved", "sold"]}
        for kind in moves.get(state, ["reserved", "released"]):
            await self.run(_NOTE, order_id, kind)

    async def pay(self, order_id: UUID, state: str, charge: str | None = None) -> None:
        """Its payment, the one attempt, the charge at the gateway, and the ledger."""
        payment_id = payment_of(order_id)
        await self.run(_PAYMENT, payment_id, order_id)
        await self.run(_ATTEMPT, payment_id)
        if charge is not None:
            await self.run(_CHARGE, payment_id, charge)
            await self.run(
                "UPDATE payments.attempts SET state = $2 WHERE payment_id = $1", payment_id, state
            )
            await self.run(
                "UPDATE payments.payments SET state = $2 WHERE payment_id = $1", payment_id, state
            )
        if charge == "CAPTURED":
            await self.run(_POST, payment_id, "capture", 19998)

    async def refund(self, order_id: UUID) -> None:
        """An operator gave the money back."""
        payment_id = payment_of(order_id)
        await self.run(
            "UPDATE payments.payments SET state = 'REFUND_PENDING', cancel_reason = 'REFUND',"
            " cancelled_by = 'hand'"
            " WHERE payment_id = $1",
            payment_id,
        )
        await self.run(
            "UPDATE payments.payments SET state = 'REFUNDED' WHERE payment_id = $1", payment_id
        )
        await self.run(
            "UPDATE payments.attempts SET state = 'REFUNDED' WHERE payment_id = $1", payment_id
        )
        await self.run(
            "UPDATE gateway.charges SET state = 'REFUNDED', refunded_at = {at}"
            " WHERE payment_ref = $1",
            str(payment_id),
        )
        await self.run(_POST, payment_id, "refund", -19998)

    async def store_response(self, order_id: UUID, key: str, status: int) -> None:
        """The response stored under its key."""
        shown = "CONFIRMED" if status == 201 else "FAILED"
        await self.run(_KEEP, order_id, key, status, shown)
