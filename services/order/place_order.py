"""POST /orders from key to answer: commit the intent, drive while time is left, keep the answer."""

import asyncio
import logging
import time
from uuid import UUID

import msgspec
from msgspec import UNSET

from chassis.database.pool import CommitUnknown, Connection, Database, DatabaseTrouble
from chassis.http.problems import Problem
from chassis.idempotency import Key, StoredKey, request_hash
from chassis.identity.caller import ANONYMOUS
from chassis.ids import new_id
from chassis.telemetry.context import current_traceparent, remaining_s, span_now
from services.order import store
from services.order.checkout import Checkout
from services.order.contract import PlaceOrder
from services.order.domain import NotForSale, Order
from services.order.metrics import OrderMetrics
from services.order.reconciler import Reconciler
from services.order.settings import OrderSettings
from services.order.store import KEYS
from services.order.views import order_view

logger = logging.getLogger(__name__)

ROUTE = "/orders"
# Between two tries to keep an answer: a lost connection is replaced within milliseconds.
_KEEP_AGAIN_S = 0.1
# A database that is away for longer is better told to the caller, who will ask again.
_KEEP_FOR_S = 1.0
# What those who show no token are called together, as scope and hash of a key have it.
_ANYBODY = "public"


class Reply(msgspec.Struct, frozen=True):
    """A response in the form it is stored: status, bytes, and the order it is about."""

    status_code: int
    body: bytes
    order_id: UUID | None
    replayed: bool = False


class OrderPlacement:
    """Turns a PlaceOrder into an answer that is true and stays true."""

    def __init__(
        self,
        database: Database,
        checkout: Checkout,
        reconciler: Reconciler,
        settings: OrderSettings,
        metrics: OrderMetrics,
    ) -> None:
        self._database = database
        self._checkout = checkout
        self._reconciler = reconciler
        self._settings = settings
        self._metrics = metrics

    async def place(self, command: PlaceOrder, key_text: str | None, owner: str) -> Reply:
        """Place an order of `owner`, or answer again what was answered under this key, which is the
        owner's alone. Raises `Problem`."""
        budget_s = self._settings.request_budget_s
        if (left_s := remaining_s()) is not None:
            budget_s = min(budget_s, left_s)
        until = time.monotonic() + budget_s
        key = None
        if key_text is not None:
            key = _key(command, key_text, owner)
        order_id = new_id()
        try:
            placed = await self._commit_intent(order_id, command, key, owner)
        except NotForSale:
            return await self._no_such_product(command, key, order_id, until)
        if isinstance(placed, StoredKey):
            note_order(placed.entity_id)
            return await self._again(placed, until)
        # Before the long part, so that the order's trace can be found however that ends.
        note_order(placed.id)
        order = await self._checkout.drive_for_caller(placed, until=until)
        reply = _reply(order)
        if key is not None:
            reply = await self._keep(key, reply, until)
        outcome = _outcome(reply)
        self._metrics.answered(outcome)
        note_order(order.id, outcome)
        if order.status == "CONFIRMED":
            self._reconciler.hand_over(order)
        return reply

    async def _commit_intent(
        self, order_id: UUID, command: PlaceOrder, key: Key | None, owner: str
    ) -> Order | StoredKey:
        """Rule R1: the key and the order in one transaction, before anyone else is asked."""
        if key is None:
            async with self._database.connect() as connection:
                return await self._insert(connection, order_id, command, owner)
        try:
            async with self._database.begin() as tx:
                taken = await KEYS.claim(tx, key, order_id, lock_s=self._settings.order_lease_s)
                return taken or await self._insert(tx, order_id, command, owner)
        except CommitUnknown:
            # The key tells whether it was committed; if it cannot be read, the caller asks again.
            if (order := await self._committed(order_id, key)) is None:
                raise
            return order

    async def _committed(self, order_id: UUID, key: Key) -> Order | None:
        """The order, if its intent is in the database under the key."""
        async with self._database.connect() as connection:
            stored = await KEYS.find(connection, key)
            if stored is None or stored.entity_id != order_id:
                return None
            return await store.find(connection, order_id)

    async def _insert(
        self, connection: Connection, order_id: UUID, command: PlaceOrder, owner: str
    ) -> Order:
        return await store.place(
            connection, order_id, new_id(), command.product_id, command.quantity,
            lease_s=self._settings.order_lease_s, deadline_s=self._settings.order_deadline_s,
            traceparent=current_traceparent(), wallet_id=wallet_of(command), owner=owner,
        )  # fmt: skip

    async def _keep(self, key: Key, reply: Reply, until: float) -> Reply:
        """The answer that stands under the key: this one, or the one that was kept before it.

        No answer is given before it is kept: a repeat could get another one. Whether a lost
        statement kept it is seen by asking again, while there is time."""
        until = min(until, time.monotonic() + _KEEP_FOR_S)
        while True:
            try:
                async with self._database.connect() as connection:
                    kept = await KEYS.keep(connection, key, reply.status_code, reply.body)
                return Reply(*kept, reply.order_id)
            except DatabaseTrouble as error:
                why = type(error).__name__
            if time.monotonic() + _KEEP_AGAIN_S >= until:
                extra = {"order_id": str(reply.order_id)}
                logger.warning("an answer was not kept: %s", why, extra=extra)
                raise Problem(
                    500, "outcome-unknown",
                    "The order is accepted, but its answer could not be kept: ask again with the "
                    "same key",
                    details={"order_id": reply.order_id}, retryable=True,
                    headers={"Location": f"/orders/{reply.order_id}", "Retry-After": "1"},
                )  # fmt: skip
            await asyncio.sleep(_KEEP_AGAIN_S)

    async def _no_such_product(
        self, command: PlaceOrder, key: Key | None, order_id: UUID, until: float
    ) -> Reply:
        problem = Problem(
            404, "product-not-found", "There is no such product",
            details={"product_id": command.product_id},
        )  # fmt: skip
        self._metrics.answered("failed")
        reply = Reply(404, problem.body(), None)
        if key is None:
            return reply
        async with self._database.begin() as tx:
            taken = await KEYS.claim(tx, key, order_id, lock_s=0.0)
            if taken is None:
                await KEYS.disown(tx, key, order_id)
                await KEYS.keep(tx, key, reply.status_code, reply.body)
        return reply if taken is None else await self._again(taken, until)

    async def _again(self, stored: StoredKey, until: float) -> Reply:
        first = stored.replay()
        if isinstance(first, tuple):
            return Reply(*first, stored.entity_id, replayed=True)
        # What is answered now is the key's answer from here on.
        async with self._database.connect() as connection:
            order = await store.find(connection, first)
        return await self._keep(stored.key, _accepted(order), until)


