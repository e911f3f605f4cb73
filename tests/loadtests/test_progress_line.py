"""What the person who waits for a run is told of it is what was measured."""

import pytest

from loadtests.histogram import Histogram
from loadtests.measures import Measures
from loadtests.outcomes import PLACE, Outcome
from loadtests.progress_line import line_of
from tests.loadtests.arranged import BEGAN_S, plan_of


def answered(count: int, every_s: float, *, outcome: Outcome = "good") -> Measures:
    """So many orders, one after the other."""
    measures = Measures()
    for number in range(count):
        measures.timeline.at(BEGAN_S + number * every_s).took(outcome, 40.0)
        measures.names.setdefault(PLACE, {}).setdefault(outcome, Histogram()).add(40.0)
    return measures


@pytest.mark.parametrize(("every_s", "rate"), [(0.8, "1.2"), (2.0, "0.5"), (0.125, "8.0")])
def test_its_rate_counts_the_time_in_which_nothing_was_answered(every_s: float, rate: str):
    total = answered(int(30 / every_s), every_s)
    line = line_of(plan_of("smoke"), total, 1, BEGAN_S, BEGAN_S + 21, 10.0)
    assert line == (
        f"  21 s of 30 s   1 shopper   last 10.0 s: {rate} orders/s  good 100 %   "
        f"so far {total.of().count} answers, p95 40 ms"
    )


def test_its_rate_leaves_out_what_failed_as_the_report_does():
    total = answered(30, 1.0, outcome="failed")
    line = line_of(plan_of("smoke"), total, 1, BEGAN_S, BEGAN_S + 21, 10.0)
    assert "last 10.0 s: 0.0 orders/s  failed 100 %" in line


@pytest.mark.parametrize("workers", [0, 2])
def test_before_anything_is_measured_it_says_so(workers: int):
    plan = plan_of("smoke", workers=workers)
    line = line_of(plan, Measures(), 2, BEGAN_S, BEGAN_S + 1, 1.0)
    assert line == "   1 s of 30 s   2 shoppers   orders/s not known yet   so far 0 answers"
