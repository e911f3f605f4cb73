"""What a transport promises, held against both: PostgreSQL, and a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import aio_pika
import aio_pika.exceptions
import asyncpg
import pytest

from chassis.database.pool import Database, DatabaseTrouble
from chassis.messaging.postgres import PostgresPublisher, PostgresSubscription
from chassis.messaging.rabbitmq import RabbitPublisher, RabbitSubscription
from chassis.messaging.transport import (
    Incoming,
    Outgoing,
    Publisher,
    Subscription,
    Unconfirmed,
)
from fleet.settings import load
from tests.harness.patience import ARRIVES_S
from tests.harness.rabbit import RabbitServer

TYPES = ("order.*", "payment.*")
# How long a broker may take for one call, on a machine that has much else to do.
CALL_S = 60.0


class Link:
    """A publisher and the subscriptions of one consumer, on one transport."""

    def __init__(self, database: Database, rabbit: RabbitServer | None) -> None:
        self.database, self.rabbit = database, rabbit
        self.name = f"reader-{uuid4().hex[:8]}"
        self._open: list[Subscription] = []

    async def publisher(self, connection: object) -> Publisher:
        if self.rabbit is None:
            return PostgresPublisher(connection)  # type: ignore[arg-type]
        return await RabbitPublisher.open(self.rabbit.url, CALL_S, {})

    def subscription(self) -> Subscription:
        found: Subscription = (
            PostgresSubscription(self.database, self.name, longest_s=1.0)
            if self.rabbit is None
            else RabbitSubscription(self.rabbit.url, CALL_S, self.name, TYPES)
        )
        self._open.append(found)
        return found

    async def settle(self, reader: Subscription, handled: list[Incoming]) -> None:
        async with self.database.begin() as tx:
            await reader.settle(tx, handled)
        await reader.acknowledge(handled)

    async def close(self) -> None:
        for each in self._open:
            await each.close()


@pytest.fixture(params=["postgres", "rabbitmq"])
async def link(request: pytest.FixtureRequest, module_database: str) -> AsyncIterator[Link]:
    rabbit = request.getfixturevalue("rabbit") if request.param == "rabbitmq" else None
    database = Database(load("relay", {}, database_url=module_database))
    made = Link(database, rabbit)
    wire = await asyncpg.connect(module_database)
    await wire.execute("TRUNCATE events.messages")
    await wire.execute(
        "INSERT INTO events.consumers (consumer, types, is_ordered) VALUES ($1, '{order.*}', true)",
        made.name,
    )
    await wire.close()
    # A queue has to be there before anything is published to it.
    await made.subscription().next()
    await made.close()
    yield made
    await made.close()
    await database.close()


def message(position: int, type_: str = "order.created", body: bytes | None = None) -> Outgoing:
    return Outgoing(UUID(int=position), type_, position, body or b'{"n": %d}' % position)


async def publish(link: Link, *messages: Outgoing) -> dict[int, Exception | None]:
    async with link.database.connect() as connection:
        publisher = await link.publisher(connection)
        try:
            return await publisher.publish(messages)
        finally:
            await publisher.close()


async def take(reader: Subscription, count: int) -> list[Incoming]:
    found: list[Incoming] = []
    async with asyncio.timeout(ARRIVES_S):
        while len(found) < count:
            found += await reader.next()
    return found


async def test_what_is_confirmed_arrives_as_it_was_sent_and_in_its_order(link: Link):
    sent = [message(n) for n in range(1, 51)]
    assert await publish(link, *sent) == dict.fromkeys(range(1, 51))
    arrived = await take(link.subscription(), 50)
    assert [each.body for each in arrived] == [each.body for each in sent]


async def test_what_is_published_again_is_confirmed_again(link: Link):
    await publish(link, message(1))
    assert await publish(link, message(1)) == {1: None}


async def test_what_was_not_acknowledged_comes_again(link: Link):
    await publish(link, message(1), message(2))
    first = link.subscription()
    assert len(await take(first, 2)) == 2
    await first.close()
    assert [each.body for each in await take(link.subscription(), 2)] == [b'{"n": 1}', b'{"n": 2}']


async def test_what_was_acknowledged_does_not_come_again(link: Link):
    await publish(link, message(1))
    reader = link.subscription()
    await link.settle(reader, await take(reader, 1))
    await publish(link, message(2))
    await reader.close()
    assert [each.body for each in await take(link.subscription(), 1)] == [b'{"n": 2}']


async def test_what_is_given_back_comes_again(link: Link):
    await publish(link, message(1))
    reader = link.subscription()
    arrived = await take(reader, 1)
    await reader.give_back(arrived)
    again = await take(reader, 1)
    assert [each.body for each in again] == [b'{"n": 1}']


async def test_a_reader_waits_where_nothing_comes(link: Link):
    assert list(await link.subscription().next()) == []


# ---- what only one of them can do wrong ----------------------------------------------------------


async def test_a_reader_by_position_waits_at_a_gap(module_database: str):
    database = Database(load("relay", {}, database_url=module_database))
    link = Link(database, None)
    async with database.connect() as connection:
        await connection._wire.execute("TRUNCATE events.messages")  # noqa: SLF001
        await connection._wire.execute(  # noqa: SLF001
            f"INSERT INTO events.consumers VALUES ('{link.name}', '{{order.*}}', true)"
        )
    await publish(link, message(2))
    assert list(await link.subscription().next()) == []
    await publish(link, message(1))
    assert [each.place for each in await take(link.subscription(), 2)] == [1, 2]
    await link.close()
    await database.close()


async def test_a_message_that_no_queue_takes_is_an_error(rabbit: RabbitServer):
    publisher = await RabbitPublisher.open(rabbit.url, CALL_S, {})
    answers = await publisher.publish([message(1, "nobody.listens")])
    assert "PublishError" in str(answers[1]) or "DeliveryError" in str(answers[1])
    await publisher.close()


async def test_what_is_published_before_a_consumer_has_ever_come_waits_for_it(
    rabbit: RabbitServer,
):
    early, late = f"early-{uuid4().hex}", f"late-{uuid4().hex}"
    first = RabbitSubscription(rabbit.url, CALL_S, early, TYPES)
    await first.next()
    await first.close()
    # Without the second queue the broker would confirm a message that the first alone has taken.
    publisher = await RabbitPublisher.open(rabbit.url, CALL_S, {early: TYPES, late: TYPES})
    assert await publisher.publish([message(1)]) == {1: None}
    await publisher.close()
    reader = RabbitSubscription(rabbit.url, CALL_S, late, TYPES)
    assert [each.body for each in await take(reader, 1)] == [b'{"n": 1}']
    await reader.close()


async def test_a_queue_that_was_deleted_is_made_again_by_its_consumer(rabbit: RabbitServer):
    reader = RabbitSubscription(rabbit.url, CALL_S, "deleted.queue", TYPES)
    await reader.next()
    connection = await aio_pika.connect(rabbit.url, timeout=CALL_S)
    channel = await connection.channel()
    await channel.queue_delete("deleted.queue", timeout=CALL_S)
    async with asyncio.timeout(ARRIVES_S):
        # A round is as long as a poll; the broker says so in one of them, the next makes the queue.
        while not await _is_there("deleted.queue", connection):
            await reader.next()
    publisher = await RabbitPublisher.open(rabbit.url, CALL_S, {})
    assert await publisher.publish([message(7)]) == {7: None}
    assert [each.body for each in await take(reader, 1)] == [b'{"n": 7}']
    await publisher.close()
    await reader.close()
    await connection.close()


async def _is_there(queue: str, connection: aio_pika.abc.AbstractConnection) -> bool:
    """Asked on a channel of its own, which the broker closes if not."""
    channel = await connection.channel()
    try:
        await channel.get_queue(queue)
    except aio_pika.exceptions.ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def test_a_reader_that_could_not_make_its_queue_tries_again(rabbit: RabbitServer):
    connection = await aio_pika.connect(rabbit.url, timeout=CALL_S)
    channel = await connection.channel()
    # Of another kind: the broker refuses the declaration.
    await channel.declare_queue("other.queue", timeout=CALL_S)
    reader = RabbitSubscription(rabbit.url, CALL_S, "other.queue", TYPES)
    for _ in range(2):
        with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed):
            await reader.next()
    await channel.queue_delete("other.queue", timeout=CALL_S)
    await reader.next()
    assert await _is_there("other.queue", connection)
    await reader.close()
    await connection.close()


async def test_a_publisher_whose_channel_the_broker_closed_says_that_it_is_of_no_more_use(
    rabbit: RabbitServer,
):
    publisher = await RabbitPublisher.open(rabbit.url, CALL_S, {})
    connection = await aio_pika.connect(rabbit.url, timeout=CALL_S)
    await (await connection.channel()).exchange_delete("shop.events", timeout=CALL_S)
    with pytest.raises(Unconfirmed, match="closed"):
        await publisher.publish([message(1)])
    await publisher.close()
    await connection.close()


async def test_a_reader_whose_connection_is_ended_calls_it_the_database_s_trouble(
    module_database: str,
):
    settings = load("relay", {}, database_url=module_database)
    database, wire = Database(settings), await asyncpg.connect(module_database)
    reader = PostgresSubscription(database, "ended-reader", longest_s=ARRIVES_S)
    waiting = asyncio.create_task(reader.next())
    end = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'"
    )
    async with asyncio.timeout(ARRIVES_S):
        while not waiting.done():
            await wire.fetchval(end)
            await asyncio.sleep(0.05)
    with pytest.raises(DatabaseTrouble):
        await waiting
    await reader.close()
    await database.close()
    await wire.close()