def note_order(order_id: UUID | None, outcome: str = "") -> None:
    """Record on the request's span which order it was about, and how that ended."""
    work = span_now.get()
    if work is not None and order_id is not None:
        work.attributes["valerix.order.id"] = str(order_id)
        if outcome:
            work.attributes["valerix.outcome"] = outcome


def wallet_of(command: PlaceOrder) -> str | None:
    """Whose wallet pays; None for none."""
    method = command.payment_method
    return None if method is UNSET else method.wallet.wallet_id


def _key(command: PlaceOrder, key_text: str, owner: str) -> Key:
    """The key in its owner's scope: another's of the same name is another key."""
    caller = _ANYBODY if owner == ANONYMOUS.subject else f"of {owner}"
    return Key(f"POST {ROUTE} {caller}", key_text, request_hash("POST", ROUTE, caller, command))


def _reply(order: Order) -> Reply:
    if order.status == "CONFIRMED":
        return Reply(201, msgspec.json.encode(order_view(order)), order.id)
    problem = _refusal(order)
    if problem is not None:
        return Reply(problem.status, problem.body(), order.id)
    return _accepted(order)


def _accepted(order: Order) -> Reply:
    """What is true of every order at any time: it is accepted, and this is how it stands."""
    return Reply(202, msgspec.json.encode(order_view(order)), order.id)


def _refusal(order: Order) -> Problem | None:
    """The refusal this order's end is; CANCELLING for a decline can only end FAILED."""
    details = {"order_id": order.id, "status": order.status, "reason": order.reason}
    if order.status == "FAILED" and order.reason == "OUT_OF_STOCK":
        return Problem(409, "out-of-stock", "There is not enough in stock", details=details)
    if order.reason == "PAYMENT_DECLINED":
        return Problem(402, "payment-declined", "The payment was declined", details=details)
    if order.status == "FAILED":
        return Problem(409, "order-failed", order.message, details=details)
    return None


def _outcome(reply: Reply) -> str:
    by_status = {201: "confirmed", 202: "degraded", 402: "declined"}
    if reply.status_code == 409 and b'"out-of-stock"' in reply.body:
        return "out_of_stock"
    return by_status.get(reply.status_code, "failed")
