"""Each guard of the protocol, the one place that turns it off, and the scene it is there for."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec

from chassis.database.pool import Connection
from chassis.http.problems import Problem
from services.inventory import contract as stock_contract
from services.inventory import store as stock
from services.order import store as orders
from services.order.domain import Order
from services.payment import contract, domain, outcomes
from services.payment import store as payments
from services.payment.domain import Payment
from tests.chaos.stage import Stage

FAILED = "SELECT status = 'FAILED' FROM orders.orders"
DECIDED = "SELECT status IN ('FAILED', 'CONFIRMED') FROM orders.orders"
Scene = Callable[[Stage], Awaitable[None]]


class Guard(msgspec.Struct, frozen=True):
    """A guard, how to be without it, its scene, and the promises that break then."""

    name: str
    off: Callable[[], AbstractContextManager[Any]]
    scene: Scene
    breaks: set[str]
    tempo: dict[str, float]


# ---- a release leaves a tombstone ----------------------------------------------------------------


def no_tombstone_on_release() -> AbstractContextManager[Any]:
    async def bury(tx: Connection, order_id: UUID) -> None:
        return None

    return patch.object(stock, "bury", bury)


async def the_reserve_arrives_after_the_release(stage: Stage) -> None:
    stage.to_stock.rules["/inventory/reserve"] = "held"
    await stage.place()
    await stage.until(FAILED)
    await stage.to_stock.arrive()
    await stage.rest()


# ---- a no is remembered --------------------------------------------------------------------------


def forgotten_rejection() -> AbstractContextManager[Any]:
    async def reject(tx: Connection, order_id: UUID) -> None:
        raise Problem(409, stock_contract.OUT_OF_STOCK, "There is not enough in stock")

    return patch.object(stock, "reject", reject)


async def the_reserve_arrives_twice_with_a_delivery_in_between(stage: Stage) -> None:
    stage.to_stock.rules["/inventory/reserve"] = "copied"
    await stage.place(quantity=30)
    await stage.until(FAILED)
    await stage.tables.execute(
        "UPDATE inventory.stock SET stock = stock + 10, total = total + 10"
        " WHERE product_id = 'PROD-003'"
    )
    await stage.to_stock.arrive()
    await stage.rest()


# ---- one provider key per attempt ----------------------------------------------------------------


def a_key_per_request() -> AbstractContextManager[Any]:
    requests = itertools.count()

    def gw_key(order_id: UUID, n: int) -> str:
        return f"ord_{order_id}:{n}:{next(requests)}"

    return patch.object(domain, "gw_key", gw_key)


async def the_answer_to_a_capture_is_lost(stage: Stage) -> None:
    stage.gateway.unheard_once = True
    await stage.place()
    await stage.until(DECIDED)
    await stage.rest()


# ---- unknown never ages into failed --------------------------------------------------------------


def silence_becomes_a_no() -> AbstractContextManager[Any]:
    def when_silent(why: str, age_s: float) -> outcomes.GatewayResult:
        return outcomes.Declined("timeout") if age_s > 0.1 else outcomes.Silence(why)

    return patch.object(outcomes, "when_silent", when_silent)


async def the_gateway_takes_the_money_and_falls_silent(stage: Stage) -> None:
    stage.gateway.unheard_once = True
    stage.gateway.mute_then = {"charge", "lookup"}
    await stage.place()
    await stage.until(DECIDED, patience_s=1.0)
    await stage.look()
    stage.gateway.speak()
    await stage.rest()


# ---- a cancel is acknowledged only when it is over -----------------------------------------------


def acknowledged_at_once() -> AbstractContextManager[Any]:
    return patch.object(contract, "cancel_is_acknowledged", lambda _state: True)


async def the_gateway_takes_the_money_and_cannot_be_reached_to_undo_it(stage: Stage) -> None:
    stage.gateway.unheard_once = True
    stage.gateway.mute_then = {"charge", "lookup", "void", "refund"}
    await stage.place()
    await stage.until(FAILED, patience_s=1.5)
    await stage.look()
    stage.gateway.speak()
    await stage.rest()


# ---- a cancel of an unknown payment leaves a tombstone -------------------------------------------


def no_tombstone_on_cancel() -> AbstractContextManager[Any]:
    async def plant(
        tx: Connection, order_id: UUID, *, reason: str, traceparent: str | None
    ) -> Payment | None:
        if await payments.lock(tx, order_id) is not None:
            return None
        return Payment(order_id, state="CANCELLED", cancel_reason=reason)

    return patch.object(payments, "plant_tombstone", plant)


async def the_charge_arrives_after_the_cancel(stage: Stage) -> None:
    stage.to_till.rules["/payments"] = "held"
    await stage.place()
    await stage.until(FAILED)
    await stage.to_till.arrive()
    await stage.rest()


# ---- one decision, by compare-and-set ------------------------------------------------------------


def blind_writes() -> AbstractContextManager[Any]:
    move = orders.move

    async def move_whatever_it_is_now(
        c: Connection, order: Order, *to: Any, **how: Any
    ) -> Order | None:
        now = await orders.find(c, order.id)
        return await move(c, msgspec.structs.replace(order, version=now.version), *to, **how)

    return patch.object(orders, "move", move_whatever_it_is_now)


async def a_cancel_overtakes_the_answer_to_the_charge(stage: Stage) -> None:
    stage.to_till.rules["/payments"] = "answer-held"
    placing = asyncio.create_task(stage.place())
    await stage.until("SELECT count(*) = 1 FROM payments.payments WHERE state = 'SUCCEEDED'")
    await stage.door.cancel(await stage.order_id())
    await stage.until(FAILED)
    stage.to_till.let_go.set()
    await placing
    await stage.rest()


async def the_same_without_the_database_guarding_transitions(stage: Stage) -> None:
    # The trigger refuses what a lost race would write, so both guards must be off to see one.
    await stage.tables.execute("ALTER TABLE orders.orders DISABLE TRIGGER guard_order")
    await a_cancel_overtakes_the_answer_to_the_charge(stage)


HURRIED = {"order_deadline_s": 0.3}
PATIENT = {"peer_deadline_s": 5.0, "request_budget_s": 6.0, "order_lease_s": 8.0}

GUARDS = (
    Guard(
        "tombstone on release",
        no_tombstone_on_release,
        the_reserve_arrives_after_the_release,
        {"I5"},
        HURRIED,
    ),
    Guard(
        "remembered REJECTED",
        forgotten_rejection,
        the_reserve_arrives_twice_with_a_delivery_in_between,
        {"I5"},
        {},
    ),
    Guard(
        "provider key per attempt",
        a_key_per_request,
        the_answer_to_a_capture_is_lost,
        {"I3"},
        {},
    ),
    Guard(
        "UNKNOWN never ages into FAILED",
        silence_becomes_a_no,
        the_gateway_takes_the_money_and_falls_silent,
        {"I5"},
        {},
    ),
    Guard(
        "cancel acknowledged before stock is released",
        acknowledged_at_once,
        the_gateway_takes_the_money_and_cannot_be_reached_to_undo_it,
        {"I5"},
        HURRIED,
    ),
    Guard(
        "tombstone on cancelling an unknown payment",
        no_tombstone_on_cancel,
        the_charge_arrives_after_the_cancel,
        {"I5"},
        HURRIED,
    ),
    Guard(
        "compare-and-set on the version",
        blind_writes,
        the_same_without_the_database_guarding_transitions,
        {"I4", "I8"},
        PATIENT,
    ),
)
ON: Callable[[], AbstractContextManager[Any]] = nullcontext
