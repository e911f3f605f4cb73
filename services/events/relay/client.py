"""How other processes ask the relay: what happened, what is on its way, what was put aside."""

from urllib.parse import quote
from uuid import UUID

from chassis.http.outbound import Peer
from chassis.http.query import with_query
from chassis.outcome import CallResult

# The gapless proof reads every outbox.
_PROOF_S = 4.0


class EventsClient:
    """The relay behind one peer; what each answers is in contract.py."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def events(self, **filters: str | int) -> CallResult:
        """GET /events with `type`, `aggregate`, `aggregate_id`, `cursor` and `limit`; decode with
        `EventPage`."""
        return await self._get("/events", filters)

    async def lag(self) -> CallResult:
        """GET /events/lag; decode with `LagView`."""
        return await self._get("/events/lag", {})

    async def parked(self) -> CallResult:
        """GET /events/parked; decode with `ParkedList`."""
        return await self._get("/events/parked", {})

    async def verify(self) -> CallResult:
        """GET /events/verify; decode with `GaplessProof`."""
        return await self._get("/events/verify", {}, deadline_s=_PROOF_S)

    async def replay(self, consumer: str, event_id: UUID, *, headers: dict[str, str]) -> CallResult:
        """POST /events/parked/{consumer}/{event_id}/replay, which only the operator may."""
        return await self._peer.call(
            "POST",
            f"/events/parked/{quote(consumer, safe='')}/{event_id}/replay",
            route="/events/parked/{consumer}/{event_id}/replay",
            headers=headers,
        )

    async def _get(
        self, path: str, filters: dict[str, str | int], *, deadline_s: float | None = None
    ) -> CallResult:
        url = with_query(path, **filters)
        return await self._peer.call("GET", url, route=path, deadline_s=deadline_s)
