"""A shop as a queueing network, simulated event by event: where it bends under more clients.

It shares no formula with observatory/capacity: requests wait for their process, which does one
thing at a time, and then for a core, of which there are few."""

import heapq
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from loadtests.knee import Level, find_knee

CLIENTS = (1, 2, 4, 8, 16, 32)
_DATABASE, _IDLE = "postgres", "idle"
# Work that is there without an order comes in pieces as long as this.
_PIECE_S = 0.001
_SECONDS = 20.0
# The first part is left out: the queues are still filling.
_WARM_S = 4.0


class ProcessStep(NamedTuple):
    """Work of one process: so long on a core, and then so long of mere waiting."""

    process: str
    cpu_s: float
    wait_s: float = 0.0


class Shop(NamedTuple):
    """`order` is done one after the other while a client waits; then `later`, each by itself.
    `idle_cores` is taken whether there are orders or not. What is named in `parallel` may run on
    every core at once."""

    cores: int
    order: Sequence[ProcessStep]
    later: Sequence[ProcessStep]
    idle_cores: float = 0.0
    parallel: frozenset[str] = frozenset({_DATABASE, _IDLE})


class _Job:
    def __init__(self, slices: Sequence[ProcessStep], client: bool, begun_s: float) -> None:
        self.left, self.client, self.begun_s = deque(slices), client, begun_s


class _Run:
    """First come, first served everywhere."""

    def __init__(self, shop: Shop) -> None:
        self._shop, self._cores, self._now = shop, shop.cores, 0.0
        self._queue: deque[_Job] = deque()
        self._waiting: dict[str, deque[_Job]] = {}
        self._busy: set[str] = set()
        self._events: list[tuple[float, int, str, _Job]] = []
        self._number = count()
        self.took_s: list[float] = []

    def _at(self, delay_s: float, what: str, job: _Job) -> None:
        heapq.heappush(self._events, (self._now + delay_s, next(self._number), what, job))

    def run(self, clients: int) -> Level:
        for _ in range(clients):
            self._begin(_Job(self._shop.order, True, 0.0))
        if self._shop.idle_cores:
            self._at(0.0, "idle", _Job([], False, 0.0))
        while self._now < _SECONDS:
            self._now, _, what, job = heapq.heappop(self._events)
            if what == "idle":
                self._begin(_Job([ProcessStep(_IDLE, _PIECE_S)], False, self._now))
                self._at(_PIECE_S / self._shop.idle_cores, "idle", job)
            elif what == "worked":
                self._worked(job)
            elif job.left:
                self._begin(job)
            elif job.client:
                self._done(job)
            self._start()
        took = sorted(self.took_s)
        per_s = len(took) / (_SECONDS - _WARM_S)
        return Level(clients, per_s, 1000 * sum(took) / len(took), 1000 * took[-1], 0.0)

    def _begin(self, job: _Job) -> None:
        process = job.left[0].process
        if process in self._busy:
            self._waiting.setdefault(process, deque()).append(job)
            return
        if process not in self._shop.parallel:
            self._busy.add(process)
        self._queue.append(job)
        self._start()

    def _start(self) -> None:
        while self._cores and self._queue:
            job = self._queue.popleft()
            self._cores -= 1
            self._at(job.left[0].cpu_s, "worked", job)

    def _worked(self, job: _Job) -> None:
        self._cores += 1
        done = job.left.popleft()
        self._busy.discard(done.process)
        if waiting := self._waiting.get(done.process):
            self._begin(waiting.popleft())
        self._at(done.wait_s, "go on", job)

    def _done(self, job: _Job) -> None:
        if self._now > _WARM_S:
            self.took_s.append(self._now - job.begun_s)
        for each in self._shop.later:
            self._begin(_Job([each], False, self._now))
        self._begin(_Job(self._shop.order, True, self._now))


def levels(shop: Shop, clients: Sequence[int] = CLIENTS) -> list[Level]:
    """What each number of clients gets of it."""
    return [_Run(shop).run(each) for each in clients]


def knee_per_s(shop: Shop, clients: Sequence[int] = CLIENTS) -> float:
    """Orders a second at the knee."""
    knee = find_knee(levels(shop, clients))
    return knee.per_s if knee else 0.0
