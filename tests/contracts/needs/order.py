"""What the order service needs: goods held, sold and given back; money taken and given back; each
once an order."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from services.inventory.client import Hold, InventoryClient
from services.payment.client import (
    Cancelled,
    PaymentClient,
    PaymentDeclined,
    PaymentFenced,
    Succeeded,
    charge_key,
)
from tests.contracts.matching import match
from tests.contracts.need import DEADLINE_S, At, Need, id_of

PRODUCT, CURRENCY, AMOUNT = "PROD-001", "EUR", 1999


def payment_of(order_id: UUID | str) -> UUID:
    """The payment's id, as the order chose it."""
    return id_of(f"payment of {order_id}")


def of_inventory() -> Iterator[Need]:
    """To hold, sell and give back goods."""

    def need(what: str, state: str, verb: str, quantity: int | None, answer: Any) -> Need:
        order_id = id_of(what)
        body: dict[str, Any] = {"order_id": str(order_id)}
        if quantity is not None:
            body |= {"product_id": PRODUCT, "quantity": quantity}

        async def ask(at: At) -> Hold:
            client = InventoryClient(at.peer)
            if quantity is not None:
                found = await client.reserve(order_id, PRODUCT, quantity, deadline_s=DEADLINE_S)
            else:
                method = client.release if verb == "release" else client.commit
                found = await method(order_id, deadline_s=DEADLINE_S)
            return found.hold

        status, found, hold = answer
        if status == 200:
            found = {"order_id": str(order_id), "state": found, "product_id": match.like(PRODUCT),
                     "quantity": match.int(2)}  # fmt: skip
        else:
            found = {"code": found}
        return Need(what, state, ask, hold, "POST", f"/inventory/{verb}", status, found, body,
                    {"order_id": str(order_id)})  # fmt: skip

    yield need("hold goods", "there is stock", "reserve", 2, (200, "HELD", Hold.HELD))
    yield need("hold more than there is", "there is little stock", "reserve", 1000,
               (409, "out-of-stock", Hold.REJECTED))  # fmt: skip
    yield need("hold goods after giving them back", "the order gave its goods back", "reserve", 2,
               (409, "fenced", Hold.FENCED))  # fmt: skip
    yield need("give goods back", "the order holds goods", "release", None,
               (200, "RELEASED", Hold.RELEASED))  # fmt: skip
    yield need("sell goods", "the order holds goods", "commit", None,
               (200, "COMMITTED", Hold.COMMITTED))  # fmt: skip
    together = id_of("sell goods of several")

    async def sell(at: At) -> set[UUID] | None:
        return await InventoryClient(at.peer).commit_many([together], deadline_s=DEADLINE_S)

    order_ids = {"order_ids": [str(together)]}
    yield Need("sell goods of several", "the order holds goods", sell, {together}, "POST",
               "/inventory/commits", 200, order_ids, order_ids,
               {"order_id": str(together)})  # fmt: skip


def _payment(order_id: UUID, state: str) -> dict[str, Any]:
    attempt = {
        "leg_n": match.int(1), "n": match.int(1), "provider": match.like("mock"),
        "state": match.regex("SUCCEEDED", regex="[A-Z_]+"), "detail": None,
        "created_at": match.like("2026-11-01T10:00:00Z"),
        "updated_at": match.like("2026-11-01T10:00:00Z"),
    }  # fmt: skip
    return {
        "payment_id": str(payment_of(order_id)), "order_id": str(order_id), "state": state,
        "status": match.like("SUCCESS"), "amount_minor": AMOUNT, "currency": CURRENCY,
        "attempts": match.each_like(attempt),
    }  # fmt: skip


def of_payment(wire: str = "") -> Iterator[Need]:
    """To take money, and to give it back; of other orders on another wire."""

    def charge(what: str, state: str, status: int, answer: Any, known: type) -> Need:
        what += wire
        order_id = id_of(what)
        payment_id = payment_of(order_id)

        async def ask(at: At) -> type:
            return type(
                await PaymentClient(at.peer).charge(
                    payment_id, order_id, AMOUNT, CURRENCY, deadline_s=DEADLINE_S
                )
            )

        body = {"order_id": str(order_id), "amount_minor": AMOUNT, "currency": CURRENCY,
                "payment_id": str(payment_id)}  # fmt: skip
        found = answer(order_id) if callable(answer) else answer
        return Need(what, state, ask, known, "POST", "/payments", status, found, body,
                    {"order_id": str(order_id)},
                    {"Idempotency-Key": charge_key(order_id)})  # fmt: skip

    yield charge("take money", "the provider captures", 201,
                 lambda each: _payment(each, "SUCCEEDED"), Succeeded)  # fmt: skip
    yield charge(
        "take money that the provider declines", "the provider declines the payment", 402,
        lambda each: {"code": "payment-declined", "details": {
            "payment_id": str(payment_of(each)), "order_id": str(each),
            "decline_code": match.like("card_declined")}}, PaymentDeclined,
    )  # fmt: skip
    yield charge("take money after a cancel", "the payment was cancelled", 409,
                 {"code": "fenced"}, PaymentFenced)  # fmt: skip
    yield _refund(f"give money back{wire}")


def _refund(what: str) -> Need:
    order_id = id_of(what)
    payment_id = payment_of(order_id)

    async def ask(at: At) -> type:
        client = PaymentClient(at.peer)
        return type(await client.cancel(payment_id, order_id, "REFUND", deadline_s=DEADLINE_S))

    return Need(
        what, "the order is paid", ask, Cancelled, "POST",
        f"/payments/{payment_id}/cancel", 200, _payment(order_id, "REFUNDED"),
        {"reason": "REFUND", "order_id": str(order_id)}, {"order_id": str(order_id)},
    )  # fmt: skip
