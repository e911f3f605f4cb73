"""The result of a run, without a run."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, settings

from loadtests.comparison import Comparison
from loadtests.histogram import Histogram
from loadtests.judge import Judgement
from loadtests.knee import find_knee, levels_of
from loadtests.machine import MachineDescription
from loadtests.measures import Measures, Slow
from loadtests.outcomes import PLACE, Outcome
from loadtests.plan import LoadPlan, Ran
from loadtests.thresholds import checks
from loadtests.verdict import verdict
from observatory.timeline.fault_windows import FaultWindow
from proof import invariants
from proof.evaluate import Report
from proof.finding import Finding
from proof.finding import verdict as proof_verdict
from topology import PROCESSES

# Two cores may be busy with other tests: how long an example takes says nothing.
calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
BEGAN_S = 1_800_000_000.0
NASTY = '<script>alert("1")</script>'
TRACE = "0123456789abcdef0123456789abcdef"


def plan_of(profile: str = "load", **more: object) -> LoadPlan:
    """A plan for a shop that nobody asks."""
    urls = {process.key: f"http://127.0.0.1:{process.port}" for process in PROCESSES}
    return LoadPlan(profile, urls, "load-arranged", 1, **more)


def ran_of(plan: LoadPlan, **more: object) -> Ran:
    """A run to its end."""
    usual = {"complete": True, "loop": "open" if plan.rate else "closed", "locust": "2.47.0"}
    return Ran(BEGAN_S, BEGAN_S + plan.duration_s, **(usual | more))


def measured(plan: LoadPlan, *, every_s: float = 0.1) -> Measures:
    """Orders all the way, more of them and slower with more shoppers; degraded in the middle."""
    measures = Measures()
    for number in range(int(plan.duration_s / every_s)):
        at_s = number * every_s
        users = plan.what.users_at(at_s, plan.scale) or 0
        middle = 0.4 < at_s / plan.duration_s < 0.5
        outcome: Outcome = "degraded" if middle else "good"
        slot = measures.timeline.at(BEGAN_S + at_s)
        for _ in range(min(users, 40)):
            ms = 2000.0 if middle else 20.0 + max(0, users - 40)
            slot.took(outcome, ms)
            slot.answered("202" if middle else "201", ms)
            measures.names.setdefault(PLACE, {}).setdefault(outcome, Histogram()).add(ms)
            measures.ended("degraded" if middle else "confirmed")
        slot.users = users
    measures.answers = {f"{PLACE}: 201": 10, f"{PLACE}: {NASTY}": 1}
    measures.slowest = [
        Slow(2000.0, BEGAN_S + 1, PLACE, "degraded", "202", trace_id=TRACE),
        Slow(1900.0, BEGAN_S + 2, PLACE, "failed", "none timeout", key="lost"),
        Slow(1800.0, BEGAN_S + 3, PLACE, "failed", f"none {NASTY}"),
    ]
    return measures


def proof_of(state: str = "holds") -> Report:
    """A proof in which the first promise is in `state`."""
    findings = [Finding(each, "holds") for each in invariants()]
    findings[0] = Finding(findings[0].invariant, state, total=3 if state == "violated" else 0)
    return Report(datetime.now(UTC), proof_verdict(tuple(findings)), tuple(findings))


def windows() -> tuple[FaultWindow, ...]:
    """One gremlin in the middle, one with a nasty name that was never called off."""
    on, off = (datetime.fromtimestamp(BEGAN_S + s, UTC) for s in (10, 20))
    return (
        FaultWindow("inventory", "slow-shelf", "latency", "3 s", "cli", on, None, off, "calmed"),
        FaultWindow("payment", NASTY, "lost_response", "(50 %)", "cli", off, None),
    )


def judged(plan: LoadPlan | None = None, **more: object) -> Judgement:
    """The judgement on such a run; `more` replaces the proof, the clients' log or the measures."""
    plan = plan or plan_of(scale=0.1)
    ran = more.get("ran") or ran_of(plan)
    measures = more.get("measures") or measured(plan)
    proof = more.get("proof", proof_of())
    clients = more.get("clients") or Comparison(orders=10, traces={"lost": "f" * 32})
    levels = levels_of(plan.what, plan.scale, measures, ran.began_s, ran.ended_s)
    found = checks(plan.what.thresholds, measures)
    return Judgement(
        plan, ran, measures, found, tuple(levels), find_knee(levels), proof, clients,
        more.get("windows", windows()), MachineDescription("x", 2, 24, "y", "3", "2", "0", "18"),
        verdict(found, proof, clients, measures, plan, ran), "nothing had to be delivered",
        "http://127.0.0.1:8080",
    )  # fmt: skip
