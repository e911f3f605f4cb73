"""Which amounts a list of accounts can take at all, as ranges: what is infeasible, and why."""

from collections.abc import Sequence
from itertools import pairwise

from services.payment.planning.terms import Infeasible, ProviderTerms

Ranges = tuple[tuple[int, int], ...]

# Past this many ranges the nearest are joined, so that work stays bounded. Joined ranges only
# permit too much: a search that trusts them misses nothing, it may look where nothing is.
MAX_RANGES = 64


def reachable(accounts: Sequence[ProviderTerms]) -> list[Ranges]:
    """For each i, the sums that accounts[i:] can take together, 0 included: each account takes
    nothing, or something between its least and its most."""
    ranges: Ranges = ((0, 0),)
    found = [ranges]
    for terms in reversed(accounts):
        least, most = terms.minimum_minor, terms.most_minor
        ranges = _joined((*ranges, *((low + least, high + most) for low, high in ranges)))
        found.append(ranges)
    return found[::-1]


def _joined(ranges: Ranges) -> Ranges:
    """The same sums in as few ranges as possible, sorted."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    if len(merged) > MAX_RANGES:
        gaps = sorted(range(1, len(merged)), key=lambda at: merged[at][0] - merged[at - 1][1])
        kept = [0, *sorted(gaps[len(merged) - MAX_RANGES :]), len(merged)]
        merged = [(merged[at][0], merged[end - 1][1]) for at, end in pairwise(kept)]
    return tuple(merged)


def holds(ranges: Ranges, low: int, high: int) -> bool:
    """Whether any of the sums is from `low` to `high`."""
    return any(first <= high and low <= last for first, last in ranges)


def refusal(amount: int, ranges: Ranges) -> Infeasible:
    """Why this amount is none of the sums."""
    below = max((high for _, high in ranges if 0 < high < amount), default=None)
    above = min((low for low, _ in ranges if low > amount), default=None)
    if above is None:
        return Infeasible(
            reason="above-all-maxima",
            message=f"the accounts take {below} minor units together at most, not {amount}",
            nearest_below_minor=below,
        )
    if below is None:
        return Infeasible(
            reason="below-every-minimum",
            message=f"the smallest amount that an account takes is {above} minor units,"
            f" not {amount}",
            nearest_above_minor=above,
        )
    return Infeasible(
        reason="between-possible-amounts",
        message=f"the accounts' minima and maxima leave {amount} minor units out:"
        f" {below} and {above} are the nearest amounts that they can take",
        nearest_below_minor=below,
        nearest_above_minor=above,
    )
