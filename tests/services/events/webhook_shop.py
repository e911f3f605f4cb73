"""The webhook sender between a scene's events and a receiver, step by step."""

import random
from typing import Any
from uuid import UUID, uuid4

import httpx
from prometheus_client import CollectorRegistry

from services.events.webhook_sender import store
from services.events.webhook_sender.metrics import WebhookMetrics
from services.events.webhook_sender.sender import WebhookSender
from tests.harness.receiver import Receiver
from tests.services.events.scene import Scene

SENDER = store.CONSUMER
_PAY = """
WITH p AS (INSERT INTO payments.payments (payment_id, amount_minor, currency, state)
  VALUES ($1, 100, 'EUR', 'PROCESSING') RETURNING payment_id)
INSERT INTO payments.requests (merchant_id, request_id, request_hash, payment_id)
SELECT $2, $1::text, '', payment_id FROM p
"""


class Shop:
    """The outboxes and the relay of a scene, the sender's consumer, its API, and one receiver."""

    def __init__(self, scene: Scene, http: httpx.AsyncClient, to: Receiver, settings: Any) -> None:
        self.scene, self.http, self.to = scene, http, to
        self.wire = scene.connection._wire  # noqa: SLF001
        self.sender = WebhookSender(
            scene.database, settings, WebhookMetrics(CollectorRegistry()), random.Random(1)
        )

    async def add(self, merchant_id: str = "m1", **given: Any) -> dict[str, Any]:
        """An endpoint."""
        body = {"merchant_id": merchant_id, "url": self.to.url, **given}
        answer = await self.http.post("/endpoints", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def pay(self, merchant_id: str = "m1", *, end: str = "SUCCEEDED") -> UUID:
        """A payment of a merchant, to its end, as the payment service commits it."""
        payment = uuid4()
        await self.wire.execute(_PAY, payment, merchant_id)
        await self.wire.execute(
            "UPDATE payments.payments SET state = $2 WHERE payment_id = $1", payment, end
        )
        return payment

    async def take(self) -> None:
        """Publish, and let the sender's consumer take what there is."""
        await self.scene.deliver([SENDER])

    async def send(self) -> None:
        """Everything that waits, now: a backoff is not waited for."""
        await self.wire.execute("UPDATE webhooks.deliveries SET next_attempt_at = now()")
        await self.sender.run_once()

    async def deliveries(self) -> list[dict[str, Any]]:
        """Oldest first."""
        found = (await self.http.get("/deliveries")).json()["deliveries"]
        return list(reversed(found))

    async def states(self) -> list[tuple[str, int, Any, Any]]:
        """(state, attempts, last status, last reason) of each delivery."""
        names = ("state", "attempts", "last_status", "last_reason")
        return [tuple(each[name] for name in names) for each in await self.deliveries()]
