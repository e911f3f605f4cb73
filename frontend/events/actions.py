"""Having an event that was put aside tried again."""

from uuid import UUID

from chassis.http.operator_auth import operator_headers
from chassis.http.problems import Problem
from chassis.outcome import Outcome
from frontend.settings import DashboardSettings
from frontend.web.actions import Done, Form, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import failure_toast, toast_of
from services.events.relay.client import EventsClient
from topology import NAMES

_LOCKED = "A replay waits for the operator: unlock the gremlins first."


class EventActions:
    """What a visitor does to events."""

    def __init__(self, settings: DashboardSettings, client: EventsClient) -> None:
        self._client = client
        self._headers = {"X-Valerix-Actor": "dashboard", **operator_headers(settings)}

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
        found = await self._client.replay(consumer, event_id, headers=self._headers)
        if found.outcome is not Outcome.OK:
            return Done(failure_toast(found, "It stays parked"), "/events")
        return Done(
            toast_of(found, "good", "It is tried again", "Its consumer does so within a second."),
            "/events",
        )
