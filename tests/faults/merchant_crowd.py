"""Merchants that ask for payments, several at once, and keep each answer they were given."""

import http.client
import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import msgspec

# Taken, and not taken for good; the same question gets these bytes for ever.
FINAL = (200, 402)
# Longer than a merchant's budget and the service's own commits.
_TIMEOUT_S = 15.0
# A service that is started again is back within a second or two.
_PAUSE_S = 0.2
_TRIES = 5
# For one more round of the questions that are open.
_ROUND_S = 1.0


class Asked(msgspec.Struct):
    """One request of a merchant and what became of it; `status` 0 where nobody answered."""

    body: bytes
    status: int = 0
    answer: bytes = b""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class MerchantCrowd:
    """Asks for `count` payments with so many `places` at once, at every door in turn.

    A merchant whose request was lost or refused for now asks again with the same name, a few
    times; `settle` asks the rest again until each has its answer."""

    def __init__(
        self, doors: Sequence[str], merchants: Sequence[str], *, count: int, places: int, seed: int
    ) -> None:
        fate = random.Random(seed)
        self.asked = [Asked(_body(fate, merchants, n)) for n in range(count)]
        self.seen: Counter[int] = Counter()
        self.wrong: list[str] = []
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
        """Every request once more; `wrong` names the ones that got another answer."""
        list(self._pool.map(self._ask, self.asked))

    def _ask_often(self, one: Asked) -> None:
        for _ in range(_TRIES):
            self._ask(one)
            # Accepted is an answer as well; what becomes of it is asked for in the end.
            if one.status in (202, *FINAL):
                break
            time.sleep(_PAUSE_S)
        with self._more:
            self._done += 1
            self._more.notify_all()

    def _ask(self, one: Asked) -> None:
        status, answer = _post(next(self._doors), one.body)
        self.seen[status] += 1
        if one.is_final and (status, answer) != (one.status, one.answer):
            self.wrong.append(f"{one.body!r}: {one.answer!r}, and then {status} {answer!r}")
        elif status not in (0, 202, 409, 500, 502, 503, 504, *FINAL):
            self.wrong.append(f"{one.body!r}: {status} {answer!r}")
        if not one.is_final:
            one.status, one.answer = status, answer


def _body(fate: random.Random, merchants: Sequence[str], n: int) -> bytes:
    # Small enough that each of the accounts is the cheapest for some.
    wanted: dict[str, Any] = {"amount": fate.randrange(600, 9000), "currency": "EUR"}
    if n % 3 == 0:
        wanted["metadata"] = {"split": "equal"}
    named = {"request_id": f"r{n}", "merchant_id": merchants[n % len(merchants)]}
    return json.dumps(named | wanted).encode()


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
