"""RabbitMQ as a transport: quorum queues, confirms of single messages, returns as errors.

Imported only where a broker is named. Either side declares everything it uses, so it does not
matter who comes first, nor that somebody deleted a queue: the relay publishes again what was in
it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)
from aio_pika.exceptions import AMQPError

from chassis.database.pool import Connection
from chassis.messaging.envelope import MEDIA_TYPE
from chassis.messaging.transport import BATCH, Incoming, Outgoing, Unconfirmed

# Which exchange a type of event goes to: money to the one, the rest of the shop to the other.
PAYMENTS, SHOP = "payments.events", "shop.events"
_MONEY = ("payment.", "refund.", "wallet.")
# What a consumer died of this often is not given to it again: it is kept in the dead-letter queue.
DEAD = "events.dead"
_DELIVERY_LIMIT = 20
# In a quiet second of a busy shop a hundred events come within this time: one transaction for all.
_GATHER_S = 0.02
# Without messages, what was put aside is looked at this often; nothing rings for that here.
_LONGEST_S = 1.0


def exchange_of(event_type: str) -> str:
    """The exchange that events of this type go to."""
    return PAYMENTS if event_type.startswith(_MONEY) else SHOP


class RabbitPublisher:
    """Publishes with confirms: a message is taken over when the broker says so of that very one."""

    # Two messages are confirmed in any order.
    keeps_order = False

    def __init__(
        self,
        connection: AbstractConnection,
        channel: AbstractChannel,
        exchanges: dict[str, AbstractExchange],
        timeout_s: float,
    ) -> None:
        self._connection, self._channel = connection, channel
        self._exchanges = exchanges
        self._timeout_s = timeout_s

    @classmethod
    async def open(
        cls, url: str, timeout_s: float, queues: Mapping[str, tuple[str, ...]]
    ) -> "RabbitPublisher":
        """Connect, and declare the exchanges and every consumer's queue with its types: what is
        published before a consumer has ever come waits for it."""
        connection = await aio_pika.connect(url, timeout=timeout_s)
        try:
            # A broker that is still starting takes the connection and answers nothing more.
            async with asyncio.timeout(timeout_s):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                exchanges = {name: await _exchange(channel, name) for name in (PAYMENTS, SHOP)}
                for queue, types in queues.items():
                    await declare_queue(channel, queue, types)
        except BaseException:
            await _close(connection, timeout_s)
            raise
        return cls(connection, channel, exchanges, timeout_s)

    async def publish(self, messages: Sequence[Outgoing]) -> dict[int, Exception | None]:
        """All at once; what each came to, by position. A broken connection raises, and so does a
        channel that the broker closed, as it does where an exchange was deleted."""
        answers = await asyncio.gather(*(self._publish(each) for each in messages))
        if self._connection.is_closed or self._channel.is_closed:
            raise Unconfirmed("the connection to the broker is closed")
        return dict(zip((each.position for each in messages), answers, strict=True))

    async def _publish(self, message: Outgoing) -> Exception | None:
        sent = aio_pika.Message(
            message.body,
            content_type=MEDIA_TYPE,
            message_id=str(message.event_id),
            type=message.type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        exchange = self._exchanges[exchange_of(message.type)]
        try:
            # Mandatory is aio-pika's default; written down because it is what the shop stands on.
            await exchange.publish(
                sent, routing_key=message.type, mandatory=True, timeout=self._timeout_s
            )
        except (AMQPError, TimeoutError, OSError, RuntimeError) as error:
            return Unconfirmed(f"{type(error).__name__}: {error}")
        return None

    async def close(self) -> None:
        """Close the connection."""
        await _close(self._connection, self._timeout_s)


class RabbitSubscription:
    """One queue, one active consumer: where a second process stands by, it gets nothing."""

    def __init__(self, url: str, timeout_s: float, queue: str, types: tuple[str, ...]) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._queue, self._types = queue, types
        self._connection: AbstractConnection | None = None
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._open: dict[int, AbstractIncomingMessage] = {}
        # Set once the broker delivers no more on the connection there is.
        self._cancelled = asyncio.Event()

    async def next(self) -> Sequence[Incoming]:
        """What has arrived, after a moment for more to arrive."""
        await self._connected()
        found: list[AbstractIncomingMessage] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_S):
                found.append(await self._arrived.get())
            await asyncio.sleep(_GATHER_S)
        while len(found) < BATCH and not self._arrived.empty():
            found.append(self._arrived.get_nowait())
        for message in found:
            self._open[message.delivery_tag or 0] = message
        return [Incoming(each.delivery_tag or 0, each.body) for each in found]

    async def _connected(self) -> None:
        connection = self._connection
        if connection and not (connection.is_closed or self._cancelled.is_set()):
            return
        await self.close()
        connection = await aio_pika.connect(self._url, timeout=self._timeout_s)
        try:
            # A broker that is still starting takes the connection and answers nothing more.
            async with asyncio.timeout(self._timeout_s):
                await self._consume(await connection.channel())
        except BaseException:
            await _close(connection, self._timeout_s)
            raise
        # Only now: what is half open would be taken for a queue in which nothing arrives.
        self._connection = connection

    async def _consume(self, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=2 * BATCH)
        queue = await declare_queue(channel, self._queue, self._types)
        # New ones: a connection that was given up may still have something to say.
        self._arrived, self._open, cancelled = asyncio.Queue(), {}, asyncio.Event()
        self._cancelled = cancelled

        def note(*_: object) -> None:
            cancelled.set()

        # The broker cancels whoever takes from a queue that is deleted.
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(note)
        channel.close_callbacks.add(note)
        await queue.consume(self._arrived.put, no_ack=False)

    async def settle(self, tx: Connection, handled: Sequence[Incoming]) -> None:
        """The broker is not part of the transaction: it learns of it after the commit."""

    async def acknowledge(self, handled: Sequence[Incoming]) -> None:
        """One frame each; the broker answers none of them."""
        await self._report(handled, lambda message: message.ack())

    async def give_back(self, unhandled: Sequence[Incoming]) -> None:
        """Back to the queue."""
        with contextlib.suppress(AMQPError, RuntimeError, OSError):
            await self._report(unhandled, lambda message: message.nack(requeue=True))

    async def _report(
        self,
        those: Sequence[Incoming],
        report: Callable[[AbstractIncomingMessage], Awaitable[None]],
    ) -> None:
        """Say of each to the broker what became of it. Where it takes no more frames, what it was
        not told comes again on another connection, and the inbox knows what took effect."""
        try:
            async with asyncio.timeout(self._timeout_s):
                for each in those:
                    message = self._open.pop(each.place, None)
                    if message is not None:
                        await report(message)
        except TimeoutError:
            self._cancelled.set()

    async def close(self) -> None:
        """Close the connection; what was not acknowledged comes again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection, self._timeout_s)


async def _close(connection: AbstractConnection, timeout_s: float) -> None:
    with contextlib.suppress(AMQPError, TimeoutError, OSError):
        async with asyncio.timeout(timeout_s):
            await connection.close()


async def _exchange(channel: AbstractChannel, name: str) -> AbstractExchange:
    return await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)


async def declare_queue(
    channel: AbstractChannel, name: str, types: tuple[str, ...]
) -> AbstractQueue:
    """The queue of a consumer, bound to the types it takes, and where its dead letters go."""
    dead = await channel.declare_exchange(DEAD, aio_pika.ExchangeType.FANOUT, durable=True)
    letters = await channel.declare_queue(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
    await letters.bind(dead)
    queue = await channel.declare_queue(
        name,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-dead-letter-exchange": DEAD,
            "x-delivery-limit": _DELIVERY_LIMIT,
        },
    )
    for pattern in types:
        exchange = await _exchange(channel, exchange_of(pattern))
        await queue.bind(exchange, routing_key=pattern)
    return queue
