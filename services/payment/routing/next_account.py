"""Another account is tried only after a definite no: a decline that allows it, or a request that
was certainly never sent. What is unknown stays where it is, and is asked about there."""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

# The card itself is refused, whoever asks: another account would get the same answer.
HARD_DECLINES = frozenset(
    {
        "expired_card", "lost_card", "stolen_card", "pickup_card", "fraudulent", "incorrect_cvc",
        "incorrect_number", "invalid_account", "authentication_required",
    }
)  # fmt: skip
# A leg that four accounts declined will be declined by the fifth.
MOST_ATTEMPTS = 4

# Why no other account is tried.
Stop = Literal[
    "Declined", "AllProvidersFailed", "MaxRetriesExceeded", "BreakerOpen", "TimeoutBudgetExceeded"
]


class Next(msgspec.Struct, frozen=True):
    """The account that takes the leg next, and why."""

    account: str
    why: str


def next_account(
    *,
    code: str,
    tried: Collection[str],
    fallbacks: Collection[str],
    left_s: float,
    usual_s: Callable[[str], float] = lambda account: 0.0,
    closed_to_new: Collection[str] = (),
) -> Next | Stop:
    """What follows a definite no with this code, after these accounts were tried.

    `left_s` is what is left of the merchant's time, `usual_s` how long an account usually takes (an
    attempt that would outlast the time is not begun), `closed_to_new` are accounts whose breaker is
    open."""
    if code in HARD_DECLINES:
        return "Declined"
    left = [each for each in fallbacks if each not in tried]
    if not left:
        return "AllProvidersFailed" if len(tried) > 1 else "Declined"
    if len(tried) >= MOST_ATTEMPTS:
        return "MaxRetriesExceeded"
    standing = [each for each in left if each not in closed_to_new]
    if not standing:
        return "BreakerOpen"
    in_time = [each for each in standing if left_s > 0 and usual_s(each) <= left_s]
    if not in_time:
        return "TimeoutBudgetExceeded"
    return Next(in_time[0], f"{code} at the account before, which allows another one")
