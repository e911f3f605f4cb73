"""A relay at rest looks for new events alone, and for everything again as soon as there is one."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from chassis.database.pool import Connection
from chassis.messaging.postgres import PostgresPublisher
from chassis.messaging.transport import Outgoing
from services.events.relay import relay as relays
from services.events.relay.metrics import RelayMetrics
from services.events.relay.relay import Relay
from tests.harness.patience import ARRIVES_S
from tests.services.events.scene import SOURCES, Scene


class RefusesOnce(PostgresPublisher):
    """A transport that does not take the first batch."""

    refused = 0

    async def publish(self, messages: Sequence[Outgoing]) -> dict[int, Exception | None]:
        if not self.refused:
            self.refused = len(messages)
            return {each.position: ConnectionError("refused") for each in messages}
        return await super().publish(messages)


async def test_what_is_refused_after_a_rest_is_tried_again_before_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relays, "_STILL_S", 24 * 3600.0)
    bells = asyncio.Queue[None]()

    class Bell(relays.Bell):
        async def wait(self, longest_s: float) -> bool:
            bells.put_nowait(None)
            return await super().wait(min(longest_s, 0.05))

    monkeypatch.setattr(relays, "Bell", Bell)

    async def refusing(connection: Connection) -> RefusesOnce:
        return RefusesOnce(connection)

    metrics = RelayMetrics(CollectorRegistry())
    relay = Relay(scene.database, scene.settings, SOURCES, refusing, metrics)
    leading = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(ARRIVES_S):
            for _ in range(3):  # the third is a look at new events alone
                await bells.get()
            await scene.order()
            confirmed = "SELECT count(*) FROM orders.outbox WHERE confirmed_at IS NOT NULL"
            while await scene.fetch(confirmed) < 2:
                await asyncio.sleep(0.05)
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
