"""How others ask the wallet service."""

from uuid import UUID

from chassis.http.outbound import Peer
from chassis.outcome import CallResult
from services.wallet.contract import Deposit, PayProvider, TransferMoney


class WalletClient:
    """The wallet service behind one peer, asked as one client application."""

    def __init__(self, peer: Peer, api_key: str) -> None:
        self.peer = peer
        self._headers = {"X-API-Key": api_key}

    async def balance(self, user_id: str) -> CallResult:
        """GET /wallets/{user_id}/balance; decode with `WalletBalances`."""
        path = f"/wallets/{user_id}/balance"
        return await self.peer.call(
            "GET", path, route="/wallets/{user_id}/balance", headers=self._headers
        )

    async def transaction(self, user_id: str, transaction_id: UUID) -> CallResult:
        """GET /wallets/{user_id}/transactions/{id}; decode with `TransactionView`."""
        return await self.peer.call(
            "GET",
            f"/wallets/{user_id}/transactions/{transaction_id}",
            route="/wallets/{user_id}/transactions/{transaction_id}",
            headers=self._headers,
        )

    async def pay(self, user_id: str, command: PayProvider, key: str) -> CallResult:
        """POST /wallets/{user_id}/payments; decode with `TransactionView`."""
        path = f"/wallets/{user_id}/payments"
        return await self._post(path, "/wallets/{user_id}/payments", command, key)

    async def deposit(self, user_id: str, command: Deposit, key: str) -> CallResult:
        """POST /wallets/{user_id}/deposits; decode with `TransactionView`."""
        path = f"/wallets/{user_id}/deposits"
        return await self._post(path, "/wallets/{user_id}/deposits", command, key)

    async def transfer(self, command: TransferMoney, key: str) -> CallResult:
        """POST /transfers; decode with `TransactionView`."""
        return await self._post("/transfers", "/transfers", command, key)

    async def _post(
        self, path: str, route: str, command: PayProvider | Deposit | TransferMoney, key: str
    ) -> CallResult:
        headers = {**self._headers, "Idempotency-Key": key}
        return await self.peer.call("POST", path, command, route=route, headers=headers)
