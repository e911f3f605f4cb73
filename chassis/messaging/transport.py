"""What a transport is: it takes messages over and says so, and it delivers each at least once.

`postgres.py` and `rabbitmq.py` are the two; one suite of tests holds both to what stands here."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from chassis.database.pool import Connection

# What a relay publishes at once, and what a consumer takes in one transaction. Two hundred
# events are the work of a tenth of a second; a crash repeats no more than that.
BATCH = 200
# Empty notifications: something was committed to an outbox; something was published.
OUTBOX_BELL, MESSAGE_BELL = "valerix_outbox", "valerix_messages"


class Unconfirmed(Exception):
    """The transport did not take a message over, or did not say so in time."""


class Outgoing(Struct, frozen=True):
    """One event on its way out."""

    event_id: UUID
    type: str
    position: int
    body: bytes


class Incoming(Struct, frozen=True):
    """One event on its way in. `place` is the transport's own name for this delivery: a position,
    or a broker's delivery tag."""

    place: int
    body: bytes


class Publisher(Protocol):
    """Publishes in the order given."""

    # Whether a batch is taken over as a whole and in its order. Where it is not, the caller
    # must not have two events of one aggregate on their way at once.
    keeps_order: bool

    async def publish(self, messages: Sequence[Outgoing]) -> dict[int, Exception | None]:
        """By position: None where the transport confirmed that very message, else why it did not.
        A message that was published before is confirmed as well."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class Subscription(Protocol):
    """The deliveries of one consumer, each until it is settled."""

    async def next(self) -> Sequence[Incoming]:
        """What is there, at most `BATCH`; waits for it so long, and returns nothing then."""
        ...

    async def settle(self, tx: Connection, handled: Sequence[Incoming]) -> None:
        """In the transaction of the effect."""
        ...

    async def acknowledge(self, handled: Sequence[Incoming]) -> None:
        """After its commit: these need not come again."""
        ...

    async def give_back(self, unhandled: Sequence[Incoming]) -> None:
        """These come again, though perhaps after later ones."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
