"""A provider that always answers: nine charges in ten are captured, one is declined."""

import random

from services.payment.connectors import Capture, CapturePlace
from services.payment.connectors.mock_store import MockStore
from services.payment.outcomes import Captured, Declined, NotFound, Refunded, Voided

DECLINE_CODES = ("insufficient_funds", "card_declined", "expired_card", "do_not_honor")


class Mock:
    """`seed` 0 approves at random; any other gives each key the same verdict in every run."""

    name = "mock"

    def __init__(self, store: MockStore, *, decline_rate: float, seed: int, fences: bool) -> None:
        self._store = store
        self._decline_rate = decline_rate
        self._seed = seed
        self._chance = random.Random()  # noqa: S311 - a mock, not a secret
        self.fences = fences

    async def charge(
        self, gw_key: str, payment_ref: str, amount_minor: int, currency: str
    ) -> Captured | Declined | Voided | Refunded:
        """Decide and record it; the first request under a key decides for all."""
        return await self._store.record(
            self.verdict(gw_key, amount_minor, currency),
            gw_key=gw_key,
            provider=self.name,
            payment_ref=payment_ref,
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
        """What is recorded under the key."""
        return await self._store.lookup(gw_key)

    async def void(self, gw_key: str, payment_ref: str) -> Captured | Declined | Voided | Refunded:
        """A fencing provider remembers the void of a key it has never seen; the other kind says
        "nothing to void" and captures a charge that comes later all the same."""
        if self.fences:
            return await self._store.record(
                Voided(), gw_key=gw_key, provider=self.name, payment_ref=payment_ref
            )
        found = await self._store.lookup(gw_key)
        return Voided() if isinstance(found, NotFound) else found

    async def refund(self, gw_key: str) -> Captured | Declined | Voided | Refunded | NotFound:
        """Refund a capture."""
        return await self._store.refund(gw_key)

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """The settlement report."""
        return await self._store.captures(after, limit)

    async def close(self) -> None:
        """Close the store's connections."""
        await self._store.close()
