"""How others ask the wallet service."""

from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from chassis.http.outbound import Peer
from chassis.http.query import with_query
from chassis.outcome import CallResult
from services.wallet.contract import Deposit, PayProvider, PlaceHold, TransferMoney


class WalletClient:
    """The wallet service behind one peer, asked as one client application."""

    def __init__(self, peer: Peer, api_key: str) -> None:
        self.peer = peer
        self._headers = {"X-API-Key": api_key}

    async def wallets(self, *, limit: int, cursor: str = "") -> CallResult:
        """GET /wallets; decode with `WalletPage`."""
        return await self._get(with_query("/wallets", limit=limit, cursor=cursor), "/wallets")

    async def balance(self, user_id: str, at: datetime | None = None) -> CallResult:
        """GET /wallets/{user_id}/balance, now or at an instant; decode with `WalletBalances`."""
        path = with_query(f"/wallets/{user_id}/balance", at=at and at.isoformat())
        return await self._get(path, "/wallets/{user_id}/balance")

    async def transactions(self, user_id: str, *, limit: int, cursor: str = "") -> CallResult:
        """GET /wallets/{user_id}/transactions; decode with `TransactionPage`."""
        path = with_query(f"/wallets/{user_id}/transactions", limit=limit, cursor=cursor)
        return await self._get(path, "/wallets/{user_id}/transactions")

    async def transaction(self, user_id: str, transaction_id: UUID) -> CallResult:
        """GET /wallets/{user_id}/transactions/{id}; decode with `TransactionView`."""
        return await self._get(
            f"/wallets/{user_id}/transactions/{transaction_id}",
            "/wallets/{user_id}/transactions/{transaction_id}",
        )

    async def pay(
        self, user_id: str, command: PayProvider, key: str, *, deadline_s: float | None = None
    ) -> CallResult:
        """POST /wallets/{user_id}/payments; decode with `TransactionView`."""
        path, route = f"/wallets/{user_id}/payments", "/wallets/{user_id}/payments"
        return await self._post(path, route, command, key, deadline_s=deadline_s)

    async def deposit(self, user_id: str, command: Deposit, key: str) -> CallResult:
        """POST /wallets/{user_id}/deposits; decode with `TransactionView`."""
        path = f"/wallets/{user_id}/deposits"
        return await self._post(path, "/wallets/{user_id}/deposits", command, key)

    async def transfer(self, command: TransferMoney, key: str) -> CallResult:
        """POST /transfers; decode with `TransactionView`."""
        return await self._post("/transfers", "/transfers", command, key)

    async def _get(self, path: str, route: str) -> CallResult:
        return await self.peer.call("GET", path, route=route, headers=self._headers)

    async def _post(
        self,
        path: str,
        route: str,
        command: PayProvider | Deposit | TransferMoney,
        key: str,
        *,
        deadline_s: float | None = None,
    ) -> CallResult:
        headers = {**self._headers, "Idempotency-Key": key}
        return await self.peer.call(
            "POST", path, command, route=route, headers=headers, deadline_s=deadline_s
        )

    async def place_hold(self, key: str, command: PlaceHold) -> CallResult:
        """PUT /holds/{hold_key}; decode with `HoldView`, a refusal with `HoldProblem`."""
        return await self._hold("PUT", key, "", command)

    async def capture_hold(self, key: str) -> CallResult:
        """POST /holds/{hold_key}/capture; the same."""
        return await self._hold("POST", key, "/capture")

    async def void_hold(self, key: str) -> CallResult:
        """POST /holds/{hold_key}/void; the same."""
        return await self._hold("POST", key, "/void")

    async def refund_hold(self, key: str) -> CallResult:
        """POST /holds/{hold_key}/refund; the same."""
        return await self._hold("POST", key, "/refund")

    async def hold(self, key: str) -> CallResult:
        """GET /holds/{hold_key}; the same."""
        return await self._hold("GET", key, "")

    async def _hold(
        self, method: str, key: str, step: str, command: PlaceHold | None = None
    ) -> CallResult:
        path, route = f"/holds/{quote(key, safe='')}{step}", f"/holds/{{hold_key}}{step}"
        return await self.peer.call(method, path, command, route=route, headers=self._headers)
