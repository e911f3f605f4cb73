"""A shop as a queueing network, simulated event by event: how many orders it keeps up with.

It shares no formula with observatory/capacity: requests wait for their process, which does one
thing at a time, and then for a core, of which there are few."""

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from bench.rates import Pace
from observatory.sla import LIMIT_S

_DATABASE, _IDLE = "postgres", "idle"
# Work that is there without an order comes in pieces as long as this.
_PIECE_S = 0.001
_SECONDS = 20.0
# The knee is looked for to this part of itself.
_NEAR = 0.02


class ProcessStep(NamedTuple):
    """Work of one process: so long on a core."""

    process: str
    cpu_s: float


class Shop(NamedTuple):
    """`order` is done one after the other, and it is answered; then `later`, each by itself.
    `idle_cores` is taken whether there are orders or not. What is named in `parallel` may run on
    every core at once."""

    cores: int
    order: Sequence[ProcessStep]
    later: Sequence[ProcessStep]
    idle_cores: float = 0.0
    parallel: frozenset[str] = frozenset({_DATABASE, _IDLE})


class _Job:
    def __init__(self, steps: Sequence[ProcessStep], due_s: float, *, is_order: bool) -> None:
        self.left, self.due_s, self.is_order = deque(steps), due_s, is_order


class _Run:
    """First come, first served everywhere; orders come at even times."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._cores, self._now = shop, shop.cores, 0.0
        self._queue: deque[_Job] = deque()
        self._waiting: dict[str, deque[_Job]] = {}
        self._busy: set[str] = set()
        self._events: list[tuple[float, int, str, _Job]] = []
        self._number = count()
        self.took_s: list[float] = []
        self._answered_s = 0.0

    def run(self, rate: float) -> Pace:
        for number in range(int(rate * _SECONDS)):
            due_s = number / rate
            self._at(due_s, "begin", _Job(self._shop.order, due_s, is_order=True))
        if self._shop.idle_cores:
            self._at(0.0, "idle", _Job([], 0.0, is_order=False))
        while self._events:
            self._now, _, what, job = heapq.heappop(self._events)
            if what == "idle":
                self._begin(_Job([ProcessStep(_IDLE, _PIECE_S)], self._now, is_order=False))
                if self._now < _SECONDS:
                    self._at(self._now + _PIECE_S / self._shop.idle_cores, "idle", job)
            elif what == "begin":
                self._begin(job)
            else:
                self._worked(job)
            self._start()
        took_s = sorted(self.took_s)
        return Pace(
            rate,
            sum(each <= LIMIT_S for each in took_s) / len(took_s),
            1000 * took_s[int(len(took_s) * 0.99)],
            self._now - self._answered_s,
        )

    def _at(self, at_s: float, what: str, job: _Job) -> None:
        heapq.heappush(self._events, (at_s, next(self._number), what, job))

    def _begin(self, job: _Job) -> None:
        process = job.left[0].process
        if process in self._busy:
            self._waiting.setdefault(process, deque()).append(job)
            return
        if process not in self._shop.parallel:
            self._busy.add(process)
        self._queue.append(job)

    def _start(self) -> None:
        while self._cores and self._queue:
            job = self._queue.popleft()
            self._cores -= 1
            self._at(self._now + job.left[0].cpu_s, "worked", job)

    def _worked(self, job: _Job) -> None:
        self._cores += 1
        done = job.left.popleft()
        self._busy.discard(done.process)
        if waiting := self._waiting.get(done.process):
            self._begin(waiting.popleft())
        if job.left:
            self._begin(job)
        elif job.is_order:
            self.took_s.append(self._now - job.due_s)
            self._answered_s = self._now
            for each in self._shop.later:
                self._begin(_Job([each], self._now, is_order=False))


def knee_per_s(shop: Shop) -> float:
    """The highest rate it keeps up with, by the rule that measured shops are held to."""
    good, bad = 0.0, 1.0
    while _Run(shop).run(bad).keeps_up:
        good, bad = bad, 2 * bad
    while bad - good > _NEAR * bad:
        middle = (good + bad) / 2
        if _Run(shop).run(middle).keeps_up:
            good = middle
        else:
            bad = middle
    return good
