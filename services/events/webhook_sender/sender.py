"""Brings due deliveries to their endpoints, outside of any transaction, at least once.

A claim moves the due time, so a sender that dies between the receiver's answer and the mark sends
again, under the same `webhook-id`; an answer that is lost does the same."""

import asyncio
import random
from datetime import UTC, datetime

import msgspec
from aiohttp.abc import AbstractResolver

from chassis.database.pool import Connection, Database
from chassis.due_work import Backoff, DueWorker
from chassis.http.outbound import Peer
from chassis.outcome import CallResult, Outcome
from services.events.webhook_sender import store
from services.events.webhook_sender.addresses import PublicResolver, fault_of
from services.events.webhook_sender.metrics import WebhookMetrics
from services.events.webhook_sender.settings import WebhookSenderSettings
from services.events.webhook_sender.signature import signed_headers
from services.events.webhook_sender.store import DELIVERIES_DUE, DueDelivery

_LOOK_EVERY_S = 2.0
_GONE = 410
GONE = "the receiver says that it is gone (410)"


class WebhookSender:
    """One replica's sender; any number may run. `chance` is where the jitter comes from."""

    def __init__(
        self,
        database: Database,
        settings: WebhookSenderSettings,
        metrics: WebhookMetrics,
        chance: random.Random | None = None,
    ) -> None:
        self._database, self._settings, self._metrics = database, settings, metrics
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        # Full jitter: anything between at once and the whole wait, so that what failed together
        # is not sent together.
        self._backoff = Backoff(settings.webhook_base_s, settings.webhook_max_s, floor=0.0)
        resolver: type[AbstractResolver] | None = (
            None if settings.allows_private_addresses else PublicResolver
        )
        self._peer = Peer(
            "webhook endpoint", "", settings, connections=settings.webhook_places, resolver=resolver
        )
        self.close = self._peer.close
        self._worker = DueWorker(
            database,
            self._claim,
            self._deliver,
            places=settings.webhook_places,
            batch=settings.webhook_batch,
            poll_s=settings.webhook_poll_s,
            log_key="delivery",
        )
        self.run, self.run_once = self._worker.run, self._worker.run_once

    async def _claim(self, c: Connection, most: int) -> list[int]:
        return await DELIVERIES_DUE.claim(c, most, lease_s=2 * self._settings.webhook_timeout_s)

    async def _deliver(self, delivery_id: int) -> None:
        async with self._database.connect() as connection:
            due = await store.find_due(connection, delivery_id)
        if due is None:
            return
        if due.disabled_because is not None:
            await self._end(due, "DEAD", None, due.disabled_because)
            return
        fault = fault_of(due.url, allows_private=self._settings.allows_private_addresses)
        if fault:
            await self._again(due, None, f"the address {fault}")
            return
        await self._record(due, await self._send(due))

    async def _send(self, due: DueDelivery) -> CallResult:
        headers = signed_headers(str(due.event_id), datetime.now(UTC), due.body, due.secret)
        return await self._peer.call(
            "POST",
            due.url,
            msgspec.Raw(due.body.encode()),
            route="webhook",
            deadline_s=self._settings.webhook_timeout_s,
            headers=headers,
        )

    async def _record(self, due: DueDelivery, result: CallResult) -> None:
        status = result.status or None
        if result.outcome is Outcome.OK:
            await self._end(due, "SENT", status, "accepted")
        elif status == _GONE:
            async with self._database.begin() as tx:
                await store.disable_endpoint(tx, due.endpoint_id, GONE)
            self._metrics.tried("disabled")
        else:
            await self._again(due, status, f"answered {status}" if status else result.code)

    async def _end(self, due: DueDelivery, state: str, status: int | None, reason: str) -> None:
        async with self._database.connect() as connection:
            await store.end(connection, due.delivery_id, state, status=status, reason=reason)
        self._metrics.tried(state.lower())

    async def _again(self, due: DueDelivery, status: int | None, reason: str) -> None:
        after_s = self._backoff.delay_s(due.attempts - 1, self._chance.random())
        async with self._database.connect() as connection:
            state = await store.try_again(
                connection,
                due.delivery_id,
                status=status,
                reason=reason,
                after_s=after_s,
                give_up_s=self._settings.webhook_give_up_s,
            )
        self._metrics.tried("dead" if state == "DEAD" else "refused")

    async def watch(self) -> None:
        """Show what waits and what is dead, for ever."""
        while True:
            async with self._database.connect() as connection:
                self._metrics.show(*await store.figures(connection))
            await asyncio.sleep(_LOOK_EVERY_S)
