"""A node of the search: what is decided for some accounts, and what a unit of amount costs."""

from collections.abc import Sequence
from typing import NamedTuple

from services.payment.planning.candidate import Candidate

# Prices of a unit are compared in whole numbers, this much finer than 1 / 10 000 minor unit.
FINER = 1 << 60


class Node(NamedTuple):
    """What is decided for the accounts before `at`: `taken` has a bit for each place that is in,
    the rest are sums over those."""

    bound: int = 0
    at: int = 0
    taken: int = 0
    legs: int = 0
    fixed: int = 0
    base: int = 0
    base_cost: int = 0
    prepaid: int = 0
    least: int = 0
    most: int = 0

    def left_out(self) -> "Node":
        return Node(self.bound, self.at + 1, *self[2:])

    def bounded(self, bound: int) -> "Node":
        # `_replace` costs five times as much, and this is done for every node.
        return Node(bound, *self[1:])

    def taken_in(self, each: Candidate) -> "Node":
        return Node(
            bound=self.bound,
            at=self.at + 1,
            taken=self.taken | 1 << each.position,
            legs=self.legs + 1,
            fixed=self.fixed + each.fixed,
            base=self.base + each.base,
            base_cost=self.base_cost + each.base_cost,
            prepaid=self.prepaid + each.prepaid,
            least=self.least + each.least,
            most=self.most + each.most,
        )


def unit_prices(accounts: Sequence[Candidate]) -> list[tuple[int, int, int, bool]]:
    """What a unit of amount costs at least, the cheapest first: (price, units, position, whether
    this is the price while the account is in, or while it is open). Rounded down."""
    prices = []
    for each in accounts:
        cost, units = each.spread
        prices.append((cost * FINER // units, units, each.position, False))
        prices.append((each.rate * FINER, each.most - each.prepaid, each.position, True))
    return sorted(prices)
