"""Who calls whom: the calls between processes in the last half minute, counted from their spans.

A call is the span of whoever made it, because only the caller knows that an answer never came. Whom
it asked is what the span says (`server.address`), or whose request began under it, as every graph
of services is made (docs/decisions/0064-the-map.md). What passes a request on has one span for what
it was asked and what it asks: that one is the call. An event that arrives is counted too."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from heapq import heappush, heapreplace
from typing import TypeVar

from msgspec import Struct

from observatory.sla import WINDOW_S
from observatory.store.model import CLIENT, CONSUMER, SERVER, StoredSpan

# Spans that wait for the other half of their call: a sender is at most some seconds late.
_MOST_WAITING = 4096
# So many of the slowest calls of each second are kept: enough for the slowest hundredth of all at
# a thousand calls a second.
_SLOWEST = 32
# Under this key everything that is delivered to a process stands, whoever it is from.
EVENTS = "events"


class CallStats(Struct, frozen=True):
    """Calls from one process to another: how many a second, the share that failed (0 to 1), and how
    many seconds the slowest hundredth took at least."""

    per_second: float
    failed: float
    p99_s: float


class _Call(Struct, frozen=True, gc=False):
    seconds: float
    failed: bool
    times: int = 1


class _Second(Struct):
    """What was seen within one second; `slowest` is a heap of the longest durations."""

    at: int
    spans: int = 0
    times: int = 0
    failed: int = 0
    slowest: list[float] = []


class CallGraph:
    """Bounded, and read as often as anybody likes. `names` are the processes, as spans name them;
    `clock` gives seconds that only rise."""

    def __init__(self, names: frozenset[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._names, self._clock = names, clock
        self._began = clock()
        self._seconds: dict[tuple[str, str], deque[_Second]] = {}
        self._callers: OrderedDict[str, tuple[str, _Call]] = OrderedDict()
        self._callees: OrderedDict[str, str] = OrderedDict()
        # Apart, because most requests are passed on to nobody and would push out calls that wait.
        self._passing: OrderedDict[str, tuple[str, _Call]] = OrderedDict()

    def add(self, span: StoredSpan) -> None:
        """A span has arrived; those that are no call between two processes are passed over."""
        if span.service not in self._names:
            return
        if span.kind == CLIENT and not span.attribute("db.system.name", "db.system"):
            self._called(span)
        elif span.kind == SERVER:
            if span.parent_id:
                self._answered(span)
            self._passed_on(span)
        elif span.kind == CONSUMER:
            count = span.attribute("messaging.batch.message_count")
            times = int(count) if count.isdecimal() and len(count) < 6 else 1
            self._count(EVENTS, span.service, _call(span, max(1, times)))

    def stats(self) -> dict[tuple[str, str], CallStats]:
        """What was counted, by the names of caller and callee."""
        now = self._clock()
        # Since the start, while that is less than a window.
        window_s = max(1.0, min(WINDOW_S, now - self._began))
        for seconds in self._seconds.values():
            _forget(seconds, now)
        return {pair: _stats(each, window_s) for pair, each in self._seconds.items() if each}

    def _called(self, span: StoredSpan) -> None:
        call = _call(span)
        callee = span.attribute("server.address")
        if callee not in self._names:
            found = self._callees.pop(span.span_id, "")
            if not found:
                _keep(self._callers, span.span_id, (span.service, call))
                return
            callee = found
        self._count(span.service, callee, call)

    def _passed_on(self, span: StoredSpan) -> None:
        callee = self._callees.pop(span.span_id, "")
        if callee and callee != span.service:
            self._count(span.service, callee, _call(span))
        elif not callee:
            _keep(self._passing, span.span_id, (span.service, _call(span)))

    def _answered(self, span: StoredSpan) -> None:
        found = self._callers.pop(span.parent_id, None) or self._passing.pop(span.parent_id, None)
        if found is None:
            _keep(self._callees, span.parent_id, span.service)
        elif found[0] != span.service:
            self._count(found[0], span.service, found[1])

    def _count(self, caller: str, callee: str, call: _Call) -> None:
        now = self._clock()
        seconds = self._seconds.setdefault((caller, callee), deque())
        if not seconds or seconds[-1].at != int(now):
            seconds.append(_Second(int(now)))
            _forget(seconds, now)
        last = seconds[-1]
        last.spans += 1
        last.times += call.times
        last.failed += call.times * call.failed
        if len(last.slowest) < _SLOWEST:
            heappush(last.slowest, call.seconds)
        elif call.seconds > last.slowest[0]:
            heapreplace(last.slowest, call.seconds)


def _call(span: StoredSpan, times: int = 1) -> _Call:
    seconds = max(0, span.end_ns - span.start_ns) / 1e9
    return _Call(seconds, span.failed or (span.status or 0) >= 500, times)


def _forget(seconds: deque[_Second], now: float) -> None:
    while seconds and seconds[0].at < now - WINDOW_S:
        seconds.popleft()


def _stats(seconds: deque[_Second], window_s: float) -> CallStats:
    times = sum(each.times for each in seconds)
    slowest = sorted((each for second in seconds for each in second.slowest), reverse=True)
    place = min(sum(each.spans for each in seconds) // 100, len(slowest) - 1)
    failed = sum(each.failed for each in seconds)
    return CallStats(times / window_s, failed / times, slowest[place])


_T = TypeVar("_T")


def _keep(waiting: OrderedDict[str, _T], key: str, value: _T) -> None:
    waiting[key] = value
    if len(waiting) > _MOST_WAITING:
        waiting.popitem(last=False)
