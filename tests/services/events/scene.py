"""Outboxes, relay and consumers of a test, driven step by step in one process."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry

from chassis.database.pool import Connection, Database
from chassis.messaging.consumer import Consumer
from chassis.messaging.consumer_metrics import ConsumerMetrics
from chassis.messaging.faults import DeliveryFaults
from chassis.messaging.inbox import Inbox
from chassis.messaging.postgres import PostgresPublisher, PostgresSubscription
from chassis.messaging.transport import Publisher
from fleet.settings import load
from services.events.audit_consumer import log
from services.events.catalogue import ALL, TYPES
from services.events.metrics_consumer.counters import count
from services.events.relay.contract import GaplessProof
from services.events.relay.metrics import RelayMetrics
from services.events.relay.proof import prove
from services.events.relay.relay import Relay
from services.events.relay.store import Outboxes, find_outboxes
from services.events.webhook_sender import store as webhooks
from topology import SHOP

SOURCES = {each.schema: each.name for each in SHOP if each.schema}
EFFECTS = {
    "audit-consumer": log.write,
    "metrics-consumer": count,
    webhooks.CONSUMER: webhooks.open_deliveries,
}
# Those that a scene begins with; the other is started by who needs it.
BEGUN = ("audit-consumer", "metrics-consumer")
_EMIT = (
    "INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)"
    ' VALUES (\'order\', $1, $2, $3, \'{{"amount_minor": 5, "currency": "EUR"}}\')'
)


class Scene:
    """Everything on one database; `deliver` runs until nothing is on its way."""

    def __init__(self, database_url: str) -> None:
        self.settings: Any = load("relay", {}, database_url=database_url)
        self.database = Database(self.settings, size=8)
        self._open = AsyncExitStack()
        self.relay = Relay(
            self.database,
            self.settings,
            SOURCES,
            lambda _: None,  # type: ignore[arg-type, return-value]
            RelayMetrics(CollectorRegistry()),
        )
        self.connection: Connection
        self.outboxes: Outboxes
        self.publisher: Publisher
        self.consumers: dict[str, Consumer] = {}

    async def __aenter__(self) -> "Scene":
        self.connection = await self._open.enter_async_context(self.database.connect())
        self.outboxes = await find_outboxes(self.connection, list(SOURCES))
        self.publisher = PostgresPublisher(self.connection)
        # What a migration has put into wallets is not the test's.
        for room in self.outboxes.rooms:
            await self.connection._wire.execute(  # noqa: SLF001
                f"ALTER TABLE {room}.outbox DISABLE TRIGGER USER; DELETE FROM {room}.outbox;"
                f" ALTER TABLE {room}.outbox ENABLE TRIGGER USER"
            )
        for name in BEGUN:
            await self.start(name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()
        await self.database.close()

    async def start(self, name: str) -> None:
        """A new process of a consumer."""
        is_ordered = name == "audit-consumer"
        types = webhooks.TYPES if name == webhooks.CONSUMER else ALL
        inbox = Inbox(name, types, is_ordered=is_ordered)
        await inbox.register(self.connection)
        deliveries = PostgresSubscription(self.database, name, longest_s=1.0)
        self._open.push_async_callback(deliveries.close)
        self.consumers[name] = Consumer(
            inbox,
            types=types,
            known=TYPES,
            is_ordered=is_ordered,
            effect=lambda tx, events: EFFECTS[name](tx, events),
            database=self.database,
            subscription=deliveries,
            metrics=ConsumerMetrics(name, CollectorRegistry()),
            faults=DeliveryFaults(None),
        )

    async def emit(self, order: str, seq: int, type_: str, *, on: Any = None) -> None:
        """An event as a trigger writes it."""
        wire = on or self.connection._wire  # noqa: SLF001
        await wire.execute(_EMIT.replace("{{", "{").replace("}}", "}"), order, seq, type_)

    async def order(self) -> str:
        """Both events of an order."""
        order = str(uuid4())
        await self.emit(order, 1, "order.created")
        await self.emit(order, 2, "order.confirmed")
        return order

    async def publish(self) -> None:
        """Number and publish what was committed."""
        while await self.outboxes.number(self.connection):
            pass
        while await self.relay.publish(self.connection, self.outboxes, self.publisher):
            pass

    async def deliver(self, names: Sequence[str] = BEGUN) -> None:
        """Publish, and let each consumer take a batch."""
        await self.publish()
        for name in names:
            await self.consumers[name].step()

    async def proof(self) -> GaplessProof:
        return await prove(self.connection, self.outboxes, None, None)

    async def fetch(self, sql: str) -> Any:
        return await self.connection._wire.fetchval(sql)  # noqa: SLF001

    async def broken(self) -> set[str]:
        """Which of E1 to E4 do not hold."""
        found = await self.proof()
        lost = await self.fetch(
            "SELECT count(*) FROM orders.outbox o WHERE confirmed_at IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM events.messages m WHERE m.event_id = o.event_id)"
        )
        strange = await self.fetch(
            "SELECT count(*) FROM events.messages m WHERE NOT EXISTS"
            " (SELECT 1 FROM orders.outbox o WHERE m.event_id = o.event_id)"
        )
        counted = await self.fetch("SELECT coalesce(sum(events), 0)::int FROM metrics.counters")
        lines = await self.fetch("SELECT count(*)::int FROM audit.log")
        taken = found.consumed
        return {
            name
            for name, is_broken in {
                "E1": strange,
                "E2": found.committed != found.positioned,
                "E3": lost,
                "E4": counted != taken.get("metrics-consumer", 0)
                or lines != taken.get("audit-consumer", 0),
            }.items()
            if is_broken
        }
