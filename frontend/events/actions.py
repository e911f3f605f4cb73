"""Having an event that was put aside, or a webhook that is dead, tried again."""

from uuid import UUID

from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import failure_toast, toast_of
from services.events.relay.client import EventsClient
from services.events.webhook_sender.client import WebhooksClient
from topology import NAMES

_MOST = 1 << 62
_LOCKED = "A replay waits"


class EventActions:
    """What a visitor does to events."""

    def __init__(self, client: EventsClient, webhooks: WebhooksClient) -> None:
        self._client, self._webhooks = client, webhooks

    async def replay(self, form: Form, visitor: Visitor) -> Done:
        """Have one parked event tried again by its consumer."""
        operator_only(visitor, _LOCKED)
        consumer = form.get("consumer", "")
        try:
            event_id = UUID(form.get("event_id", ""))
        except ValueError:
            event_id = None
        if event_id is None or consumer not in NAMES.values():
            raise Problem(400, "validation", "There is no such event or consumer.")
        found = await self._client.replay(consumer, event_id, headers=visitor.operator_headers)
        return _tried(found, "It stays parked", "Its consumer does so within a second.")

    async def replay_webhook(self, form: Form, visitor: Visitor) -> Done:
        """Have one dead delivery brought to its endpoint again."""
        operator_only(visitor, _LOCKED)
        delivery_id = number(form, "delivery_id", 1, _MOST)
        found = await self._webhooks.replay(delivery_id, headers=visitor.operator_headers)
        return _tried(found, "It stays dead", "For another day, under the same webhook-id.")


def _tried(found: CallResult, still: str, when: str) -> Done:
    if found.outcome is not Outcome.OK:
        return Done(failure_toast(found, still), "/events")
    return Done(toast_of(found, "good", "It is tried again", when), "/events")
