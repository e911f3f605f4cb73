"""Which traces are the slowest of their hour: those are looked for on the next day."""

from bisect import bisect_left, insort
from typing import NamedTuple

from observatory.store.trace import KeptTrace

_HOUR_NS = 3600 * 10**9
# Of each hour and each first request so many. A shop under load has a dozen kinds of them: with
# their spans half a megabyte an hour, twelve a day.
MOST = 5


class _Group(NamedTuple):
    hour: int
    service: str
    name: str


class SlowestOfHours:
    """The slowest `most` traces of each hour and first request, as far as they are known. One that
    was displaced does not come back when another is dropped."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._groups: dict[_Group, list[tuple[int, str]]] = {}
        self._placed: dict[str, tuple[_Group, int]] = {}

    def __contains__(self, trace_id: str) -> bool:
        return trace_id in self._placed

    def rank(self, trace: KeptTrace) -> str:
        """Rank a trace as it is now; the id of the one that it displaced, or "" for none."""
        group = _Group(trace.start_ns // _HOUR_NS, trace.head.service, trace.head.name)
        if self._placed.get(trace.trace_id) == (group, trace.duration_ns):
            return ""
        self.drop(trace.trace_id)
        ranked = self._groups.setdefault(group, [])
        if len(ranked) == self._most and trace.duration_ns <= ranked[0][0]:
            return ""
        insort(ranked, (trace.duration_ns, trace.trace_id))
        self._placed[trace.trace_id] = group, trace.duration_ns
        if len(ranked) <= self._most:
            return ""
        _, displaced = ranked.pop(0)
        del self._placed[displaced]
        return displaced

    def drop(self, trace_id: str) -> None:
        """It is not kept any more; nothing where it was not ranked."""
        if trace_id not in self._placed:
            return
        group, duration_ns = self._placed.pop(trace_id)
        ranked = self._groups[group]
        del ranked[bisect_left(ranked, (duration_ns, trace_id))]
        if not ranked:
            del self._groups[group]
