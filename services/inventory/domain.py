"""Reservations, stock and their state machine; no I/O."""

from typing import Literal
from uuid import UUID

import msgspec

from services.inventory.contract import State

# The database holds the same pairs and a trigger enforces them; a test compares the two.
# HELD -> REJECTED happens only inside the reserving transaction, before anyone can see HELD.
TRANSITIONS: frozenset[tuple[State, State]] = frozenset(
    {("HELD", "COMMITTED"), ("HELD", "RELEASED"), ("HELD", "REJECTED")}
)

# Who asked first: the order service, or somebody by hand.
MadeBy = Literal["order-service", "hand"]


class Reservation(msgspec.Struct, frozen=True):
    """Who holds what."""

    order_id: UUID
    state: State
    product_id: str | None
    quantity: int


class StockLevel(msgspec.Struct, frozen=True):
    """Units of one product."""

    product_id: str
    stock: int
    reserved: int
    sold: int
    total: int


class UnknownProduct(Exception):
    """Inventory has never had this product."""


class OtherReservation(Exception):
    """The order already reserved something else: a bug of the caller."""


class CannotCommit(Exception):
    """There is nothing held to commit."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


class AlreadySold(Exception):
    """What was committed cannot be released."""


class TooMany(Exception):
    """The delivery would overflow what a product can count."""
