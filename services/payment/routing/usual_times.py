"""How long an account usually takes to answer a request for money, as this process has seen."""

import math
import time
from collections import deque
from collections.abc import Callable

# The last calls of an account that count, and for how long: an account that was slow is not asked,
# so what was seen of it has to be forgotten before it can be found fast again.
KEPT = 200
FORGET_S = 60.0
# Fewer say nothing about the slowest of a hundred.
_ENOUGH = 20
# An account that is not known yet counts as one that the merchant with the least time can use.
UNKNOWN_S = 0.1


class UsualTimes:
    """The 99th of a hundred of an account's last calls. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[str, deque[tuple[float, float]]] = {}

    def saw(self, account: str, seconds: float) -> None:
        """A request for money took so long, answered or given up on."""
        calls = self._calls.setdefault(account, deque(maxlen=KEPT))
        calls.append((self._clock(), seconds))

    def p99_s(self, account: str) -> float:
        """What an attempt there usually takes at most, in seconds."""
        calls = self._calls.get(account, deque())
        while calls and calls[0][0] < self._clock() - FORGET_S:
            calls.popleft()
        if len(calls) < _ENOUGH:
            return UNKNOWN_S
        return sorted(seconds for _, seconds in calls)[math.ceil(0.99 * len(calls)) - 1]
