"""The client of the gremlin API."""

from chassis.faults.contract import PutGremlin
from chassis.http.outbound import Peer
from chassis.outcome import CallResult


class GremlinClient:
    """The gremlins of one service, changed from another process."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def list(self) -> CallResult:
        """GET /gremlins; decode with `GremlinList`."""
        return await self._peer.call("GET", "/gremlins", route="/gremlins")

    async def audit(self) -> CallResult:
        """GET /gremlins/audit; decode with `AuditList`."""
        return await self._peer.call("GET", "/gremlins/audit", route="/gremlins/audit")

    async def put(
        self, name: str, command: PutGremlin, *, headers: dict[str, str] | None = None
    ) -> CallResult:
        """PUT /gremlins/{name}."""
        return await self._peer.call(
            "PUT", f"/gremlins/{name}", command, route="/gremlins/{name}", headers=headers
        )

    async def remove(self, name: str, *, headers: dict[str, str] | None = None) -> CallResult:
        """DELETE /gremlins/{name}."""
        return await self._peer.call(
            "DELETE", f"/gremlins/{name}", route="/gremlins/{name}", headers=headers
        )

    async def calm(self, *, headers: dict[str, str] | None = None) -> CallResult:
        """DELETE /gremlins."""
        return await self._peer.call("DELETE", "/gremlins", route="/gremlins", headers=headers)
