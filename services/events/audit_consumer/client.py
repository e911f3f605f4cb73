"""How other processes read the audit log."""

from chassis.http.outbound import Peer
from chassis.http.query import with_query
from chassis.outcome import CallResult

# The chain is read from its first line.
_CHAIN_S = 10.0


class AuditClient:
    """The audit consumer behind one peer; what each answers is in contract.py."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def lines(self, **filters: str | int) -> CallResult:
        """GET /audit with `type`, `aggregate`, `aggregate_id`, `subject`, `event_id`, `cursor` and
        `limit`; decode with `AuditPage`."""
        return await self._peer.call("GET", with_query("/audit", **filters), route="/audit")

    async def chain(self) -> CallResult:
        """GET /audit/chain, which reads the whole log; decode with `ChainView`."""
        return await self._peer.call(
            "GET", "/audit/chain", route="/audit/chain", deadline_s=_CHAIN_S
        )
