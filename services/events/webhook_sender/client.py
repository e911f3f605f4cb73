"""How other processes ask the webhook sender: endpoints, deliveries, another try."""

from chassis.http.outbound import Peer
from chassis.http.query import with_query
from chassis.outcome import CallResult


class WebhooksClient:
    """The webhook sender behind one peer; what each answers is in contract.py."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def endpoints(self) -> CallResult:
        """GET /endpoints; decode with `EndpointList`."""
        return await self._peer.call("GET", "/endpoints", route="/endpoints")

    async def deliveries(self, **filters: str | int) -> CallResult:
        """GET /deliveries with `state`, `merchant_id`, `cursor` and `limit`; decode with
        `DeliveryPage`."""
        url = with_query("/deliveries", **filters)
        return await self._peer.call("GET", url, route="/deliveries")

    async def replay(self, delivery_id: int, *, headers: dict[str, str]) -> CallResult:
        """POST /deliveries/{delivery_id}/replay, which only the operator may."""
        return await self._peer.call(
            "POST",
            f"/deliveries/{delivery_id}/replay",
            route="/deliveries/{delivery_id}/replay",
            headers=headers,
        )
