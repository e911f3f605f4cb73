"""What every write passes through: one transaction for its key, its effect and its events.

They commit together or not at all. A refusal is a result like any other, once the work has begun:
it is raised before anything is written, or together with what shall stay (a declined charge)."""

import hmac
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from chassis.database.pool import Connection, Database
from providers.acquirer import event_store, expand, key_store, store
from providers.acquirer.contract import Mode
from providers.acquirer.domain import (
    EVENT_OF,
    Account,
    BalanceTransaction,
    EventType,
    PaymentIntent,
)
from providers.acquirer.errors import Answer, Refused, broken, key_in_use, key_reused
from providers.acquirer.key_store import StoredResult
from providers.acquirer.metrics import AcquirerMetrics
from providers.acquirer.parameters import Form, Parameters
from providers.acquirer.settings import AcquirerSettings
from providers.acquirer.views import Shown, View, view


class FingerprintKey:
    """The key of the cards' fingerprints, read once from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._value = b""

    async def value(self) -> bytes:
        """The key; raises what the database raises while it is not known yet."""
        if not self._value:
            async with self._database.connect() as connection:
                self._value = await store.fingerprint_key(connection)
        return self._value


class Context(msgspec.Struct, frozen=True):
    """What the acquirer is made of; the clock and the random source come from outside."""

    database: Database
    settings: AcquirerSettings
    metrics: AcquirerMetrics
    fingerprint_key: FingerprintKey
    chance: random.Random
    now: Callable[[], datetime]


class Call(msgspec.Struct, frozen=True):
    """One request: who asks for what, under which key, and how it goes wrong on purpose."""

    account: Account
    method: str
    path: str
    form: Form
    request_id: str
    key: str | None
    mode: Mode

    def meaning(self, key: bytes) -> bytes:
        """What is asked for, as a keyed hash: a card number cannot be worked out from it."""
        asked = msgspec.json.encode([self.method, self.path, self.form], order="sorted")
        return hmac.digest(key, asked, "sha256")


class Work:
    """One request being done. Events are collected, and written once at its end."""

    def __init__(
        self, context: Context, call: Call, tx: Connection, fingerprint_key: bytes
    ) -> None:
        self.context, self.call, self.tx = context, call, tx
        self.account = call.account
        self.given = Parameters(call.form)
        self.fingerprint_key = fingerprint_key
        self.has_begun = False
        self.charged: list[str] = []
        self._events: list[tuple[str, str, View]] = []

    def begin(self) -> None:
        """All parameters have been read: refuse those that nobody reads. From here on the result
        is kept under the request's key."""
        self.given.finish()
        self.has_begun = True

    def happened(self, event_type: EventType, shown: Shown) -> None:
        """An event, with the object as it is now."""
        self._events.append((new_id("evt"), event_type, view(shown)))

    async def move(self, intent: PaymentIntent, **changes: Any) -> PaymentIntent:
        """The intent in another state: a row of its history and an event."""
        moved = await store.move(self.tx, intent, **changes)
        self.happened(EVENT_OF[moved.status], moved)
        return moved

    async def record(
        self, intent: PaymentIntent, source: str, amount_minor: int, fee_minor: int = 0
    ) -> str:
        """A movement of the account's money: of the intent, for the charge or refund `source`. The
        id of its line."""
        line = await store.add(
            self.tx,
            BalanceTransaction,
            id=new_id("txn"),
            account=self.account.name,
            type="charge" if amount_minor > 0 else "refund",
            source=source,
            intent=intent.id,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            currency=intent.currency,
        )
        return line.id

    async def write_events(self) -> None:
        """Write what happened, with a delivery for each endpoint that wants to know."""
        if self._events:
            await event_store.emit(
                self.tx,
                self._events,
                account=self.account.name,
                api_version=self.context.settings.acquirer_api_version,
                request_id=self.call.request_id,
                idempotency_key=self.call.key,
                reorder_s=self.context.settings.acquirer_webhook_reorder_s,
            )


Act = Callable[..., Awaitable[Shown | View]]


def new_id(prefix: str) -> str:
    """An id such as pi_0123456789abcdef01234567."""
    return f"{prefix}_{secrets.token_hex(12)}"


async def execute(context: Context, call: Call, what: str, act: Act, **ids: str) -> Answer:
    """Do it once and answer; under a key that was used before, answer what was answered then.
    `what` is the kind of object that the answer shows.

    Raises `Refused` where nothing began: a parameter is wrong, the key is in use, or it was used
    for something else."""
    fingerprint_key = await context.fingerprint_key.value()
    meaning = call.meaning(fingerprint_key)
    ttl_s = context.settings.acquirer_key_ttl_s
    async with context.database.begin() as tx:
        if call.key is not None:
            if not await key_store.lock(tx, call.account, call.key):
                raise key_in_use()
            if stored := await key_store.find(tx, call.account, call.key, ttl_s):
                return _replayed(stored, meaning, call.key)
        work = Work(context, call, tx, fingerprint_key)
        answer = await _do(work, what, act, ids)
        if call.key is not None:
            result = StoredResult(meaning, answer.status, answer.body, call.request_id)
            await key_store.keep(tx, call.account, call.key, result)
    for outcome in work.charged:
        context.metrics.charged(call.account.name, outcome)
    return answer


async def _do(work: Work, what: str, act: Act, ids: dict[str, str]) -> Answer:
    paths = work.given.texts("expand")
    expand.check(what, paths)
    try:
        result = await act(work, **ids)
        shown = result if isinstance(result, dict) else view(result)
        await expand.expand(work.tx, work.account, shown, paths)
        answer = Answer(200, msgspec.json.encode(shown))
    except Refused as refused:
        if not work.has_begun:
            raise
        answer = refused.answer()
    await work.write_events()
    return broken(again=False).answer() if work.call.mode == "500" else answer


def _replayed(stored: StoredResult, meaning: bytes, key: str) -> Answer:
    if not hmac.compare_digest(stored.request_hash, meaning):
        raise key_reused(key)
    headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
    if stored.status_code >= 500:
        headers |= broken(again=False).headers
    return Answer(stored.status_code, stored.response, headers)
