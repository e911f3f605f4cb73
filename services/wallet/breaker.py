"""A gateway that does not answer is left alone for a while: open, then one payment tries it."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

# So many in a row: an account that fails once in twenty trips once in three million payments.
_MOST_FAILURES = 5
# As long as a restart takes. Nothing is held meanwhile, so nobody loses by waiting.
_OPEN_S = 5.0


class Breaker:
    """Of one process; the wallets have one account. `clock` gives seconds that only rise."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._state = Gauge(
            "valerix_wallet_breaker_state",
            "Whether the breaker of the wallets' account is open (1) or closed (0).",
            registry=registry,
        )

    def admits(self) -> bool:
        """Whether a payment may ask the gateway. Once the time is up one may, and the others wait
        for what it sees."""
        if self._failures < _MOST_FAILURES:
            return True
        if self._clock() < self._open_until:
            return False
        self._open_until = self._clock() + _OPEN_S
        return True

    def saw(self, *, answered: bool) -> None:
        """The gateway was asked. A decline is an answer; silence and errors are none."""
        self._failures = 0 if answered else self._failures + 1
        if self._failures >= _MOST_FAILURES:
            self._open_until = self._clock() + _OPEN_S
        self._state.set(self._failures >= _MOST_FAILURES)
