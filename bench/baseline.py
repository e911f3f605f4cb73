"""The baseline: the statements of one good order, replayed by asyncpg alone, without HTTP."""

import asyncio
import time
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from bench.shops import DELIVERY
from chassis.database.pool import Connection
from chassis.ids import new_id
from gateways import Captured
from services.inventory import store as inventory
from services.order import store as orders
from services.order.domain import Order
from services.payment import intents, outcomes
from services.payment import store as payments
from services.payment.connectors import mock_store
from services.payment.domain import Charge, gw_key

PRODUCT, AMOUNT, CURRENCY = "PROD-001", 9999, "EUR"
Call = tuple[str, str, tuple[Any, ...]]


class StatementRecorder:
    """Stands in for asyncpg's connection and records each call."""

    def __init__(self, wire: asyncpg.Connection) -> None:
        self._wire = wire
        self.calls: list[Call] = []

    def __getattr__(self, method: str) -> Any:
        async def call(sql: str, *arguments: Any) -> Any:
            self.calls.append((method, sql, arguments))
            return await getattr(self._wire, method)(sql, *arguments)

        return call


async def _connected(database_url: str) -> asyncpg.Connection:
    """A connection that takes documents, as a service's does."""
    wire = await asyncpg.connect(database_url)
    await wire.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: msgspec.json.encode(v).decode(),
        decoder=msgspec.json.decode,
    )  # fmt: skip
    return wire


async def record(database_url: str) -> tuple[tuple[UUID, UUID], list[Call]]:
    """The ids of one good order and its payment, and its statements in order, with their
    transactions, as the services send them: intent, hold, charge, settle, confirm; and the commit
    of its goods alone, as for an order that is due."""
    wire = await _connected(database_url)
    recorder, order_id, payment_id = StatementRecorder(wire), new_id(), new_id()
    c = Connection(recorder, None)
    order = await orders.place(
        c, order_id, payment_id, PRODUCT, 1, lease_s=6.0, deadline_s=900.0, traceparent=None
    )
    await inventory.hold(c, order_id, PRODUCT, 1, "order-service")
    await _pay(c, order)
    order = await _moved(c, order, "CONFIRMED")
    await recorder.execute("BEGIN")
    await inventory.commit(c, order_id)
    await recorder.execute("COMMIT")
    await orders.mark_committed(c, order)
    await wire.close()
    return (order_id, payment_id), recorder.calls


async def _moved(c: Connection, order: Order, to: Any) -> Order:
    moved = await orders.move(c, order, to, next_s=6.0)
    if moved is None:
        raise RuntimeError("the recorded order was moved by someone else")
    return moved


async def _pay(c: Connection, order: Order) -> None:
    key, payment_id = f"charge-{order.id}", order.payment_id
    ask = Charge(payment_id, order.id, AMOUNT, CURRENCY, key, b"\x00" * 32, "order-service")
    why = intents.Decision("route", "It is the one connector that is configured.", {})
    payment = await intents.open_payment(
        c, ask, payment_id=payment_id, provider="mock", decision=why, traceparent=None, grace_s=2.5
    )
    if payment is None:
        raise RuntimeError("somebody else has opened the recorded payment")
    await c.row(
        mock_store._RECORD,  # noqa: SLF001 - the baseline is made of exactly these statements
        gw_key=gw_key(payment_id, 1, 1), provider="mock", payment_ref=str(payment_id),
        amount_minor=AMOUNT, currency=CURRENCY, state="CAPTURED", decline_code=None, captured=True,
    )  # fmt: skip
    effect = outcomes.outcome_effect(payment, payment.attempt, Captured(AMOUNT, CURRENCY))
    step = payments.PaymentMove(
        attempt=payment.id_of(payment.attempt),
        attempt_to="SUCCEEDED",
        payment_to="SUCCEEDED",
        lines=effect.lines,
    )
    if await payments.move_as_seen(c, payment, step, grace_s=2.5) is None:
        raise RuntimeError("somebody else has moved the recorded payment")


def _renamed(value: Any, names: dict[UUID, UUID]) -> Any:
    if isinstance(value, UUID):
        return names.get(value, value)
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(str(old), str(new))
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value


class StatementReplay(msgspec.Struct):
    """A recorded order and the connections that replay it."""

    old: tuple[UUID, UUID]
    calls: list[Call]
    wires: list[Any]

    @classmethod
    async def open(cls, database_url: str, clients: int) -> "StatementReplay":
        """One connection a client, as if each were a service's pool slot."""
        wire = await asyncpg.connect(database_url)
        await wire.execute(DELIVERY)
        await wire.close()
        old, calls = await record(database_url)
        return cls(old, calls, [await _connected(database_url) for _ in range(clients)])

    async def round(self, count: int) -> float:
        """Orders per second over `count` replayed orders."""
        left = iter(range(count))

        async def client(wire: Any) -> None:
            for _ in left:
                names = {old: new_id() for old in self.old}
                for method, sql, arguments in self.calls:
                    await getattr(wire, method)(
                        sql, *(_renamed(value, names) for value in arguments)
                    )

        started = time.perf_counter()
        await asyncio.gather(*(client(wire) for wire in self.wires))
        return count / (time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        for wire in self.wires:
            await wire.close()
