"""Customers who order, are cut off, ask again or cancel, and remember every answer."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from chassis.outcome import CallResult, Outcome
from services.order.client import OrderClient

PRODUCTS = ("PROD-001", "PROD-002", "PROD-003")
_TRIES = 4


class Word(msgspec.Struct, frozen=True):
    """One answer that claims something: its status, its code, and the order it is about."""

    status: int
    code: str
    order_id: UUID | None


class Wish(msgspec.Struct):
    """One order somebody wants, under one key, with everything that was said about it."""

    key: str
    product_id: str
    quantity: int
    answered: list[Word] = msgspec.field(default_factory=list)
    cancel_answer: list[Word] = msgspec.field(default_factory=list)
    last_bytes: list[bytes] = msgspec.field(default_factory=list)

    @property
    def order_id(self) -> UUID | None:
        """The order this wish became, as far as anyone said."""
        return next((word.order_id for word in self.answered if word.order_id), None)


class _Body(msgspec.Struct):
    """The parts of an OrderView or of a problem that name the order."""

    order_id: UUID | None = None
    status: Any = None
    code: str = ""
    details: Any = None


class Customer:
    """Orders one thing after another through any door, with a patience of a few tries each."""

    def __init__(self, name: str, chance: random.Random, doors: Sequence[OrderClient]) -> None:
        self._name = name
        self._chance = chance
        self._doors = doors
        self.wishes: list[Wish] = []

    async def shop(self, orders: int) -> None:
        """Place this many orders; some twice at once, some cancelled, some given up."""
        for number in range(orders):
            wish = Wish(
                f"{self._name}-order-number-{number:03d}",
                self._chance.choice(PRODUCTS),
                self._chance.randint(1, 3),
            )
            self.wishes.append(wish)
            retries = 2 if self._chance.random() < 0.1 else 1
            await asyncio.gather(*(self._insist(wish) for _ in range(retries)))
            if self._chance.random() < 0.25:
                await self._cancel(wish)

    async def _insist(self, wish: Wish) -> None:
        for _ in range(_TRIES):
            if await self.ask(wish) and self._chance.random() < 0.8:
                return
            await asyncio.sleep(self._chance.uniform(0.01, 0.1))

    async def ask(self, wish: Wish) -> bool:
        """Send the wish once; whether the answer settles what to think of it."""
        door = self._chance.choice(self._doors)
        answer = await door.place(wish.product_id, wish.quantity, key=wish.key)
        if answer.outcome not in (Outcome.OK, Outcome.DEFINITE_NO):
            return False
        wish.answered.append(_word(answer))
        wish.last_bytes.append(answer.body)
        return True

    async def _cancel(self, wish: Wish) -> None:
        if wish.order_id is None:
            return
        answer = await self._chance.choice(self._doors).cancel(wish.order_id)
        if answer.outcome in (Outcome.OK, Outcome.DEFINITE_NO):
            wish.cancel_answer.append(_word(answer))


def _word(answer: CallResult) -> Word:
    body = msgspec.json.decode(answer.body, type=_Body)
    order_id = body.order_id
    if order_id is None and isinstance(body.details, dict) and "order_id" in body.details:
        order_id = UUID(body.details["order_id"])
    return Word(answer.status, body.code, order_id)
