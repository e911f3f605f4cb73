"""Webhooks: where an account wants its events, and bringing them there, signed, at least once.

An event is due until its endpoint has accepted it with a 2xx; between attempts the time doubles.
The faults that `contract.WebhookFaults` lists bite here: lost, forged, twice (late and out of order
are times in the row)."""

import hmac
import random
from typing import get_args

import msgspec

from chassis.addresses import is_http_url
from chassis.database.pool import Connection
from chassis.due_work import Backoff, DueWorker
from chassis.http.outbound import Peer
from providers.acquirer import event_store, store
from providers.acquirer.domain import EventType, WebhookEndpoint
from providers.acquirer.errors import no_such
from providers.acquirer.event_store import DELIVERIES_DUE, EventDelivery
from providers.acquirer.execute import Context, Work, new_id
from providers.acquirer.parameters import invalid, missing
from providers.acquirer.views import View, view

_MOST_EVENTS = 100
_ENABLED = ("*", *get_args(EventType))


async def create_endpoint(work: Work) -> View:
    """POST /v1/webhook_endpoints: the only answer with the endpoint's secret in it."""
    given = work.given
    url, events = given.needed("url"), given.texts("enabled_events", most=_MOST_EVENTS)
    description, metadata = given.text("description"), given.metadata()
    version = work.context.settings.acquirer_api_version
    given.text("api_version", choices=(version,))
    if not is_http_url(url):
        raise invalid("url", "Invalid URL: an explicit http or https address is needed.")
    if not events:
        raise missing("enabled_events")
    for place, each in enumerate(events):
        if each not in _ENABLED:
            name = f"enabled_events[{place}]"
            raise invalid(name, f"Invalid {name}: must be one of {', '.join(sorted(_ENABLED))}.")
    work.begin()
    endpoint = await store.add(
        work.tx,
        WebhookEndpoint,
        id=new_id("we"),
        account=work.account.name,
        url=url,
        enabled_events=events,
        secret=new_id("whsec"),
        description=description or None,
        metadata=metadata,
    )
    return {**view(endpoint), "secret": endpoint.secret}


async def delete_endpoint(work: Work, endpoint_id: str) -> View:
    """DELETE /v1/webhook_endpoints/{id}: with it goes what was still to be delivered there."""
    work.begin()
    if not await store.forget_endpoint(work.tx, work.account, endpoint_id):
        raise no_such("webhook endpoint", endpoint_id, "webhook_endpoint")
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


def signature(payload: bytes, secret: str, at_s: int) -> str:
    """The header Stripe-Signature: an HMAC of the time and the body, which a receiver checks."""
    signed = hmac.digest(secret.encode(), b"%d.%b" % (at_s, payload), "sha256")
    return f"t={at_s},v1={signed.hex()}"


async def bring(
    peer: Peer, url: str, payload: bytes, secret: str, *, at_s: int, deadline_s: float
) -> str:
    """One request with an event; what came back: a status, or why there is none."""
    result = await peer.call(
        "POST",
        url,
        msgspec.Raw(payload),
        route="webhook",
        deadline_s=deadline_s,
        headers={"Stripe-Signature": signature(payload, secret, at_s)},
    )
    return str(result.status or result.code)


class Deliverer:
    """Brings due events to their endpoints; any number of replicas may."""

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self._context, self._database = context, context.database
        self._places = settings.acquirer_webhook_places
        self._backoff = Backoff(
            settings.acquirer_webhook_base_s, settings.acquirer_webhook_max_s, floor=0.5
        )
        self._peer = Peer("webhook endpoint", "", settings, connections=self._places)
        self.close = self._peer.close
        self.run = DueWorker(
            self._database,
            self._claim,
            self._deliver,
            places=self._places,
            batch=settings.acquirer_webhook_batch,
            poll_s=settings.acquirer_webhook_poll_s,
            log_key="delivery",
            is_any=DELIVERIES_DUE.is_any,
        ).run

    async def _claim(self, c: Connection, most: int) -> list[int]:
        # Twice, for an event and its duplicate or its forgery.
        lease_s = 3 * self._context.settings.acquirer_webhook_timeout_s
        return await DELIVERIES_DUE.claim(c, most, lease_s=lease_s)

    async def _deliver(self, delivery_id: int) -> None:
        async with self._database.connect() as connection:
            delivery = await event_store.find_delivery(connection, delivery_id)
        if delivery is not None:
            await self._bring(delivery)

    async def _bring(self, delivery: EventDelivery) -> None:
        chance = self._context.chance
        if chance.random() < delivery.lose:
            await self._end(delivery, "LOST", "lost on purpose")
            return
        if chance.random() < delivery.forge:
            await self._send(delivery.url, *_forged(delivery, chance))
        payload = msgspec.json.encode(view(delivery.event))
        result = await self._send(delivery.url, payload, delivery.secret)
        if chance.random() < delivery.duplicate:
            await self._send(delivery.url, payload, delivery.secret)
        if result.isdigit() and 200 <= int(result) < 300:
            await self._end(delivery, "DELIVERED", result)
        else:
            await self._again(delivery, result)

    async def _send(self, url: str, payload: bytes, secret: str) -> str:
        at_s = int(self._context.now().timestamp())
        deadline_s = self._context.settings.acquirer_webhook_timeout_s
        return await bring(self._peer, url, payload, secret, at_s=at_s, deadline_s=deadline_s)

    async def _end(self, delivery: EventDelivery, state: str, result: str) -> None:
        async with self._database.connect() as connection:
            await event_store.end_delivery(connection, delivery.id, state, result)
        self._context.metrics.delivered(state.lower())

    async def _again(self, delivery: EventDelivery, result: str) -> None:
        after_s = self._backoff.delay_s(delivery.attempts - 1, self._context.chance.random())
        give_up_s = self._context.settings.acquirer_webhook_give_up_s
        async with self._database.connect() as connection:
            state = await event_store.try_again(
                connection, delivery.id, result, after_s=after_s, give_up_s=give_up_s
            )
        self._context.metrics.delivered("given_up" if state == "GIVEN_UP" else "refused")


def _forged(delivery: EventDelivery, chance: random.Random) -> tuple[bytes, str]:
    """An event that never happened, signed by somebody who does not know the secret."""
    wrong_id = f"evt_{chance.randbytes(12).hex()}"
    return msgspec.json.encode({**view(delivery.event), "id": wrong_id}), "whsec_of_somebody_else"
