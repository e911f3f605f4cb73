"""What every consumer does alike: each event takes effect once, and in the order it insists on.

The inbox is written in the transaction of the effect, so a second delivery, a crash after the
effect and a replay count once. A message that cannot take effect is tried, then parked with its
reason: where order matters its aggregate waits behind it, and no other does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from uuid import UUID

from chassis.contracts import checks
from chassis.database.pool import Connection, Database, DatabaseTrouble
from chassis.messaging.consumer_metrics import ConsumerMetrics
from chassis.messaging.envelope import CloudEvent, NotAnEvent, data_of, matches, read, schema_of
from chassis.messaging.faults import DeliveryFaults
from chassis.messaging.inbox import Inbox, events_of
from chassis.messaging.sorting import Arrived, Parked, Sorted, sort_out
from chassis.messaging.spans import event_spans
from chassis.messaging.transport import Incoming, Subscription
from chassis.telemetry.context import CONSUMER, parse_traceparent

logger = logging.getLogger(__name__)

Effect = Callable[[Connection, Sequence[CloudEvent]], Awaitable[None]]
# A fault that passes (a lock, a deadlock) has passed by the third try; the aggregate waits
# meanwhile.
_TRIES, _BACKOFF_S = 3, 0.1
# What a gremlin loses comes again after this time, as from a broker that noticed.
_LOST_FOR_S = 0.2


class Consumer:
    """Takes events off a subscription; `effect` gets those that are new, in one transaction
    with the inbox. `known` are the types there are, with the struct of their `data`: any other is
    parked, since it has a meaning that is lost. Every event is checked against its contract."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        types: tuple[str, ...],
        known: Mapping[str, type],
        is_ordered: bool,
        effect: Effect,
        database: Database,
        subscription: Subscription,
        metrics: ConsumerMetrics,
        faults: DeliveryFaults,
    ) -> None:
        self._inbox = inbox
        self._types, self._known, self._is_ordered = types, known, is_ordered
        self._effect = effect
        self._database = database
        self._subscription = subscription
        self._metrics = metrics
        self._faults = faults

    async def run(self) -> None:
        """For ever. What fails here is started again by the process; nothing was acknowledged."""
        async with self._database.connect() as connection:
            await self._inbox.register(connection)
        while True:
            await self.step()

    async def step(self) -> None:
        """Take what comes next, then what was put aside and is due."""
        batch = await self._subscription.next()
        arriving, lost = self._faults.disturb(batch)
        try:
            if arriving:
                await self._take_all(arriving)
        except BaseException:
            await self._subscription.give_back(batch)
            raise
        if lost:
            await self._subscription.give_back(lost)
            await asyncio.sleep(_LOST_FOR_S)
        await self._take_due()

    async def _take_all(self, batch: Sequence[Incoming]) -> None:
        try:
            await self._take(batch)
        except DatabaseTrouble:
            raise
        except Exception:  # noqa: BLE001 - which one it is shows when each is taken alone
            for delivery in batch:
                await self._take_alone(delivery)

    async def _take_alone(self, delivery: Incoming) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._take([delivery], is_first=False)
            except DatabaseTrouble:
                raise
            except Exception as error:
                if attempt == _TRIES:
                    logger.exception("an event could not take effect; it is parked")
                    async with self._database.begin() as tx:
                        await self._set_aside(tx, delivery.body, _reason(error))
                        await self._subscription.settle(tx, [delivery])
                    await self._subscription.acknowledge([delivery])
                else:
                    await asyncio.sleep(_BACKOFF_S * 2**attempt)
        return None

    async def _take(self, batch: Sequence[Incoming], *, is_first: bool = True) -> None:
        """One transaction: the effect of what is new, the inbox, and how far it is."""
        good, bad = self._read_all(batch)
        if is_first and checks.is_on():
            self._check(batch, events_of(good))
        with event_spans("process", CONSUMER, self._inbox.consumer, events_of(good)):
            async with self._database.begin() as tx:
                await self._inbox.lock(tx)
                sorted_out = await self._sort_out(tx, good)
                await self._let_take_effect(tx, sorted_out.fresh)
                for parked in sorted_out.parked:
                    await self._inbox.park(tx, parked)
                for delivery, reason in bad:
                    await self._set_aside(tx, delivery.body, reason[:500])
                await self._subscription.settle(tx, batch)
        await self._subscription.acknowledge(batch)
        self._metrics.count(
            taken=events_of(sorted_out.fresh),
            duplicates=len(good) - len(sorted_out.fresh) - len(sorted_out.parked),
        )

    async def _let_take_effect(self, tx: Connection, fresh: Sequence[Arrived]) -> None:
        if fresh:
            await self._effect(tx, events_of(fresh))
            await self._inbox.take(tx, events_of(fresh))

    async def _sort_out(self, tx: Connection, good: Sequence[Arrived]) -> Sorted:
        events = events_of(good)
        seen = await self._inbox.seen(tx, [event.id for event in events]) if events else set()
        keys = {event.key for event in events}
        last = await self._inbox.last(tx, keys) if self._is_ordered and keys else None
        return sort_out(good, seen=seen, last=last if self._is_ordered else None)

    def _read_all(
        self, batch: Sequence[Incoming]
    ) -> tuple[list[Arrived], list[tuple[Incoming, str]]]:
        good, bad = [], []
        for delivery in batch:
            try:
                event = read(delivery.body)
            except NotAnEvent as error:
                bad.append((delivery, str(error)))
                continue
            if event.type not in self._known:
                bad.append((delivery, f"{event.type} is no type of event that is known here"))
            elif event.dataschema != schema_of(event.type):
                bad.append((delivery, f"{event.dataschema} is no schema that is known here"))
            elif matches(self._types, event.type):
                good.append(Arrived(delivery, event))
        return good, bad

    def _check(self, batch: Sequence[Incoming], events: Sequence[CloudEvent]) -> None:
        """Beside the work: what breaks its contract and can be understood takes effect as ever."""
        for delivery in batch:
            checks.hand_over(CloudEvent, "received", delivery.body)
        for event in events:
            traced = parse_traceparent(event.traceparent)
            trace_id = traced[0] if traced else None
            checks.hand_over(self._known[event.type], "received", data_of(event), trace_id)

    async def _take_due(self) -> None:
        """What was put aside and may take effect now, each alone."""
        while True:
            async with self._database.connect() as connection:
                due = await self._inbox.due(connection)
            for row in due:
                await self._take_parked(row["event_id"], row["message"])
            if not due:
                return

    async def _take_parked(self, event_id: UUID, body: bytes) -> None:
        good, bad = self._read_all([Incoming(0, body)])
        try:
            if bad:
                raise NotAnEvent(bad[0][1])
            async with self._database.begin() as tx:
                await self._inbox.lock(tx)
                sorted_out = await self._sort_out(tx, good)
                if sorted_out.parked:
                    await self._inbox.park(tx, sorted_out.parked[0])
                    return
                await self._let_take_effect(tx, sorted_out.fresh)
                await self._inbox.done(tx, event_id)
            self._metrics.count(taken=events_of(sorted_out.fresh), duplicates=0)
        except DatabaseTrouble:
            raise
        except Exception as error:  # it stays parked, with the newest reason
            logger.exception("a parked event could not take effect")
            async with self._database.begin() as tx:
                await self._set_aside(tx, body, _reason(error))

    async def _set_aside(self, tx: Connection, body: bytes, reason: str) -> None:
        """A body that is no event of ours has no id; the same body is the same message."""
        good, _ = self._read_all([Incoming(0, body)])
        if good:
            await self._inbox.park(tx, Parked(good[0], "failed", reason))
            return
        await self._inbox.park_body(
            tx,
            body,
            event_id=UUID(bytes=sha256(body).digest()[:16]),
            kind="failed",
            reason=reason,
            aggregate="",
            aggregate_id="",
            aggregate_seq=0,
            type="",
        )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
