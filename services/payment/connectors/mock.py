"""A provider that always answers: nine charges in ten are captured, one is declined."""

import random
from datetime import datetime

from services.payment.connectors import Capture
from services.payment.connectors.mock_store import MockStore
from services.payment.outcomes import Captured, Declined, NotFound, Refunded, Voided

DECLINE_CODES = ("insufficient_funds", "card_declined", "expired_card", "do_not_honor")


class Mock:
    """`seed` 0 approves at random; any other gives every key the same verdict in every run."""

    name = "mock"

    def __init__(self, book: MockStore, *, decline_rate: float, seed: int, fences: bool) -> None:
        self._book = book
        self._decline_rate = decline_rate
        self._seed = seed
        self._chance = random.Random()  # noqa: S311 - a make-believe bank, not a secret
        self.fences = fences

    async def charge(
        self, gw_key: str, order_ref: str, amount_minor: int, currency: str
    ) -> Captured | Declined | Voided | Refunded:
        """Decide and write it down; the first request under a key decides for all."""
        return await self._book.enter(
            self.verdict(gw_key, amount_minor, currency),
            gw_key=gw_key,
            provider=self.name,
            order_ref=order_ref,
            amount_minor=amount_minor,
            currency=currency,
        )

    def verdict(self, gw_key: str, amount_minor: int, currency: str) -> Captured | Declined:
        """Yes or no to a key that is new."""
        # Seeded with text, Random hashes it with SHA-512: the same in every process and version.
        chance = random.Random(f"{self._seed}:{gw_key}") if self._seed else self._chance  # noqa: S311
        if chance.random() < self._decline_rate:
            return Declined(chance.choice(DECLINE_CODES))
        return Captured(amount_minor, currency)

    async def lookup(self, gw_key: str) -> Captured | Declined | Voided | Refunded | NotFound:
        """What stands in the book."""
        return await self._book.lookup(gw_key)

    async def void(self, gw_key: str, order_ref: str) -> Captured | Declined | Voided | Refunded:
        """A fencing provider remembers the void of a key it has never seen; the other kind says
        "nothing to void" and captures a charge that comes later all the same."""
        if self.fences:
            return await self._book.enter(
                Voided(), gw_key=gw_key, provider=self.name, order_ref=order_ref
            )
        found = await self._book.lookup(gw_key)
        return Voided() if isinstance(found, NotFound) else found

    async def refund(self, gw_key: str) -> Captured | Declined | Voided | Refunded | NotFound:
        """Give a capture back."""
        return await self._book.refund(gw_key)

    async def captures(self, since: datetime | None, limit: int) -> list[Capture]:
        """The settlement report."""
        return await self._book.captures(since, limit)

    async def close(self) -> None:
        """Close the book."""
        await self._book.close()
