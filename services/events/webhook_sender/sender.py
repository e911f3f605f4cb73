"""Brings due deliveries to their endpoints, outside of any transaction, at least once.

A claim moves the due time, so a sender that dies between the receiver's answer and the mark sends
again, under the same `webhook-id`; an answer that is lost does the same."""

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

import msgspec
from aiohttp.abc import AbstractResolver

from chassis.database.pace import PollPace
from chassis.database.pool import Connection, Database
from chassis.due_work import Backoff, DueWorker
from chassis.http.outbound import Peer
from chassis.outcome import CallResult, Outcome
from services.events.webhook_sender import store
from services.events.webhook_sender.addresses import PublicResolver, fault_of
from services.events.webhook_sender.metrics import WebhookMetrics
from services.events.webhook_sender.settings import WebhookSenderSettings
from services.events.webhook_sender.signature import signed_headers
from services.events.webhook_sender.store import DueDelivery

_LOOK_EVERY_S = 2.0
_GONE = 410
GONE = "the receiver says that it is gone (410)"


class WebhookSender:
    """One replica's sender; any number may run. `chance` is where the jitter comes from, `clock`
    gives seconds.

    An endpoint has so many places and no more, and none while its receiver asks for a pause: one
    that is silent keeps nobody else waiting."""

    def __init__(
        self,
        database: Database,
        settings: WebhookSenderSettings,
        metrics: WebhookMetrics,
        chance: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._under_way: Counter[UUID] = Counter()
        # Until when which endpoint gets nothing, by the clock.
        self._pauses: dict[UUID, float] = {}
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
            self._work,
            places=settings.webhook_places,
            batch=settings.webhook_batch,
            poll_s=settings.webhook_poll_s,
            log_key="delivery",
            room_for_due=True,
            is_any=store.is_any_waiting,
        )
        self.run, self.run_once = self._worker.run, self._worker.run_once

    async def _claim(self, c: Connection, most: int) -> list[DueDelivery]:
        now, places = self._clock(), self._settings.webhook_endpoint_places
        self._pauses = {each: until for each, until in self._pauses.items() if until > now}
        taken = self._under_way | Counter(dict.fromkeys(self._pauses, places))
        lease_s = 2 * self._settings.webhook_timeout_s
        return await store.claim(c, most, taken, places=places, lease_s=lease_s)

    async def _work(self, due: DueDelivery) -> None:
        self._under_way[due.endpoint_id] += 1
        try:
            await self._deliver(due)
        finally:
            self._under_way[due.endpoint_id] -= 1

    async def _deliver(self, due: DueDelivery) -> None:
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
            pause_s = pause_of(result.retry_after, datetime.now(UTC))
            pause_s = min(pause_s, self._settings.webhook_max_s)
            if pause_s:
                self._pauses[due.endpoint_id] = self._clock() + pause_s
            reason = f"answered {status}" if status else result.code
            await self._again(due, status, reason, at_least_s=pause_s)

    async def _end(self, due: DueDelivery, state: str, status: int | None, reason: str) -> None:
        async with self._database.connect() as connection:
            await store.end(connection, due.delivery_id, state, status=status, reason=reason)
        self._metrics.tried(state.lower())

    async def _again(
        self, due: DueDelivery, status: int | None, reason: str, *, at_least_s: float = 0.0
    ) -> None:
        backoff_s = self._backoff.delay_s(due.attempts - 1, self._chance.random())
        after_s = max(at_least_s, backoff_s)
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
        pace = PollPace(self._database, _LOOK_EVERY_S)
        while True:
            async with self._database.connect() as connection:
                waiting, dead, oldest_s = await store.figures(connection)
            self._metrics.show(waiting, dead, oldest_s)
            await pace.wait(is_quiet=not waiting)


def pause_of(retry_after: str, now: datetime) -> float:
    """The seconds from `now` on that a Retry-After asks for (RFC 9110, 10.2.3): so many, or until a
    date; 0 where it is neither, or over."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (until.astimezone(UTC) - now).total_seconds())
