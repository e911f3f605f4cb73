"""A run's timeline as the columns of a chart: few enough to see, wide enough to mean something."""

import math

import msgspec

from loadtests.histogram import COARSE, Histogram, together
from loadtests.measures import Measures
from loadtests.outcomes import Outcome
from loadtests.plan import LoadPlan, Ran
from loadtests.timeline import Slot


class Column(msgspec.Struct, frozen=True):
    """A piece of the run, in seconds since its start, and what was seen in it."""

    from_s: float
    to_s: float
    slot: Slot

    def per_s(self, count: float) -> float:
        """So many in this column as a rate."""
        return count / (self.to_s - self.from_s)

    def took(self, outcome: Outcome) -> Histogram:
        """How long work of this outcome took here."""
        return self.slot.work.get(outcome) or together([], COARSE)


def columns(measures: Measures, plan: LoadPlan, ran: Ran, most: int) -> list[Column]:
    """At most `most` columns of equal width over the whole run, empty ones included."""
    width_s = measures.timeline.width_s
    first = math.floor(ran.began_s / width_s)
    last = max([first, *measures.timeline.slots, math.floor(ran.ended_s / width_s)])
    step = max(1, math.ceil((last - first + 1) / most))
    found = []
    for number in range(first, last + 1, step):
        slot = Slot()
        for each in range(number, number + step):
            if each in measures.timeline.slots:
                slot.merge(measures.timeline.slots[each], same_moment=False)
        from_s = number * width_s - ran.began_s
        found.append(Column(max(0.0, from_s), from_s + step * width_s, slot))
    return found
