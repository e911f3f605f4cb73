"""The leader's work: number what was committed, publish it, and mark it when it is confirmed.

Every transaction of the leader runs on the session that holds the advisory lock. Who has lost that
session has lost the lead and can mark nothing more, so no clock and no lease is needed; what it
still publishes is a second delivery."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chassis.contracts import checks
from chassis.database.pace import CHANGES_EVERY_S
from chassis.database.pool import Connection, Database
from chassis.messaging import envelope
from chassis.messaging.bell import Bell
from chassis.messaging.envelope import CloudEvent, schema_of
from chassis.messaging.spans import event_spans
from chassis.messaging.transport import BATCH, OUTBOX_BELL, Outgoing, Publisher
from chassis.telemetry.context import PRODUCER
from services.events.catalogue import TYPES
from services.events.relay.metrics import RelayMetrics
from services.events.relay.settings import RelaySettings
from services.events.relay.store import Outboxes, OutboxRow, find_outboxes, take_lead
from services.events.relay.watermarks import Watermarks
from services.events.relay.waves import next_wave

logger = logging.getLogger(__name__)

# While the transport refuses, it is asked again after this time.
_PAUSE_S = 0.5
# How long it only looks for new events once every consumer has all. Nothing else can begin: what
# this is for is a consumer that is new.
_STILL_S = 30.0
# While a consumer has not taken everything, its lag is looked at this often.
_BEHIND_S = 1.0
# After a batch that was not full, what is committed within this time goes in the next: each batch
# takes a dozen statements here and as many in each consumer, however few events it has.
_GATHER_S = 0.05
OpenPublisher = Callable[[Connection], Awaitable[Publisher]]


class Relay:
    """Leads, or waits until it may. `sources` are the processes' names by schema."""

    def __init__(
        self,
        database: Database,
        settings: RelaySettings,
        sources: Mapping[str, str],
        open_publisher: OpenPublisher,
        metrics: RelayMetrics,
    ) -> None:
        self._database = database
        self._settings = settings
        self._sources = sources
        self._open_publisher = open_publisher
        self._metrics = metrics
        self.leads = False
        # Why the transport did not take the last batch over; empty when it did.
        self.trouble = ""

    async def run(self) -> None:
        """For ever; the session ends with any fault, and with it the lead."""
        try:
            async with self._database.connect() as connection:
                me = f"{socket.gethostname()}:{os.getpid()}"
                while not await take_lead(connection, me):  # noqa: ASYNC110 - a lock has no event
                    await asyncio.sleep(self._settings.standby_poll_s)
                logger.info("this relay leads")
                self.leads = True
                await self._lead(connection)
        finally:
            self.leads = False
            self._metrics.leads.set(0)

    async def _lead(self, connection: Connection) -> None:
        self._metrics.leads.set(1)
        outboxes = await find_outboxes(connection, list(self._sources))
        watermarks = Watermarks(outboxes, self._settings, self._metrics)
        bell = Bell()
        await connection.listen(OUTBOX_BELL, bell.ring)
        publisher = await self._open_publisher(connection)
        try:
            still_until = 0.0
            while True:
                numbered = await outboxes.number(connection)
                if not numbered and time.monotonic() < still_until:
                    await bell.wait(CHANGES_EVERY_S)
                    continue
                still_until = 0.0
                published = await self.publish(connection, outboxes, publisher)
                lost = await watermarks.look(connection)
                if lost and not publisher.keeps_order:
                    await publisher.publish([self._message(row) for row in lost])
                if self.trouble:
                    await asyncio.sleep(_PAUSE_S)
                elif not numbered and not published:
                    await bell.wait(CHANGES_EVERY_S if watermarks.are_level else _BEHIND_S)
                    # Everything is where it belongs: until there is something new, only that is
                    # looked for.
                    if watermarks.are_level:
                        still_until = time.monotonic() + _STILL_S
                else:
                    watermarks.are_level = False
                    if published < BATCH:
                        await asyncio.sleep(_GATHER_S)
        finally:
            await publisher.close()

    async def publish(
        self, connection: Connection, outboxes: Outboxes, publisher: Publisher
    ) -> int:
        """Publish the next batch, wave by wave; how many were confirmed."""
        waiting = await outboxes.unconfirmed(connection)
        confirmed, held_back, self.trouble = 0, set[tuple[str, str]](), ""
        if not waiting:
            await outboxes.confirm_all(connection)
            return 0
        unconfirmed, last = waiting, waiting[-1].position or 0
        while wave := next_wave(waiting, held_back=held_back, keeps_order=publisher.keeps_order):
            answers = await self._send(publisher, wave)
            taken = [row for row in wave if answers.get(row.position or 0, self) is None]
            unconfirmed = _without(taken, unconfirmed)
            up_to = (unconfirmed[0].position or 1) - 1 if unconfirmed else last
            await outboxes.confirm(connection, taken, up_to)
            self._metrics.count(taken)
            confirmed += len(taken)
            missed = {row.key for row in wave} - {row.key for row in taken}
            held_back |= missed
            if missed:
                self.trouble = next(str(e) for e in answers.values() if e is not None)
                self._metrics.refused.inc(len(missed))
                logger.warning("events were not confirmed", extra={"why": self.trouble})
            waiting = _without(wave, waiting)
            if not taken:
                break
        return confirmed

    async def _send(
        self, publisher: Publisher, wave: Sequence[OutboxRow]
    ) -> dict[int, Exception | None]:
        events = [self.event_of(row) for row in wave]
        messages = [
            Outgoing(event.id, event.type, int(event.position), envelope.write(event))
            for event in events
        ]
        for event in events:
            if checks.takes_turn():
                checks.hand_over(TYPES.get(event.type, CloudEvent), "sent", envelope.data_of(event))
        with event_spans("send", PRODUCER, "events", events):
            return await publisher.publish(messages)

    def _message(self, row: OutboxRow) -> Outgoing:
        event = self.event_of(row)
        return Outgoing(event.id, event.type, int(event.position), envelope.write(event))

    def event_of(self, row: OutboxRow) -> CloudEvent:
        """The envelope of a row; the same bytes each time."""
        return CloudEvent(
            specversion="1.0",
            id=row.event_id,
            source=f"/{self._sources[row.room]}",
            type=row.type,
            subject=f"{row.aggregate}/{row.aggregate_id}",
            time=row.at,
            datacontenttype="application/json",
            dataschema=schema_of(row.type),
            aggregate=row.aggregate,
            aggregateid=row.aggregate_id,
            sequence=f"{row.aggregate_seq:010d}",
            position=str(row.position or 0),
            data=row.payload,
            traceparent=row.traceparent,
        )


def _without(some: Sequence[OutboxRow], rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    gone = {row.position for row in some}
    return [row for row in rows if row.position not in gone]
