"""Which findings make which answer and exit code: broken before unknown, and both before a yes."""

import msgspec
import pytest

from loadtests.comparison import Comparison
from loadtests.measures import GeneratorUsage, Measures
from loadtests.outcomes import PLACE
from loadtests.thresholds import checks
from loadtests.verdict import Verdict, is_saturated, verdict
from scenarios.load_profiles import Thresholds
from tests.loadtests.arranged import plan_of, proof_of, ran_of


def measures_of(*, ms: float = 10.0, failed: int = 0, lost: int = 0) -> Measures:
    """A hundred orders that took `ms`, beside so many failed requests and lost orders."""
    measures = Measures()
    for number in range(100):
        outcome = "failed" if number < failed else "good"
        measures.add_request(PLACE, outcome, ms, "201", trace_id="", key="")
        measures.ended("unanswered" if number < lost else "confirmed")
    return measures


def unconfirmed() -> Measures:
    """One order that was accepted and no more."""
    measures = Measures()
    measures.add_request(PLACE, "degraded", 33.0, "202", trace_id="", key="")
    measures.ended("degraded")
    return measures


def judge(measures: Measures, **more: object) -> Verdict:
    plan = more.get("plan") or plan_of("smoke")
    found = checks(more.get("thresholds") or plan.what.thresholds, measures)
    ran = ran_of(plan, **more.get("ran", {}))
    clients = more.get("clients") or Comparison(orders=100)
    return verdict(found, more.get("proof", proof_of()), clients, measures, plan, ran)


GOOD = {"measures": measures_of()}
UNJUDGED = Comparison(unjudged="no database")
CASES = {
    "all is well": (0, GOOD),
    "19 of 20 at the limit": (1, {"measures": measures_of(ms=600)}),
    "errors at the limit": (1, {"measures": measures_of(failed=5)}),
    "errors just below it": (0, {"measures": measures_of(failed=4)}),
    "success at the limit": (1, {"measures": measures_of(lost=5)}),
    "nothing was ordered": (1, {"measures": Measures()}),
    "a promise is broken": (1, {**GOOD, "proof": proof_of("violated")}),
    "work is still open": (1, {**GOOD, "proof": proof_of("settling")}),
    "a promise was not judged": (2, {**GOOD, "proof": proof_of("unknown")}),
    "no database": (2, {**GOOD, "proof": None, "clients": UNJUDGED}),
    "no database, but too slow": (
        1,
        {"measures": measures_of(ms=600), "proof": None, "clients": UNJUDGED},
    ),
    "a contradiction": (1, {**GOOD, "clients": Comparison(orders=100, contradictions=1)}),
    "an order made twice": (
        1,
        {**GOOD, "clients": Comparison(orders=9, keyless=1, duplicated=True)},
    ),
    "somebody else shopped too": (0, {**GOOD, "clients": Comparison(orders=9, keyless=1)}),
    "more orders than the log holds": (2, {**GOOD, "clients": Comparison(orders=9, beyond=1)}),
    "stopped by hand": (2, {**GOOD, "ran": {"complete": False}}),
    "nothing was confirmed": (2, {"measures": unconfirmed()}),
    "stopped before the first answer": (
        2,
        {"measures": Measures(), "ran": {"complete": False}},
    ),
    "a worker was lost": (2, {**GOOD, "ran": {"missing_workers": 1}}),
}


def test_the_findings_decide_the_exit_code():
    codes = {name: judge(**found).exit_code for name, (_, found) in CASES.items()}
    assert codes == {name: code for name, (code, _) in CASES.items()}


def test_a_threshold_on_the_command_line_replaces_the_profile_s():
    slow = measures_of(ms=600)
    assert judge(slow, thresholds=Thresholds(p95_ms=700)).answer == "kept"
    assert judge(slow, plan=plan_of("stress")).answer == "kept"


def test_a_generator_that_could_not_begin_its_visits_has_no_verdict():
    measures = measures_of()
    measures.due, measures.not_begun = 100, 2
    assert judge(measures).answer == "unknown"
    measures.not_begun = 1
    assert judge(measures).answer == "kept"


def test_a_generator_that_failed_itself_has_no_verdict():
    measures = measures_of()
    measures.failed("KeyError: 'x'")
    result = judge(measures)
    assert result.exit_code == 2
    assert "KeyError" in result.headline


BUSY = GeneratorUsage(samples=10, busy_samples=2, sum_percent=700, peak_percent=99)


@pytest.mark.parametrize(
    ("usage", "saturated"),
    [(GeneratorUsage(), False), (GeneratorUsage(samples=10, busy_samples=1), False), (BUSY, True)],
)
def test_a_busy_generator_is_reported(usage: GeneratorUsage, saturated: bool):
    measures = measures_of()
    measures.usage = msgspec.structs.replace(usage)
    result = judge(measures)
    assert is_saturated(usage) is saturated
    assert any("saturated" in note for note in result.notes) is saturated
    assert result.answer == "kept", "what it measured is an upper bound, so what was kept was kept"


def test_a_generator_that_wakes_up_late_is_reported():
    measures = measures_of()
    measures.usage.samples = 1
    for _ in range(20):
        measures.usage.late.add(200.0)
    assert "ms late" in judge(measures).notes[0]


def test_a_full_machine_is_noted_beside_the_figures():
    measures = measures_of()
    measures.usage = GeneratorUsage(samples=2, machine_sum_percent=198.0)
    assert "The machine was full (99 %" in judge(measures).notes[0]
    assert not is_saturated(measures.usage)


def test_the_meaning_of_the_figures_is_noted_for_each_loop():
    assert "coordinated omission" in judge(measures_of()).loop
    assert "moment it was due" in judge(measures_of(), plan=plan_of("smoke", rate=5.0)).loop
