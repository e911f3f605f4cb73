"""One account as the search sees it, and how much work the search may do."""

import msgspec

from services.payment.planning.fees import BASIS_POINTS, largest_amount, percentage_fee
from services.payment.planning.terms import ProviderTerms


class Candidate(msgspec.Struct, frozen=True):
    """An account's terms as numbers. `position` is its place in the list; `least` and `most` bound
    a leg of this payment. Every leg pays `base`, the percentage of the least amount in minor units,
    which covers the amount `prepaid` as well; without rounding that costs `base_cost` / 10 000 at
    least, and each unit beyond it `rate` / 10 000."""

    position: int
    rate: int
    fixed: int
    least: int
    most: int
    base: int
    prepaid: int
    base_cost: int

    @classmethod
    def of(cls, position: int, terms: ProviderTerms, amount: int) -> "Candidate":
        rate, least = terms.fee_basis_points, terms.minimum_minor
        most = min(terms.most_minor, amount)
        base = percentage_fee(least, rate)
        prepaid = min(most, largest_amount(base, rate)) if rate else most
        base_cost = base * BASIS_POINTS if prepaid == most else rate * prepaid
        return cls(position, rate, terms.fee_fixed_minor, least, most, base, prepaid, base_cost)

    @property
    def spread(self) -> tuple[int, int]:
        """The least that a unit of amount can cost here, fixed fee included, as a fraction of
        1 / 10 000 minor unit: the whole fee of the largest leg, spread over its amount."""
        percentage = max(self.base * BASIS_POINTS, self.rate * self.most)
        return self.fixed * BASIS_POINTS + percentage, self.most


class EffortSpent(Exception):
    """The search has done all the work that it may."""


class Effort:
    """Counts the steps of one search and ends it."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise EffortSpent
