"""A provider that always answers: nine charges in ten are captured, one is declined."""

import random

from gateways import (
    AttemptRef,
    Authorised,
    Capabilities,
    Capture,
    Captured,
    CapturePlace,
    Declined,
    NotFound,
    PlainCard,
    Taken,
    Voided,
)
from services.payment.connectors.mock_store import MockStore

DECLINE_CODES = ("insufficient_funds", "card_declined", "expired_card", "do_not_honor")


class Mock:
    """`seed` 0 approves at random; any other gives each key the same verdict in every run."""

    name = "mock"

    def __init__(self, store: MockStore, *, decline_rate: float, seed: int, fences: bool) -> None:
        self._store = store
        self._decline_rate = decline_rate
        self._seed = seed
        self._chance = random.Random()  # noqa: S311 - a mock, not a secret
        self.can = Capabilities(fences=fences, looks_up_by_key=True, two_phase=True)

    async def exchange(self, account: str, card: PlainCard) -> str:
        """It looks at no card."""
        del account, card
        return "pm_mock"

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """It knows an attempt by our own key."""
        del capture
        return target.gw_key

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Decide and record it; the first request under a key decides for all."""
        verdict = self.verdict(target.gw_key, target.amount_minor, target.currency)
        if isinstance(verdict, Captured) and not capture:
            verdict = Authorised(target.amount_minor, target.currency)
        return await self._store.record(verdict, target, provider=self.name)

    def verdict(
        self, gw_key: str, amount_minor: int, currency: str
    ) -> Captured | Authorised | Declined:
        """Yes or no to a key that is new."""
        # Seeded with text, Random hashes it with SHA-512: the same in every process and version.
        chance = random.Random(f"{self._seed}:{gw_key}") if self._seed else self._chance  # noqa: S311
        if chance.random() < self._decline_rate:
            return Declined(chance.choice(DECLINE_CODES))
        return Captured(amount_minor, currency)

    async def capture(self, target: AttemptRef) -> Taken | NotFound:
        """Take what is held."""
        return await self._store.capture(target.gw_key)

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """What is recorded under the key."""
        return await self._store.find(target.gw_key)

    async def void(self, target: AttemptRef) -> Taken:
        """A fencing provider remembers the void of a key it has never seen; the other kind says
        "nothing to void" and captures a charge that comes later all the same."""
        if self.can.fences:
            # The first request under a key decides, so what is held meanwhile is let go by itself.
            found = await self._store.record(Voided(), target, provider=self.name)
            if not isinstance(found, Authorised):
                return found
        released = await self._store.release(target.gw_key)
        return Voided() if isinstance(released, NotFound) else released

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Refund a capture."""
        return await self._store.refund(target.gw_key)

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """The settlement report."""
        return await self._store.captures(after, limit)

    async def close(self) -> None:
        """Close the store's connections."""
        await self._store.close()
