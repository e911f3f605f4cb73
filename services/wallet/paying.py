"""A payment from a wallet: hold the money, ask the gateway, then post it or give it back.

T1 commits the key, the hold, the payment PENDING and its attempt, before anybody is asked. The
gateway is asked in no transaction. T2 is a compare-and-set of the attempt: whoever is first, the
request or repair, posts the hold or voids it, and keeps the answer under the key."""

import asyncio
import logging
import time
from uuid import UUID

import asyncpg
import msgspec

from chassis.database.pool import Connection, Database, DatabaseTrouble
from chassis.http.problems import shed
from chassis.idempotency import Key, StoredKey, request_hash
from chassis.ids import new_id
from chassis.telemetry.context import current_traceparent, span_now
from services.wallet import contract, history, store
from services.wallet.answers import (
    WalletReply,
    answer_of,
    not_known,
    refusal_of,
    refused,
    refused_when_busy,
)
from services.wallet.contract import PayProvider
from services.wallet.domain import (
    Ending,
    InsufficientFunds,
    NotKnown,
    UnknownProvider,
    UnknownWallet,
    WalletAttempt,
)
from services.wallet.gateway import Gateway
from services.wallet.metrics import WalletMetrics
from services.wallet.settings import WalletSettings
from services.wallet.store import KEYS, NewPayment

logger = logging.getLogger(__name__)

ROUTE = "/wallets/{user_id}/payments"


class Meaning(msgspec.Struct, frozen=True):
    """What a request means: whose wallet, and what is to be done."""

    user_id: str
    command: msgspec.Struct


