"""Each guard of the protocol, the one place that turns it off, and the scene it is there for."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from chassis.http.problems import Problem
from chassis.identity.caller import Caller
from gateways import Declined
from services.inventory import contract as stock_contract
from services.inventory import store as stock
from services.inventory.domain import MadeBy
from services.order import routes as order_routes
from services.order import store as orders
from services.order.domain import Order
from services.payment import asking, contract, intents, outcomes, settlement
from services.payment import client as payment_client
from services.payment import store as payments
from services.payment.domain import Attempt, Payment
from services.wallet import hold_store as holds
from services.wallet.domain import WalletHold
from tests.chaos.scripted import ScriptedShop
from tests.harness.stock import delivery

FAILED = "SELECT status = 'FAILED' FROM orders.orders"
DECIDED = "SELECT status IN ('FAILED', 'CONFIRMED') FROM orders.orders"
Scene = Callable[[ScriptedShop], Awaitable[None]]


class Guard(msgspec.Struct, frozen=True):
    """A guard, how to be without it, its scene, and the promises that break then; the scene by
    itself breaks `scene_breaks`."""

    name: str
    off: Callable[[], AbstractContextManager[Any]]
    scene: Scene
    breaks: set[str]
    timing: dict[str, float] = {}
    scene_breaks: frozenset[str] = frozenset()


# ---- a release leaves a tombstone ----------------------------------------------------------------


def no_tombstone_on_release() -> AbstractContextManager[Any]:
    async def bury(tx: Connection, order_id: UUID, made_by: MadeBy) -> None:
        return None

    return patch.object(stock, "bury", bury)


async def the_reserve_arrives_after_the_release(shop: ScriptedShop) -> None:
    shop.to_stock.rules["/inventory/reserve"] = "held"
    await shop.place()
    await shop.run_out_of_time(lambda: shop.to_stock.on_their_way)
    await shop.until(FAILED)
    await shop.to_stock.arrive()
    await shop.rest()


# ---- a no is remembered --------------------------------------------------------------------------


def forgotten_rejection() -> AbstractContextManager[Any]:
    async def reject(tx: Connection, order_id: UUID) -> None:
        raise Problem(409, stock_contract.OUT_OF_STOCK, "There is not enough in stock")

    return patch.object(stock, "reject", reject)


async def the_reserve_arrives_twice_with_a_delivery_in_between(shop: ScriptedShop) -> None:
    shop.to_stock.rules["/inventory/reserve"] = "copied"
    await shop.place(quantity=30)
    await shop.until(FAILED)
    await shop.tables.execute(delivery(10, where="product_id = 'PROD-003'"))
    await shop.to_stock.arrive()
    await shop.rest()


# ---- a unit moves together with its line in the stock ledger -------------------------------------


def sold_without_a_line() -> AbstractContextManager[Any]:
    alone = statement(
        text(
            "UPDATE inventory.stock SET reserved = reserved - :units ::int,"
            " sold = sold + :units ::int WHERE product_id = :product"
        )
    )
    together = statement(
        text(
            "WITH sold AS (UPDATE inventory.reservations SET state = 'COMMITTED'"
            " WHERE order_id = ANY(:orders ::uuid[]) AND state = 'HELD' RETURNING *), moved AS ("
            " UPDATE inventory.stock s SET reserved = reserved - quantity, sold = s.sold + quantity"
            " FROM sold WHERE s.product_id = sold.product_id) SELECT order_id FROM sold"
        )
    )
    return patch.multiple(stock, _SELL=alone, _SELL_MANY=together)


async def an_order_is_confirmed(shop: ScriptedShop) -> None:
    await shop.place()
    await shop.until(DECIDED)
    await shop.rest()


# ---- one provider key per attempt ----------------------------------------------------------------


def a_key_per_request() -> AbstractContextManager[Any]:
    requests, call = itertools.count(), asking._call  # noqa: SLF001 - where a key is sent

    def under_a_key_of_its_own(c: Any, payment_id: UUID, attempt: Attempt, what: Any) -> Any:
        key = f"{attempt.gw_key}:{next(requests)}"
        return call(c, payment_id, msgspec.structs.replace(attempt, gw_key=key), what)

    return patch.object(asking, "_call", under_a_key_of_its_own)


async def the_answer_to_a_capture_is_lost(shop: ScriptedShop) -> None:
    shop.gateway.unheard_once = True
    await shop.place()
    await shop.until(DECIDED)
    await shop.rest()


# ---- unknown never ages into failed --------------------------------------------------------------


def silence_becomes_a_no() -> AbstractContextManager[Any]:
    settle, silent_since = settlement.settle, dict[UUID, float]()

    async def settle_by_age(*first: Any, **more: Any) -> Payment:
        *same, attempt, result = first
        if isinstance(result, outcomes.Silence):
            now = time.monotonic()
            if now - silent_since.setdefault(attempt.payment_id, now) > 0.1:
                result = Declined("timeout")
        return await settle(*same, attempt, result, **more)

    return patch.object(settlement, "settle", settle_by_age)


async def the_gateway_takes_the_money_and_falls_silent(shop: ScriptedShop) -> None:
    shop.gateway.unheard_once = True
    shop.gateway.mute_then = {"charge", "lookup"}
    await shop.place()
    await shop.until_if_unguarded(DECIDED)
    await shop.look()
    shop.gateway.speak()
    await shop.rest()


# ---- a cancel is acknowledged only when it is over -----------------------------------------------


def acknowledged_at_once() -> AbstractContextManager[Any]:
    return patch.object(contract, "cancel_is_acknowledged", lambda _state: True)


async def the_gateway_takes_the_money_and_cannot_be_reached_to_undo_it(shop: ScriptedShop) -> None:
    shop.gateway.unheard_once = True
    shop.gateway.mute_then = {"charge", "lookup", "void", "refund"}
    await shop.place()
    await shop.run_out_of_time(lambda: not shop.gateway.unheard_once)
    await shop.until_if_unguarded(FAILED)
    await shop.look()
    shop.gateway.speak()
    await shop.rest()


# ---- a cancel of an unknown payment leaves a tombstone -------------------------------------------


def no_tombstone_on_cancel() -> AbstractContextManager[Any]:
    async def plant(
        tx: Connection, payment_id: UUID, order_id: UUID, *, reason: str, **who: str | None
    ) -> Payment | None:
        del who
        if await payments.lock(tx, payment_id) is not None:
            return None
        return Payment(payment_id, order_id, state="CANCELLED", cancel_reason=reason)

    return patch.object(intents, "plant_tombstone", plant)


async def the_charge_arrives_after_the_cancel(shop: ScriptedShop) -> None:
    shop.to_payment.rules["/payments"] = "held"
    await shop.place()
    await shop.run_out_of_time(lambda: shop.to_payment.on_their_way)
    await shop.until(FAILED)
    await shop.to_payment.arrive()
    await shop.rest()


# ---- a void of an unknown hold leaves a tombstone ------------------------------------------------


def no_tombstone_on_void() -> AbstractContextManager[Any]:
    async def plant(tx: Connection, key: str, placed_by: str) -> WalletHold | None:
        if await holds.lock(tx, key) is not None:
            return None
        now = datetime.now(UTC)
        return WalletHold(
            hold_key=key, state="VOIDED", user_id=None, amount_minor=None, currency=None,
            reference=None, reason=None, transaction_id=None, placed_by=placed_by,
            created_at=now, updated_at=now,
        )  # fmt: skip

    return patch.object(holds, "plant_tombstone", plant)


async def the_hold_arrives_after_its_void(shop: ScriptedShop) -> None:
    shop.to_wallets.rules["PUT"] = "held"
    await shop.place(wallet_id="alice")
    await shop.run_out_of_time(lambda: shop.to_wallets.on_their_way)
    await shop.until(FAILED)
    await shop.to_wallets.arrive()
    await shop.rest()


# ---- a leg is written together with why it goes to its provider ----------------------------------


def opened_without_a_decision() -> AbstractContextManager[Any]:
    begin, end = "decided AS (", "FROM opened) INSERT"
    written = str(intents.OPEN_SQL)
    decided = written[written.index(begin) : written.index(end)]
    without = written.replace(decided, "decided AS (SELECT :kind ::text, :why ::text,"
                              " :inputs ::jsonb ")  # fmt: skip
    return patch.object(intents, "_OPEN", statement(text(without)))


# ---- one decision, by compare-and-set ------------------------------------------------------------


def blind_writes() -> AbstractContextManager[Any]:
    move = orders.move

    async def move_whatever_it_is_now(
        c: Connection, order: Order, *to: Any, **how: Any
    ) -> Order | None:
        now = await orders.find(c, order.id)
        return await move(c, msgspec.structs.replace(order, version=now.version), *to, **how)

    return patch.object(orders, "move", move_whatever_it_is_now)


async def a_cancel_overtakes_the_answer_to_the_charge(shop: ScriptedShop) -> None:
    shop.to_payment.rules["/payments"] = "answer-held"
    placing = asyncio.create_task(shop.place())
    await shop.until("SELECT count(*) = 1 FROM payments.payments WHERE state = 'SUCCEEDED'")
    await shop.door.cancel(await shop.order_id())
    await shop.until(FAILED)
    shop.to_payment.let_go.set()
    await placing
    await shop.rest()


async def the_same_without_the_database_guarding_transitions(shop: ScriptedShop) -> None:
    # A trigger refuses what a lost race would write, and an order has the event of one end alone:
    # all guards must be off to see one.
    for trigger in ("guard_order", "emit_ended_order"):
        await shop.tables.execute(f"ALTER TABLE orders.orders DISABLE TRIGGER {trigger}")
    await a_cancel_overtakes_the_answer_to_the_charge(shop)


# ---- the owner goes with the charge --------------------------------------------------------------


def charged_for_nobody() -> AbstractContextManager[Any]:
    return patch.object(payment_client, "_owner", lambda _owner: UNSET)


async def a_shopper_s_order_is_confirmed(shop: ScriptedShop) -> None:
    shopper = Caller("alice", frozenset({"shopper"}))
    with patch.object(order_routes, "caller_of", lambda _request: shopper):
        await shop.place()
    await shop.until(DECIDED)
    await shop.rest()


PATIENT = {"peer_deadline_s": 5.0, "request_budget_s": 6.0, "order_lease_s": 8.0}

# The gateway has time to take the money before its silence counts, on a busy machine too.
GENEROUS = {"payment_gateway_timeout_s": 1.0}

GUARDS = (
    Guard(
        "tombstone on release",
        no_tombstone_on_release,
        the_reserve_arrives_after_the_release,
        {"I5"},
    ),
    Guard(
        "remembered REJECTED",
        forgotten_rejection,
        the_reserve_arrives_twice_with_a_delivery_in_between,
        {"I5"},
    ),
    Guard(
        "stock ledger",
        sold_without_a_line,
        an_order_is_confirmed,
        {"I21", "I2"},
    ),
    Guard(
        "decision with its leg",
        opened_without_a_decision,
        an_order_is_confirmed,
        {"I28"},
    ),
    Guard(
        "owner with the charge",
        charged_for_nobody,
        a_shopper_s_order_is_confirmed,
        {"I31"},
    ),
    Guard(
        "provider key per attempt",
        a_key_per_request,
        the_answer_to_a_capture_is_lost,
        {"I3"},
    ),
    Guard(
        "UNKNOWN never ages into FAILED",
        silence_becomes_a_no,
        the_gateway_takes_the_money_and_falls_silent,
        {"I5"},
        GENEROUS,
    ),
    Guard(
        "cancel acknowledged before stock is released",
        acknowledged_at_once,
        the_gateway_takes_the_money_and_cannot_be_reached_to_undo_it,
        {"I5"},
    ),
    Guard(
        "tombstone on cancelling an unknown payment",
        no_tombstone_on_cancel,
        the_charge_arrives_after_the_cancel,
        {"I5"},
    ),
    Guard(
        "tombstone on the void of an unknown hold",
        no_tombstone_on_void,
        the_hold_arrives_after_its_void,
        {"W8"},
    ),
    Guard(
        "compare-and-set on the version",
        blind_writes,
        the_same_without_the_database_guarding_transitions,
        {"I4", "I8"},
        PATIENT,
        frozenset({"I30", "E1"}),  # triggers are off
    ),
)
ON: Callable[[], AbstractContextManager[Any]] = nullcontext
