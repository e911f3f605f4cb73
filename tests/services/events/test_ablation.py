"""Each guard of the events is needed: without it a promise breaks, with it none does."""

from collections.abc import Sequence
from unittest.mock import patch

import asyncpg
import pytest

from chassis.database.pool import Connection
from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import read
from chassis.messaging.postgres import PostgresPublisher
from chassis.messaging.transport import Outgoing, Unconfirmed
from services.events.metrics_consumer.counters import count
from services.events.relay.relay import Relay
from services.events.relay.store import Outboxes
from tests.services.events.scene import Scene


class Died(BaseException):
    """The process is gone: nothing catches this."""


# ---- published after the commit ------------------------------------------------------------------


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_publish_before_commit(scene: Scene, database_url: str, is_guarded: bool):
    wire = await asyncpg.connect(database_url)
    undone = wire.transaction()
    await undone.start()
    await scene.emit("undone", 1, "order.created", on=wire)
    if is_guarded:
        await scene.publish()
    else:
        row = await wire.fetchrow("SELECT event_id, type FROM orders.outbox")
        await scene.publisher.publish([Outgoing(row["event_id"], row["type"], 1, b"{}")])
    await undone.rollback()
    await wire.close()
    assert await scene.broken() == (set() if is_guarded else {"E1"})


# ---- what has no position is looked for, not what comes after the last id ------------------------


async def _by_highest_id(self: Outboxes, c: Connection) -> int:
    wire = c._wire  # noqa: SLF001
    last = await wire.fetchval("SELECT position FROM events.head")
    moved = await wire.fetch(
        "UPDATE orders.outbox SET position = id WHERE id > $1 RETURNING id", last
    )
    highest = max((row["id"] for row in moved), default=last)
    await wire.execute("UPDATE events.head SET position = $1", highest)
    return len(moved)


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_a_reader_that_remembers_the_highest_id(
    scene: Scene, database_url: str, is_guarded: bool, monkeypatch: pytest.MonkeyPatch
):
    if not is_guarded:
        monkeypatch.setattr(Outboxes, "number", _by_highest_id)
    wire = await asyncpg.connect(database_url)
    late = wire.transaction()
    await late.start()
    await scene.emit("late", 1, "order.created", on=wire)
    await scene.emit("early", 1, "order.created")
    await scene.publish()
    await late.commit()
    await wire.close()
    await scene.publish()
    assert await scene.broken() == (set() if is_guarded else {"E2"})


# ---- marked after the confirm --------------------------------------------------------------------


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_mark_before_confirm(scene: Scene, is_guarded: bool):
    await scene.order()

    async def dies(_: PostgresPublisher, messages: Sequence[Outgoing]) -> None:
        raise Unconfirmed("the relay died")

    async def marks_first(relay: Relay, *_: object) -> None:
        waiting = await scene.outboxes.unconfirmed(scene.connection)
        await scene.outboxes.confirm(scene.connection, waiting, waiting[-1].position or 0)
        raise Unconfirmed("the relay died")

    await scene.outboxes.number(scene.connection)
    guard = (
        patch.object(PostgresPublisher, "publish", dies)
        if is_guarded
        else patch.object(Relay, "publish", marks_first)
    )
    with guard, pytest.raises(Unconfirmed):
        await scene.relay.publish(scene.connection, scene.outboxes, scene.publisher)
    await scene.publish()
    assert await scene.broken() == (set() if is_guarded else {"E3"})


# ---- the inbox is written with the effect --------------------------------------------------------


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_effect_before_inbox(scene: Scene, is_guarded: bool):
    await scene.order()
    await scene.publish()

    async def dies(*_: object, **__: object) -> None:
        raise Died

    async def effect_alone(self: Consumer, batch: Sequence[object]) -> None:
        async with scene.database.begin() as tx:
            await count(tx, [read(each.body) for each in batch])  # type: ignore[attr-defined]
        raise Died

    consumer = scene.consumers["metrics-consumer"]
    guard = (
        patch.object(consumer._inbox, "take", dies)  # noqa: SLF001
        if is_guarded
        else patch.object(Consumer, "_take_all", effect_alone)
    )
    with guard, pytest.raises(Died):
        await consumer.step()
    await scene.start("metrics-consumer")
    await scene.deliver()
    assert await scene.broken() == (set() if is_guarded else {"E4"})
