"""Keeps lines of log in bounded memory and finds them by service, level, trace and text."""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from math import inf

from msgspec import Struct, structs

from observatory import limits
from observatory.limits import LossCounts
from observatory.otlp.normalize import LEVELS, severity_of
from observatory.store.index import Index, Key
from observatory.store.log_search import Term, has_field, terms
from observatory.store.model import StoredLine, unpack_pairs

# Of eight parts five are for what comes, two for what is worth keeping beyond its time, and one for
# what is worth most.
_PARTS = 8
# What an entry costs beside its text, as measured by tests/telemetry.
LINE_OVERHEAD = 1_150


class LogQuery(Struct, frozen=True):
    """Which lines: `level` and above, with every term of `text` (see log_search.py), the newest
    `limit`; none older than `since` or newer than `until`. Without `since` a backend looks back an
    hour or more. With `around_ns` it is half as many before and after that moment."""

    service: str = ""
    level: str = ""
    text: str = ""
    trace_id: str = ""
    limit: int = 200
    since: datetime | None = None
    until: datetime | None = None
    around_ns: int = 0


class _Kept(Struct, frozen=True, gc=False):
    """A line whose attributes are packed beside it: a search reads them without unpacking."""

    line: StoredLine
    packed: bytes

    def unpacked(self) -> StoredLine:
        """The line with its attributes."""
        return structs.replace(self.line, attributes=unpack_pairs(self.packed))

    @property
    def cost(self) -> int:
        """Bytes of memory."""
        return LINE_OVERHEAD + len(self.line.message) + len(self.packed)


class LogStore:
    """All lines, in this process's memory. Not thread-safe: everything runs on the event loop.

    `worth` says of a trace id how long its lines are kept, as `TraceStore.worth` does."""

    def __init__(
        self,
        losses: LossCounts,
        worth: Callable[[str], int],
        *,
        limit: int = limits.LOGS_BYTES,
    ) -> None:
        self._losses = losses
        self._worth_of_trace = worth
        part = limit // _PARTS
        self._quotas = (limit - 3 * part, 2 * part, part)
        self._used = [0, 0, 0]
        # By number, which grows: new ones at the end, and those kept longer, and longest, behind.
        self._queues: tuple[deque[int], ...] = (deque(), deque(), deque())
        self._lines: dict[int, _Kept] = {}
        self._index: Index[int] = Index()
        self._newest = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def used_bytes(self) -> int:
        """What is kept, the index included."""
        return sum(self._used)

    def add(self, line: StoredLine, packed: bytes, *, at_least: int = 0) -> None:
        """Keep a line; the oldest makes room, unless it belongs to a remarkable trace. Its number
        is the next one, or `at_least` this, where another backend numbered the lines."""
        self._newest = max(self._newest + 1, at_least)
        kept = _Kept(structs.replace(line, attributes=(), sequence=self._newest), packed)
        self._lines[self._newest] = kept
        for key in _keys(line):
            self._index.add(key, self._newest)
        self._hold(0, kept)

    def find(self, query: LogQuery) -> list[StoredLine]:
        """The newest lines that fit, oldest first."""
        if query.around_ns:
            return self._around(query)
        return [kept.unpacked() for kept in islice(self._fitting(query), query.limit)][::-1]

    def _fitting(self, query: LogQuery) -> Iterator[_Kept]:
        wanted = terms(query.text)
        since_ns = query.since.timestamp() * 1e9 if query.since else 0
        until_ns = query.until.timestamp() * 1e9 if query.until else inf
        for sequence in self._candidates(query):
            kept = self._lines[sequence]
            if since_ns <= kept.line.at_ns <= until_ns and all(_matches(kept, t) for t in wanted):
                yield kept

    def _around(self, query: LogQuery) -> list[StoredLine]:
        """By their own times: lines come a second late, and from several services."""
        before: list[_Kept] = []
        after: list[_Kept] = []
        for kept in self._fitting(query):
            (before if kept.line.at_ns <= query.around_ns else after).append(kept)
        half = max(1, query.limit // 2)
        near = heapq.nlargest(half, before, key=_in_time)
        near += heapq.nsmallest(half, after, key=_in_time)
        return [kept.unpacked() for kept in sorted(near, key=_in_time)]

    def choices(self, kind: str, limit: int = 50) -> tuple[tuple[str, int], ...]:
        """The most frequent values of "service" or "level"."""
        return self._index.values(kind, limit)

    def _candidates(self, query: LogQuery) -> Iterator[int]:
        keys: list[Key] = []
        if query.trace_id:
            keys.append(("trace", query.trace_id))
        if query.service:
            keys.append(("service", query.service))
        least = severity_of(query.level)
        if least <= 1:
            yield from self._index.newest_first(keys) if keys else reversed(self._lines)
            return
        levels = [name for severity, name in LEVELS if severity >= least]
        yield from heapq.merge(
            *(self._index.newest_first([*keys, ("level", name)]) for name in levels),
            reverse=True,
        )

    def _hold(self, queue: int, kept: _Kept) -> None:
        self._queues[queue].append(kept.line.sequence)
        self._used[queue] += kept.cost
        while self._used[queue] > self._quotas[queue]:
            oldest = self._lines[self._queues[queue].popleft()]
            self._used[queue] -= oldest.cost
            if self._worth(oldest.line) > queue:
                self._hold(queue + 1, oldest)
            else:
                self._forget(oldest)

    def _worth(self, line: StoredLine) -> int:
        of_trace = self._worth_of_trace(line.trace_id) if line.trace_id else 0
        return max(of_trace, int(line.severity >= 13))

    def _forget(self, kept: _Kept) -> None:
        del self._lines[kept.line.sequence]
        for key in _keys(kept.line):
            self._index.remove(key, kept.line.sequence)
        self._losses.lines_evicted += 1


def _in_time(kept: _Kept) -> tuple[int, int]:
    return kept.line.at_ns, kept.line.sequence


def _keys(line: StoredLine) -> Iterator[Key]:
    yield "service", line.service
    yield "level", line.level
    if line.trace_id:
        yield "trace", line.trace_id


def _matches(kept: _Kept, term: Term) -> bool:
    if term.field and has_field(kept.unpacked(), term):
        return True
    return _contains(kept, term.literal.casefold())


def _contains(kept: _Kept, wanted: str) -> bool:
    line = kept.line
    if any(wanted in text.casefold() for text in (line.message, line.level, line.service)):
        return True
    # Read through the packed attributes without unpacking them: a fifth of the time, and a search
    # that finds nothing goes through every line there is.
    if wanted.isascii():
        return wanted.encode() in kept.packed.lower()
    return wanted in kept.packed.decode("utf-8", "ignore").casefold()
