"""Money that needs no gateway: deposits, and transfers between users, each in one transaction.

A deposit locks nothing. A transfer locks the wallet that pays and nothing else, so that two of them
in opposite directions never wait for each other."""

import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from chassis.database.pool import Connection, Database
from chassis.http.problems import invalid
from chassis.idempotency import Key, StoredKey, request_hash
from chassis.ids import new_id
from chassis.telemetry.context import current_traceparent
from services.wallet import history, store
from services.wallet.answers import WalletReply, refusal_of, refused, refused_when_busy, view
from services.wallet.contract import Deposit, TransferMoney
from services.wallet.domain import InsufficientFunds, UnknownWallet, demand_funds
from services.wallet.paying import Meaning, note_transaction
from services.wallet.sealer import Sealer
from services.wallet.settings import WalletSettings
from services.wallet.store import KEYS

logger = logging.getLogger(__name__)

Move = Callable[[Connection, UUID], Awaitable[None]]


class Movements:
    """Moves money at once, and rings for the sealer."""

    def __init__(self, database: Database, sealer: Sealer, settings: WalletSettings) -> None:
        self._database = database
        self._sealer = sealer
        self._lease_s = settings.wallet_lease_s
        self._dashboard_url = settings.urls.get("dashboard", "")

    async def deposit(
        self, caller: str, user_id: str, command: Deposit, key_text: str
    ) -> WalletReply:
        """Put money in, once. Raises `Problem`."""

        async def move(tx: Connection, transaction_id: UUID) -> None:
            await store.deposit(
                tx, transaction_id, user_id, command.currency, command.amount,
                current_traceparent(),
            )  # fmt: skip

        route = "/wallets/{user_id}/deposits"
        return await self._once(caller, route, user_id, command, key_text, move)

    async def transfer(self, caller: str, command: TransferMoney, key_text: str) -> WalletReply:
        """Move money between two users, once. Raises `Problem`."""
        if command.from_user_id == command.to_user_id:
            raise invalid("/to_user_id", "a wallet cannot pay itself")

        async def move(tx: Connection, transaction_id: UUID) -> None:
            currency = command.currency
            payee = await store.find_wallet(tx, command.to_user_id, currency)
            if payee is None:
                raise UnknownWallet(command.to_user_id, currency)
            payer = await store.lock_wallet(tx, command.from_user_id, currency)
            demand_funds(payer, command.amount)
            await store.transfer(
                tx, transaction_id, (command.from_user_id, payer), (command.to_user_id, payee),
                currency, command.amount, current_traceparent(),
            )  # fmt: skip

        return await self._once(caller, "/transfers", command.from_user_id, command, key_text, move)

    async def _once(
        self, caller: str, route: str, user_id: str, command: Deposit | TransferMoney,
        key_text: str, move: Move,
    ) -> WalletReply:  # fmt: skip
        """The key, the money and the answer, in one transaction."""
        meaning = request_hash("POST", route, caller, Meaning(user_id, command))
        key, transaction_id = Key(f"POST {route} {caller}", key_text, meaning), new_id()
        with refused_when_busy():
            async with self._database.begin(for_caller=True) as tx:
                taken = await KEYS.claim(tx, key, transaction_id, lock_s=self._lease_s)
                if taken is not None:
                    return _again(taken)
                try:
                    await move(tx, transaction_id)
                except (UnknownWallet, InsufficientFunds) as error:
                    reply = refusal_of(refused(error))
                    await KEYS.disown(tx, key, transaction_id)
                else:
                    found = await history.find_any(tx, transaction_id)
                    body = msgspec.json.encode(view(found, self._dashboard_url))
                    reply = WalletReply(201, body, transaction_id, "moved")
                await KEYS.keep(tx, key, reply.status_code, reply.body)
        self._sealer.ring()
        note_transaction(reply.transaction_id, reply.outcome)
        logger.info(
            "wallet movement",
            extra={
                "user_id": user_id,
                "transaction_id": str(reply.transaction_id or ""),
                "currency": command.currency,
                "amount_minor": command.amount,
                "outcome": reply.outcome,
            },
        )
        return reply


def _again(stored: StoredKey) -> WalletReply:
    first = stored.replay()
    # The key and its answer were committed together.
    assert isinstance(first, tuple)  # noqa: S101 - for the type checker
    return WalletReply(*first, stored.entity_id, replayed=True)
