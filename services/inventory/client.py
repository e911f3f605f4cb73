"""How other services ask inventory: each response becomes one value to act on."""

from enum import Enum
from uuid import UUID

import msgspec

from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from services.inventory import contract
from services.inventory.contract import (
    CommitMany,
    CommitStock,
    CommittedOrders,
    ReleaseStock,
    ReservationView,
    ReserveStock,
    RestockProduct,
    StockList,
)


class Hold(Enum):
    """What a caller knows about an order's stock after asking."""

    HELD = "held"
    REJECTED = "rejected"
    FENCED = "fenced"
    RELEASED = "released"
    COMMITTED = "committed"
    UNKNOWN = "unknown"
    NOT_SENT = "not-sent"
    CONTRACT = "contract"


class HoldResult(msgspec.Struct, frozen=True):
    """What is known of the hold, and the code it was concluded from."""

    hold: Hold
    code: str = ""


_STATES = {
    "HELD": Hold.HELD,
    "COMMITTED": Hold.COMMITTED,
    "RELEASED": Hold.RELEASED,
    "REJECTED": Hold.REJECTED,
}
_REFUSALS = {contract.OUT_OF_STOCK: Hold.REJECTED, contract.FENCED: Hold.FENCED}


class InventoryClient:
    """The inventory service behind one peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def reserve(
        self, order_id: UUID, product_id: str, quantity: int, *, deadline_s: float
    ) -> HoldResult:
        """HELD or COMMITTED, REJECTED, FENCED, or not known."""
        command = ReserveStock(order_id, product_id, quantity)
        return await self._ask("/inventory/reserve", command, order_id, deadline_s)

    async def release(self, order_id: UUID, *, deadline_s: float) -> HoldResult:
        """RELEASED or REJECTED, or not known."""
        return await self._ask("/inventory/release", ReleaseStock(order_id), order_id, deadline_s)

    async def commit(self, order_id: UUID, *, deadline_s: float) -> HoldResult:
        """COMMITTED, or not known."""
        return await self._ask("/inventory/commit", CommitStock(order_id), order_id, deadline_s)

    async def commit_many(self, order_ids: list[UUID], *, deadline_s: float) -> set[UUID] | None:
        """Those of them whose goods are sold; None where that is not known."""
        path = "/inventory/commits"
        result = await self.peer.call(
            "POST", path, CommitMany(order_ids), route=path, deadline_s=deadline_s
        )
        if result.outcome is not Outcome.OK:
            return None
        sold: CommittedOrders | None = decode(result, CommittedOrders)
        return None if sold is None else set(sold.order_ids)

    async def _ask(
        self, path: str, command: msgspec.Struct, order_id: UUID, deadline_s: float
    ) -> HoldResult:
        result = await self.peer.call("POST", path, command, route=path, deadline_s=deadline_s)
        return _hold_of(result, order_id)

    async def stock(self) -> CallResult:
        """GET /inventory; decode with `StockList`."""
        return await self.peer.call("GET", "/inventory", route="/inventory")

    async def reservation(self, order_id: UUID) -> CallResult:
        """GET /inventory/reservations/{order_id}; decode with `ReservationView`."""
        return await self.peer.call(
            "GET",
            f"/inventory/reservations/{order_id}",
            route="/inventory/reservations/{order_id}",
        )

    async def restock(
        self, product_id: str, quantity: int, *, headers: dict[str, str] | None = None
    ) -> CallResult:
        """POST /inventory/restock; decode with `StockView`."""
        path = "/inventory/restock"
        command = RestockProduct(product_id, quantity)
        return await self.peer.call("POST", path, command, route=path, headers=headers)


def _hold_of(result: CallResult, order_id: UUID) -> HoldResult:
    if result.outcome is Outcome.OK:
        view: ReservationView | None = decode(result, ReservationView)
        if view is None or view.order_id != order_id:
            return HoldResult(Hold.UNKNOWN, "contract-broken")
        return HoldResult(_STATES[view.state])
    if result.outcome is Outcome.DEFINITE_NO:
        return HoldResult(_REFUSALS.get(result.code, Hold.CONTRACT), result.code)
    if result.outcome is Outcome.NOT_SENT:
        return HoldResult(Hold.NOT_SENT, result.code)
    return HoldResult(Hold.UNKNOWN, result.code)


__all__ = ["Hold", "HoldResult", "InventoryClient", "StockList"]
