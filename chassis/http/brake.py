"""Slows down whoever guesses the operator token: a few tries at once, then one now and then."""

import logging
import math
import time
from collections.abc import Callable

from chassis.addresses import network_of
from chassis.http.problems import Problem

logger = logging.getLogger(__name__)

# A person mistypes three times and looks the token up; a minute later they may try again.
_TRIES, _TRY_EVERY_S = 10, 6.0
# Five people at once. It holds against guesses from many addresses: 1 800 an hour at most.
_TRIES_IN_TOTAL, _TRY_IN_TOTAL_EVERY_S = 50, 2.0
# Clients remembered; the longest quiet is forgotten first, and has long got its tries back.
_MOST_CLIENTS = 4096


class _Tries:
    """A bucket of tries that fills by itself."""

    def __init__(self, most: int, every_s: float) -> None:
        self._most, self._every_s = most, every_s
        self._used, self._at = 0.0, 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until there is a try; 0.0 if there is one."""
        self._used = max(0.0, self._used - (now - self._at) / self._every_s)
        self._at = now
        return max(0.0, (self._used - self._most + 1) * self._every_s)

    def use(self) -> None:
        """One try is gone. Asked for after `wait_s`."""
        self._used += 1

    def give_back(self) -> None:
        """The last one is there again."""
        self._used = max(0.0, self._used - 1)


class Brake:
    """Counts wrong tokens, by client and in total. A client that was right before is not shut out
    by the guesses of others; one at the address of somebody who guesses is."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, what: str = "operator tokens"
    ) -> None:
        """`what` is guessed; a client is an address, or whatever name stands for one."""
        self._clock, self._what = clock, what
        self._total = _Tries(_TRIES_IN_TOTAL, _TRY_IN_TOTAL_EVERY_S)
        self._clients: dict[str, _Tries] = {}
        self._known: dict[str, None] = {}

    def attempt(self, address: str, is_right: Callable[[], bool]) -> bool:
        """What `is_right` finds of a token that somebody at this address shows. `Problem` 429,
        before anything is compared, to one that was wrong too often."""
        self.check(address)
        if is_right():
            self.right(address)
            return True
        self.wrong(address)
        logger.warning("wrong operator token", extra={"client": address})
        return False

    def check(self, address: str) -> None:
        """Before a token is looked at: `Problem` 429 for a client that has no try left."""
        client, now = network_of(address), self._clock()
        wait_s = self._tries_of(client).wait_s(now)
        if client not in self._known:
            wait_s = max(wait_s, self._total.wait_s(now))
        if wait_s:
            raise Problem(
                429,
                "too-many-attempts",
                f"Too many wrong {self._what}. Nothing was done: wait before the next try.",
                retryable=True,
                headers={"Retry-After": str(math.ceil(wait_s))},
            )

    def wrong(self, address: str) -> None:
        """The token was wrong."""
        client = network_of(address)
        for tries in (self._total, self._tries_of(client)):
            tries.wait_s(self._clock())
            tries.use()

    def right(self, address: str) -> None:
        """The token was right."""
        client = network_of(address)
        self._known.pop(client, None)
        self._known[client] = None
        if len(self._known) > _MOST_CLIENTS:
            del self._known[next(iter(self._known))]

    def forgive(self, address: str) -> None:
        """What was counted as wrong, before it was looked at, was right."""
        for tries in (self._total, self._tries_of(network_of(address))):
            tries.give_back()
        self.right(address)

    def _tries_of(self, client: str) -> _Tries:
        tries = self._clients.pop(client, None) or _Tries(_TRIES, _TRY_EVERY_S)
        self._clients[client] = tries
        if len(self._clients) > _MOST_CLIENTS:
            del self._clients[next(iter(self._clients))]
        return tries