class WalletPayments:
    """Pays from wallets, on connections of its own kind: foreground or repair."""

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        settings: WalletSettings,
        metrics: WalletMetrics,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._settings = settings
        self._metrics = metrics
        self._dashboard_url = settings.urls.get("dashboard", "")
        self._places = asyncio.Semaphore(settings.wallet_places)

    async def pay(
        self, caller: str, user_id: str, command: PayProvider, key_text: str
    ) -> WalletReply:
        """Pay once, or answer again what was answered under this key. Raises `Problem`."""
        began = time.monotonic()
        await self._take_place()
        try:
            reply = await self._pay(caller, user_id, command, key_text)
        finally:
            self._places.release()
        if not reply.replayed:
            self._metrics.answered(reply.outcome)
        note_transaction(reply.transaction_id, reply.outcome)
        logger.info(
            "wallet payment",
            extra={
                "user_id": user_id,
                "transaction_id": str(reply.transaction_id or ""),
                "currency": command.currency,
                "amount_minor": command.amount,
                "provider_id": command.provider_id,
                "external_reference": command.external_reference,
                "outcome": "replayed" if reply.replayed else reply.outcome,
                "latency_ms": round((time.monotonic() - began) * 1000, 1),
            },
        )
        return reply

    async def _take_place(self) -> None:
        # Before a connection is taken: payments that wait for the gateway must not keep the others
        # from the database.
        try:
            async with asyncio.timeout(self._settings.wallet_place_wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise shed(
                "Too many payments are under way; nothing was done", code=contract.PLACES_TAKEN
            ) from None

    async def _pay(
        self, caller: str, user_id: str, command: PayProvider, key_text: str
    ) -> WalletReply:
        meaning = request_hash("POST", ROUTE, caller, Meaning(user_id, command))
        key = Key(f"POST {ROUTE} {caller}", key_text, meaning)
        await self._gateway.open()
        begun = await self._begin(key, user_id, command)
        if isinstance(begun, WalletReply):
            return begun
        if isinstance(begun, StoredKey):
            return await self._again(begun)
        # From here on it has a row, and its trace can be found however this ends.
        note_transaction(begun.transaction_id)

        asked = begun

        async def keep_ref(ref: str) -> bool:
            nonlocal asked
            asked = msgspec.structs.replace(begun, provider_ref=ref)
            async with self._database.connect() as connection:
                return await store.keep_ref(connection, begun.transaction_id, ref)

        outcome = await self._gateway.take(begun, keep_ref)
        if isinstance(outcome, NotKnown):
            return await self._leave_open(begun, outcome.why)
        try:
            return await self.end(asked, outcome)
        except (DatabaseTrouble, asyncpg.PostgresError) as error:
            return await self._leave_open(begun, type(error).__name__)

    async def _begin(
        self, key: Key, user_id: str, command: PayProvider
    ) -> WalletAttempt | StoredKey | WalletReply:
        """T1. A refusal is an answer too, and is kept."""
        new = NewPayment(
            transaction_id=new_id(),
            user_id=user_id,
            currency=command.currency,
            amount_minor=command.amount,
            provider_id=command.provider_id,
            external_reference=command.external_reference,
            traceparent=current_traceparent(),
        )
        lease_s = self._settings.wallet_lease_s
        with refused_when_busy():
            async with self._database.begin(for_caller=True) as tx:
                taken = await KEYS.claim(tx, key, new.transaction_id, lock_s=lease_s)
                if taken is not None:
                    logger.debug("a key is known", extra={"user_id": user_id})
                    return taken
                try:
                    attempt = await self._hold(tx, new)
                except (UnknownWallet, UnknownProvider, InsufficientFunds) as error:
                    return await self._keep_refusal(tx, key, new.transaction_id, error)
        logger.debug("held", extra={"transaction_id": str(new.transaction_id)})
        return attempt

    async def _hold(self, tx: Connection, new: NewPayment) -> WalletAttempt:
        began = time.monotonic()
        attempt = await store.hold(tx, new, lease_s=self._settings.wallet_lease_s)
        waited_ms = round((time.monotonic() - began) * 1000, 1)
        logger.debug("locked", extra={"user_id": new.user_id, "waited_ms": waited_ms})
        # After a refusal, which is an answer of its own; what is held is rolled back.
        if not self._gateway.breaker.admits():
            raise shed(
                "The gateway does not answer at the moment; nothing was done",
                code=contract.GATEWAY_UNAVAILABLE,
                after_s=5,
            )
        return attempt

    async def _keep_refusal(
        self, tx: Connection, key: Key, transaction_id: UUID, error: Exception
    ) -> WalletReply:
        outcome = "insufficient_funds" if isinstance(error, InsufficientFunds) else "refused"
        reply = refusal_of(refused(error), outcome=outcome)
        await KEYS.disown(tx, key, transaction_id)
        await KEYS.keep(tx, key, reply.status_code, reply.body)
        return reply

    async def end(self, attempt: WalletAttempt, ending: Ending) -> WalletReply:
        """T2: what is held is posted or given back, and the answer is kept; or what somebody else
        has made of it meanwhile. The attempt is as it was judged: under which name, if any."""
        transaction_id = attempt.transaction_id
        async with self._database.begin() as tx:
            if await store.end(tx, attempt, ending):
                reply = await self._reply(tx, transaction_id)
                await store.keep_answer(tx, transaction_id, reply.status_code, reply.body)
                return reply
        async with self._database.connect() as connection:
            return await self._reply(connection, transaction_id)

    async def _reply(self, c: Connection, transaction_id: UUID) -> WalletReply:
        kept = await store.stored_answer(c, transaction_id)
        if kept is not None:
            return WalletReply(*kept, transaction_id, _OUTCOMES.get(kept[0], "refused"))
        found = await history.find_any(c, transaction_id)
        if found.status == "PENDING":
            return not_known(transaction_id)
        return answer_of(found, self._dashboard_url)

    async def _leave_open(self, attempt: WalletAttempt, why: str) -> WalletReply:
        logger.warning(
            "the outcome is not known: %s",
            why,
            extra={"transaction_id": str(attempt.transaction_id)},
        )
        try:
            async with self._database.connect() as connection:
                await store.leave_open(
                    connection,
                    attempt.transaction_id,
                    why,
                    base_s=self._settings.wallet_probe_base_s,
                )
        except (DatabaseTrouble, asyncpg.PostgresError):
            # Its lease ends by itself.
            logger.warning("the database is away as well")
        return not_known(attempt.transaction_id)

    async def _again(self, stored: StoredKey) -> WalletReply:
        first = stored.replay()
        if isinstance(first, tuple):
            return WalletReply(*first, stored.entity_id, replayed=True)
        # It was never answered for good: as it stands now.
        async with self._database.connect() as connection:
            return await self._reply(connection, first)


_OUTCOMES = {201: "approved", 402: "declined", 502: "gateway_error"}


def note_transaction(transaction_id: UUID | None, outcome: str = "") -> None:
    """Record on the request's span which transaction it was about, and how that ended."""
    work = span_now.get()
    if work is not None and transaction_id is not None:
        work.attributes["valerix.transaction.id"] = str(transaction_id)
        if outcome:
            work.attributes["valerix.outcome"] = outcome
