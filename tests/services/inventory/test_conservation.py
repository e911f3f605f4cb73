"""Whatever is asked in whatever order: units are neither lost nor made, and answers are kept."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from chassis.database.pool import Database
from services.inventory.domain import AlreadySold, CannotCommit, OtherReservation
from tests.harness.serving import settings_of
from tests.services.inventory.shelf import Shelf

_numbers = itertools.count(1)


class World:
    """One event loop and one pool for all examples."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.pool = Database(settings_of("inventory", url))
        self.eyes: asyncpg.Connection = self.runner.run(asyncpg.connect(url))

    def close(self) -> None:
        """End it."""
        self.runner.run(self.eyes.close())
        self.runner.run(self.pool.close())
        self.runner.close()


@pytest.fixture
def world(module_database: str) -> Iterator[World]:
    """The place where every example plays."""
    world = World(module_database)
    yield world
    world.close()


class Inventory(RuleBasedStateMachine):
    """The model: what each order holds, against the real tables."""

    world: World
    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        product_id = f"MODEL-{next(_numbers)}"
        self.total = 10
        self.held: dict[UUID, tuple[str, int]] = {}
        self._run(
            self.world.eyes.execute(
                "INSERT INTO inventory.stock (product_id, total, stock) VALUES ($1, 10, 10)",
                product_id,
            )
        )
        self.shelf = Shelf(self.world.pool, self.world.eyes, product_id)

    def _run(self, work: Awaitable[Any]) -> Any:
        return self.world.runner.run(work)

    @property
    def free(self) -> int:
        taken = sum(n for state, n in self.held.values() if state in ("HELD", "COMMITTED"))
        return self.total - taken

    @rule(target=orders)
    def order(self) -> UUID:
        return uuid4()

    @rule(order_id=orders, quantity=st.integers(1, 6))
    def reserve(self, order_id: UUID, quantity: int) -> None:
        known = self.held.get(order_id)
        if known is not None and known[1] not in (0, quantity):
            with pytest.raises(OtherReservation):
                self._run(self.shelf.reserve(order_id, quantity))
            return
        if known is None:
            state = "HELD" if quantity <= self.free else "REJECTED"
            known = self.held[order_id] = (state, quantity)
        assert self._run(self.shelf.reserve(order_id, quantity)).state == known[0]

    @rule(order_id=orders)
    def release(self, order_id: UUID) -> None:
        state, quantity = self.held.get(order_id, ("RELEASED", 0))
        if state == "COMMITTED":
            with pytest.raises(AlreadySold):
                self._run(self.shelf.release(order_id))
            return
        state = "RELEASED" if state == "HELD" else state
        self.held[order_id] = (state, quantity)
        assert self._run(self.shelf.release(order_id)).state == state

    @rule(order_id=orders)
    def commit(self, order_id: UUID) -> None:
        state, quantity = self.held.get(order_id, ("NOTHING", 0))
        if state not in ("HELD", "COMMITTED"):
            with pytest.raises(CannotCommit):
                self._run(self.shelf.commit(order_id))
            return
        self.held[order_id] = ("COMMITTED", quantity)
        assert self._run(self.shelf.commit(order_id)).state == "COMMITTED"

    @rule(quantity=st.integers(1, 5))
    def restock(self, quantity: int) -> None:
        self.total += quantity
        assert self._run(self.shelf.restock(quantity)).total == self.total

    @invariant()
    def units_are_where_the_reservations_say(self) -> None:
        def units(state: str) -> int:
            return sum(n for s, n in self.held.values() if s == state)

        expected = (self.free, units("HELD"), units("COMMITTED"))
        assert self._run(self.shelf.units()) == expected


def test_units_are_conserved_through_any_story(world: World):
    Inventory.world = world
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Inventory,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
