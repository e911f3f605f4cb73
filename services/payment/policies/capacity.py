"""What accounts still take of a day's capacity while payments of the past are decided again.

They are decided in the order they came: what one of them takes elsewhere is held there for the rest
of its UTC day, as if the account had taken it, and what it took before is free."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

import msgspec

from services.payment.contract import MAX_AMOUNT_MINOR

Parts = Iterable[tuple[str, int]]


class CapacitySince(msgspec.Struct, frozen=True):
    """An account's capacity of a day from a time on; None where it takes any sum. The first terms
    of an account have no beginning."""

    account: str
    since: datetime | None
    daily_capacity_minor: int | None


class DaysCapacity:
    """`had` is what the accounts' capacity was, oldest first; `other` what it is instead."""

    def __init__(self, had: Iterable[CapacitySince], other: Mapping[str, int | None]) -> None:
        self._had: defaultdict[str, list[CapacitySince]] = defaultdict(list)
        for each in had:
            self._had[each.account].append(each)
        self._other = other
        # How much more an account would have taken on a day than it did; and, of one that had no
        # capacity, all that it would have taken of these payments.
        self._more: defaultdict[tuple[str, date], int] = defaultdict(int)
        self._whole: defaultdict[tuple[str, date], int] = defaultdict(int)

    def left(self, account: str, at: datetime, left_minor: int) -> int:
        """What the account takes at that time instead of `left_minor`, which it took then."""
        day = account, at.astimezone(UTC).date()
        had = self._capacity(account, at)
        capacity = self._other.get(account, had)
        if capacity is None:
            return MAX_AMOUNT_MINOR
        if had is None:
            return max(0, capacity - self._whole[day])
        return max(0, left_minor + capacity - had - self._more[day])

    def moved(self, at: datetime, taken: Parts, taken_instead: Parts) -> None:
        """A payment of that time took these parts, and would have taken others."""
        day = at.astimezone(UTC).date()
        for account, amount_minor in taken:
            self._more[account, day] -= amount_minor
        for account, amount_minor in taken_instead:
            self._more[account, day] += amount_minor
            self._whole[account, day] += amount_minor

    def _capacity(self, account: str, at: datetime) -> int | None:
        found = [each for each in self._had[account] if each.since is None or each.since <= at]
        return found[-1].daily_capacity_minor if found else None
