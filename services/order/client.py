"""The order service as others see it."""

from uuid import UUID

from msgspec import UNSET

from chassis.http.outbound import Peer
from chassis.outcome import CallResult
from services.order.contract import OrderPaymentMethod, OrderWallet, PlaceOrder


class OrderClient:
    """The order service behind one peer. Answers are raw: decode with `contract` structs."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    async def place(
        self,
        product_id: str,
        quantity: int,
        *,
        key: str | None = None,
        deadline_s: float | None = None,
        wallet_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> CallResult:
        """POST /orders, paid from this user's wallet, if one is named, in the name of whoever
        `headers` show; OrderView in 201 and 202, a problem otherwise."""
        headers = {**(headers or {}), **({} if key is None else {"Idempotency-Key": key})}
        method = UNSET if wallet_id is None else OrderPaymentMethod(OrderWallet(wallet_id))
        command = PlaceOrder(product_id, quantity, method)
        return await self.peer.call(
            "POST", "/orders", command, route="/orders", headers=headers, deadline_s=deadline_s
        )

    async def show(self, order_id: UUID) -> CallResult:
        """GET /orders/{order_id}; OrderView."""
        return await self.peer.call("GET", f"/orders/{order_id}", route="/orders/{order_id}")

    async def history(self, order_id: UUID) -> CallResult:
        """GET /orders/{order_id}/history; OrderHistory."""
        return await self.peer.call(
            "GET", f"/orders/{order_id}/history", route="/orders/{order_id}/history"
        )

    async def page(self, limit: int, cursor: str | None = None) -> CallResult:
        """GET /orders; OrderPage."""
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        return await self.peer.call("GET", f"/orders{query}", route="/orders")

    async def cancel(self, order_id: UUID, *, headers: dict[str, str] | None = None) -> CallResult:
        """POST /orders/{order_id}/cancel; OrderView."""
        path, route = f"/orders/{order_id}/cancel", "/orders/{order_id}/cancel"
        return await self.peer.call("POST", path, route=route, headers=headers)

    async def products(self) -> CallResult:
        """GET /products; ProductList."""
        return await self.peer.call("GET", "/products", route="/products")
