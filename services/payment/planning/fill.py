"""The cheapest division of an amount over accounts that all take part, exact in minor units.

Which accounts take part is decided by `search.py`; so fixed fees are settled, and only percentages,
each rounded up, are left to weigh. Accounts come sorted by percentage, then by their place.

**Without the rounding** it is easy: everybody gets the least it takes, the rest goes to the lowest
percentages first. Nothing beats that, since moving a unit from a lower percentage to a higher one
never saves. So its cost, rounded up once to a whole minor unit, is a lower bound of every division.
It is sharpened a little: a leg pays at least the rounded percentage of its least amount, so what
this covers counts as paid, and only what goes beyond it costs its percentage.

**With the rounding** the same greedy division costs less than one minor unit a leg more than
the bound, because each leg loses less than one by rounding. If it meets the bound, it is optimal,
and done; otherwise each total from the bound up to it is tried until a division is found.

**Is a total enough?** Give a leg the largest amount it may have, then the largest amount for one
minor unit of fee less, and so on; in between no amount is of use, since it would leave more to
the others for the same fee. For each of these, ask the same of the remaining accounts. The bound
ends this soon: once the remaining accounts cost too much without rounding, every smaller amount
here leaves them more, at a percentage that is not lower, so it costs too much as well. What failed
is remembered: more cannot be placed with the same fee.

Accounts of one percentage would be tried in all combinations. But to move 10 000 / gcd(percentage,
10 000) units from one to another changes no rounding. So unless an earlier one has no room for so
much, a later one has less than that beyond its least.

Amounts are tried from the largest down, so the first division found is the one the tie order wants:
as much as possible in the first leg, then in the second.
"""

import math
from collections.abc import Sequence

from services.payment.planning.candidate import Candidate, Effort
from services.payment.planning.fees import BASIS_POINTS, largest_amount, percentage_fee


def cheapest_fill(
    legs: Sequence[Candidate], amount: int, limit: int, effort: Effort
) -> tuple[int, tuple[int, ...]] | None:
    """The least sum of percentages, if it is at most `limit`, and the amounts in the order of
    `legs`; the first in the tie order where several cost the same. None without one.

    `legs` are sorted by (rate, position), and the amount lies between the sums of `least` and of
    `most`. Raises `EffortSpent`."""
    greedy = _greedy(legs, amount)
    cost = sum(percentage_fee(part, leg.rate) for part, leg in zip(greedy, legs, strict=True))
    # Mostly the bound is what the greedy division costs, and nothing is left to search.
    least, most = _bound(legs, amount), min(cost, limit + 1)
    if len(legs) > 1 and least < most:
        search = _Fill(legs, effort)
        for total in range(least, most):
            found = search.divide(0, amount, total)
            if found is not None:
                return total, found
    return (cost, greedy) if cost <= limit else None


def _greedy(legs: Sequence[Candidate], amount: int) -> tuple[int, ...]:
    """Everybody's least, and the rest to the lowest percentages."""
    rest = amount - sum(leg.least for leg in legs)
    amounts = []
    for leg in legs:
        extra = min(rest, leg.most - leg.least)
        amounts.append(leg.least + extra)
        rest -= extra
    return tuple(amounts)


def _bound(legs: Sequence[Candidate], amount: int) -> int:
    """What `amount` costs at least, in whole minor units."""
    base = cost = 0
    rest = amount
    for leg in legs:
        base += leg.base
        cost += leg.base_cost
        rest -= leg.prepaid
    return max(base, -(-(cost + _beyond(legs, rest)) // BASIS_POINTS))


def _beyond(legs: Sequence[Candidate], rest: int) -> int:
    """What `rest` costs at least beyond what is paid by the base, in 1 / 10 000 minor units."""
    cost = 0
    for leg in legs:
        if rest <= 0:
            break
        part = min(rest, leg.most - leg.prepaid)
        cost += part * leg.rate
        rest -= part
    return cost


class _Fill:
    """One search; index i in what follows means the legs from the i-th on."""

    def __init__(self, legs: Sequence[Candidate], effort: Effort) -> None:
        self._legs = legs
        self._effort = effort
        self._least = _sums([leg.least for leg in legs])
        self._most = _sums([leg.most for leg in legs])
        self._base = _sums([leg.base for leg in legs])
        self._base_cost = _sums([leg.base_cost for leg in legs])
        self._prepaid = _sums([leg.prepaid for leg in legs])
        self._failed: dict[tuple[int, int, bool], int] = {}

    def _cost(self, i: int, amount: int) -> int:
        """A lower bound of the cost of `amount`, in 1 / 10 000 minor units."""
        return self._base_cost[i] + _beyond(self._legs[i:], amount - self._prepaid[i])

    def divide(
        self, i: int, amount: int, total: int, *, roomy: bool = False
    ) -> tuple[int, ...] | None:
        """The first division in the tie order whose percentages sum to `total` at most; `roomy`
        says that an earlier leg of this percentage has room for a whole period."""
        leg = self._legs[i]
        most = min(leg.most, leg.least + _period(leg) - 1) if roomy else leg.most
        if i == len(self._legs) - 1:
            fits = leg.least <= amount <= most and percentage_fee(amount, leg.rate) <= total
            return (amount,) if fits else None
        key = (i, total, roomy)
        if amount >= self._failed.get(key, amount + 1) or (
            self._cost(i, amount) > total * BASIS_POINTS
        ):
            return None
        part = min(most, amount - self._least[i + 1])
        spare = total - self._base[i + 1]
        if percentage_fee(part, leg.rate) > spare:
            part = largest_amount(spare, leg.rate) if spare > 0 else 0
        found = self._descend(i, amount, total, part, roomy=roomy)
        if found is None:
            self._failed[key] = amount
        return found

    def _descend(
        self, i: int, amount: int, total: int, part: int, *, roomy: bool
    ) -> tuple[int, ...] | None:
        """Try `part` for leg i, then ever less of it."""
        leg, follower = self._legs[i], self._legs[i + 1]
        while part >= leg.least:
            self._effort.step()
            fee = percentage_fee(part, leg.rate)
            room = follower.rate == leg.rate and (roomy or part + _period(leg) <= leg.most)
            found = self.divide(i + 1, amount - part, total - fee, roomy=room)
            if found is not None:
                return (part, *found)
            fee -= 1
            if fee < leg.base or self._is_too_little(i, amount, total, fee):
                return None
            part = largest_amount(fee, leg.rate)
        return None

    def _is_too_little(self, i: int, amount: int, total: int, fee: int) -> bool:
        """Whether what `fee` pays for at leg i leaves too much to the others, and so does less."""
        part = largest_amount(fee, self._legs[i].rate)
        if amount - part > self._most[i + 1]:
            return True
        # Without rounding `fee` pays for less than a unit more.
        left = amount - part - 1
        return left > self._prepaid[i + 1] and (
            self._cost(i + 1, left) > (total - fee) * BASIS_POINTS
        )


def _period(leg: Candidate) -> int:
    """How much more costs a whole number of minor units, at any amount."""
    return BASIS_POINTS // math.gcd(leg.rate, BASIS_POINTS)


def _sums(numbers: Sequence[int]) -> list[int]:
    """For each i, the sum from i on."""
    sums = [0]
    for number in reversed(numbers):
        sums.append(sums[-1] + number)
    return sums[::-1]
