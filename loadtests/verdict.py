"""One answer from many: the thresholds, the proof, the clients' log, and the run itself."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from loadtests.comparison import Comparison
from loadtests.measures import GeneratorUsage, Measures
from loadtests.plan import LoadPlan, Ran
from loadtests.thresholds import ThresholdCheck
from proof.evaluate import Report
from proof.finding import State

Answer = Literal["kept", "broken", "unknown"]
EXIT_CODES: dict[Answer, int] = {"kept": 0, "broken": 1, "unknown": 2}

_WORST_FIRST: tuple[Answer, ...] = ("broken", "unknown")

# One busy second in ten is not an accident.
BUSY_SHARE = 0.1
# A machine this busy has nothing left for a shop that is asked for more.
FULL_PERCENT = 95.0
# Responses that were read this late were not slow: the generator was.
LATE_MS = 50.0
# An open loop that could not begin one visit in a hundred did not offer its rate.
_NOT_BEGUN_SHARE = 0.01
_OF_PROOF: dict[State, Answer] = {
    "holds": "kept",
    "violated": "broken",
    "settling": "broken",
    "unknown": "unknown",
}


_OPEN = (
    "Open loop: visits began at a fixed rate whatever became of those before, and each was timed "
    "from the moment it was due, so a stall counts for everybody it would have met."
)
_CLOSED = (
    "Closed loop: a shopper waits for an answer before the next question, so a slow shop is asked "
    "less often and its slow moments count too little (coordinated omission); RATE=n makes the "
    "same profile an open loop."
)


class Part(msgspec.Struct, frozen=True):
    """One thing that was judged, and why it is so in one sentence."""

    name: str
    answer: Answer
    detail: str


class Verdict(msgspec.Struct, frozen=True):
    """The answer, the parts it is made of, notes for the reader, and what its kind of loop means
    for the figures."""

    answer: Answer
    headline: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    loop: str

    @property
    def exit_code(self) -> int:
        """0 everything was kept, 1 something was broken, 2 it could not be run or judged."""
        return EXIT_CODES[self.answer]


def verdict(
    checks: Sequence[ThresholdCheck],
    proof: Report | None,
    clients: Comparison,
    measures: Measures,
    plan: LoadPlan,
    ran: Ran,
) -> Verdict:
    """Broken comes before unknown: a run that broke something has an answer."""
    parts = (
        *_run(measures, plan, ran),
        *(_threshold(check, ran) for check in checks),
        *_confirmed(measures),
        _proof(proof, clients),
        _clients(clients),
    )
    answers = {part.answer for part in parts}
    answer: Answer = next((a for a in _WORST_FIRST if a in answers), "kept")
    notes, loop = tuple(_notes(measures)), _OPEN if plan.rate else _CLOSED
    return Verdict(answer, _headline(answer, parts), parts, notes, loop)


def _threshold(check: ThresholdCheck, ran: Ran) -> Part:
    if check.actual is None:
        # A whole run without any response is broken; of one that was cut short nothing is known.
        answer: Answer = "broken" if ran.complete else "unknown"
        return Part(check.name, answer, "nothing was measured: no order was answered")
    actual = f"{check.actual:.0f}" if check.unit == "ms" else f"{check.actual:.1f}"
    detail = f"{actual} {check.unit}, {check.sign} {check.limit:g} {check.unit} is demanded"
    return Part(check.name, "kept" if check.kept else "broken", detail)


def _confirmed(measures: Measures) -> Iterator[Part]:
    orders = sum(measures.orders.values())
    if orders and not measures.orders.get("confirmed"):
        yield Part("orders", "unknown", f"not one of {orders} was confirmed: nothing to judge by")


def _proof(proof: Report | None, clients: Comparison) -> Part:
    if proof is None:
        return Part("proof", "unknown", f"could not be judged: {clients.unjudged}")
    of = len(proof.findings)
    detail = {
        "holds": f"all {of} promises hold: nothing was lost and nobody paid twice",
        "violated": f"{len(proof.those('violated'))} of {of} promises are BROKEN",
        "settling": "work is still open after the wait: "
        + ", ".join(f"{f.invariant.id} {f.total}" for f in proof.those("settling")),
        "unknown": f"{len(proof.those('unknown'))} of {of} promises could not be judged",
    }[proof.state]
    if proof.gremlins_loose:
        detail += f" ({proof.gremlins_loose} gremlins are still loose)"
    return Part("proof", _OF_PROOF[proof.state], detail)


def _clients(clients: Comparison) -> Part:
    name = "clients' log"
    if clients.unjudged:
        return Part(name, "unknown", f"could not be compared: {clients.unjudged}")
    if clients.contradictions:
        detail = (
            f"{clients.contradictions} of {clients.orders} orders contradict the replies about them"
        )
        return Part(name, "broken", detail)
    if clients.duplicated:
        detail = f"{clients.keyless} orders have no key of any shopper: they were made twice"
        return Part(name, "broken", detail)
    if clients.beyond:
        return Part(name, "unknown", f"{clients.beyond} orders were beyond the log's bound")
    return Part(
        name, "kept",
        f"the replies about {clients.orders} order{'s' * (clients.orders != 1)} agree with the "
        "database",
    )  # fmt: skip


def _run(measures: Measures, plan: LoadPlan, ran: Ran) -> Iterator[Part]:
    if not ran.complete:
        seconds, of = ran.ended_s - ran.began_s, plan.duration_s
        yield Part("run", "unknown", f"stopped by hand after {seconds:.0f} s of {of:.0f} s")
    if ran.missing_workers:
        detail = f"lost {ran.missing_workers} of its workers, and with them their last measures"
        yield Part("generator", "unknown", detail)
    if measures.not_begun > _NOT_BEGUN_SHARE * measures.due:
        detail = (
            f"{measures.not_begun} of {measures.due} visits could not begin: the rate asked for"
        )
        yield Part("generator", "unknown", f"{detail} was not offered")
    if measures.errors:
        most = max(measures.errors, key=lambda error: measures.errors[error])
        detail = f"it failed itself {sum(measures.errors.values())} times, mostly: {most}"
        yield Part("generator", "unknown", detail)


def _headline(answer: Answer, parts: Sequence[Part]) -> str:
    if answer == "kept":
        return "It held: every threshold was kept, nothing was lost, every reply was true."
    first = [part for part in parts if part.answer == answer]
    names = ", ".join(dict.fromkeys(part.name for part in first))
    if answer == "broken":
        return f"It did not hold: {names}."
    return f"No verdict: {first[0].name} {first[0].detail}."


def is_saturated(usage: GeneratorUsage) -> bool:
    """Whether the generator was so busy that it measured itself."""
    if not usage.samples:
        return False
    late = usage.late.quantile(0.95) or 0.0
    return usage.busy_samples > BUSY_SHARE * usage.samples or late > LATE_MS


def _notes(measures: Measures) -> Iterator[str]:
    usage = measures.usage
    machine = usage.machine_sum_percent / max(usage.samples, 1)
    if machine >= FULL_PERCENT:
        yield (
            f"The machine was full ({machine:.0f} % on average): the shop shared it with the "
            "generator and whatever else ran there, so it can do better than this."
        )
    if is_saturated(usage):
        late = usage.late.quantile(0.95) or 0.0
        yield (
            f"The generator was saturated: up to {usage.peak_percent:.0f} % of a core in one "
            f"process, and it woke up {late:.0f} ms late in one case of twenty. What it measured "
            "is an upper bound of how long the shop took: try WORKERS=n, or another machine."
        )
