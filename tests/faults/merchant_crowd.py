"""Merchants that ask for payments, several at once, and keep each answer they were given."""

import http.client
import itertools
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from tests.harness.merchants import Answers, Asked, payment_request

# Longer than a merchant's budget and the service's own commits.
_TIMEOUT_S = 15.0
# A service that is started again is back within a second or two.
_PAUSE_S = 0.2
_TRIES = 5
# For one more round of the questions that are open.
_ROUND_S = 1.0


class MerchantCrowd:
    """Asks for `count` payments with so many `places` at once, at every door in turn.

    A merchant whose request was lost or refused for now asks again with the same name, a few
    times; `settle` asks the rest again until each has its answer."""

    def __init__(
        self, doors: Sequence[str], merchants: Sequence[str], *, count: int, places: int, seed: int
    ) -> None:
        fate = random.Random(seed)
        self.asked = [payment_request(fate, merchants, "r", n) for n in range(count)]
        self.answers = Answers()
        self._doors = itertools.cycle([f"{door}/process-payment" for door in doors])
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="merchant")
        self._done, self._more = 0, threading.Condition()

    def __enter__(self) -> Self:
        for one in self.asked:
            self._pool.submit(self._ask_often, one)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def until(self, count: int, *, within_s: float) -> None:
        """Wait until so many have been asked for."""
        with self._more:
            if not self._more.wait_for(lambda: self._done >= count, within_s):
                raise AssertionError(f"{self._done} of {count} asked for in {within_s:.0f} s")

    def settle(self, *, within_s: float) -> None:
        """Ask again until each request has its answer."""
        end = time.monotonic() + within_s
        while unanswered := [one for one in self.asked if not one.is_final]:
            assert time.monotonic() < end, f"{len(unanswered)} open: {unanswered[:3]}"
            list(self._pool.map(self._ask, unanswered))
            time.sleep(_ROUND_S)

    def ask_all_again(self) -> None:
        """Every request once more; the answers note what is another one than before."""
        list(self._pool.map(self._ask, self.asked))

    def _ask_often(self, one: Asked) -> None:
        for _ in range(_TRIES):
            self._ask(one)
            # Accepted is an answer as well; what becomes of it is asked for in the end.
            if one.is_taken_on:
                break
            time.sleep(_PAUSE_S)
        with self._more:
            self._done += 1
            self._more.notify_all()

    def _ask(self, one: Asked) -> None:
        status, answer = _post(next(self._doors), one.body)
        self.answers.hear(one, status, answer)


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """Status and body; 0 where no answer came."""
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        url, data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        try:
            return refused.code, refused.read()
        except OSError:
            return 0, b""
    except (OSError, http.client.HTTPException):
        return 0, b""
