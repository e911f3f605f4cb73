"""What no schema can say: bounds on time, and conditions that can never hold; pure."""

import math
from collections.abc import Callable, Iterator

from msgspec import UNSET, Struct

from chassis.faults.kinds import DELAYING
from scenarios import model
from scenarios.condition_model import COUNTED, NAMING, Condition
from scenarios.model import Act, Action, Coming, Kill, LetLoose, Load, Restart, Shelf, Wait
from scenarios.model import seconds as in_seconds

# No audience waits for longer. A pending order outlives a gremlin of 15 minutes
# (VALERIX_ORDER_DEADLINE_S). A process that is away for more than half a minute is a broken demo.
WAIT_S, TTL_S, LOAD_S, AWAY_S, DELAY_S = 300.0, 900.0, 900.0, 30.0, 60.0


class ActProblem(Struct, frozen=True):
    """Something that cannot work, and where it is written."""

    path: str
    why: str


# The most answers that the act's customers, payers, spenders and tokens can have got so far, by the
# word of the condition that is about them.
_MostResponses = dict[str, float]
_COME = {"told": "orders were placed", "tokens": "tokens were shown"}


def problems_of(act: Act) -> Iterator[ActProblem]:
    """Everything that cannot work, in the order of the file."""
    most: _MostResponses = {"told": 0.0, "payers": 0.0, "spenders": 0.0, "tokens": 0.0}
    for step, each in enumerate(act.steps):
        for place, action in enumerate(each.do):
            if isinstance(action, str):
                continue
            yield from _of_twin(act, action, f"$.steps[{step}].do[{place}]")
            yield from _of_action(action, f"$.steps[{step}].do[{place}]", most)
            if action.load is not UNSET:
                most["told"] += _most(action.load) * action.load.tries
            if action.pay is not UNSET:
                most["payers"] += _most(action.pay)
            if action.spend is not UNSET:
                most["spenders"] += _most(action.spend)
            if action.show is not UNSET:
                most["tokens"] += action.show.count


def _of_twin(act: Act, action: Action, path: str) -> Iterator[ActProblem]:
    """What cannot be done to a twin, and a condition about one that is not there."""
    for name, instruction in model.given_fields(action):
        if act.twin is not UNSET and isinstance(instruction, Kill | Restart):
            why = f"`{name}` is for a shop that was started with `valerix up`, and a twin was not"
            yield ActProblem(f"{path}.{name}", why)
        until = instruction.until if isinstance(instruction, Wait) else instruction
        if act.twin is UNSET and isinstance(until, Condition) and until.twin is not UNSET:
            yield ActProblem(
                f"{path}.{name}", "there is no twin beside this act: write `twin: NAME`"
            )


def _of_action(action: Action, path: str, most: _MostResponses) -> Iterator[ActProblem]:
    given = dict(model.given_fields(action))
    if len(given) != 1:
        named = " and ".join(f"`{name}`" for name in given) or "nothing"
        yield ActProblem(path, f"each action is one word with what belongs to it; this has {named}")
        return
    ((name, instruction),) = given.items()
    path = f"{path}.{name}"
    if isinstance(instruction, Wait):
        yield from _bounded(path, "limit", instruction.limit, 1, WAIT_S)
        yield from _never(instruction.until, f"{path}.until", most)
    elif isinstance(instruction, Condition):
        yield from _never(instruction, path, most)
    elif isinstance(instruction, Coming):
        yield from _arrivals(instruction, path, name)
    elif check := _CHECKS.get(type(instruction)):
        yield from check(instruction, path)


def _arrivals(coming: Coming, path: str, verb: str) -> Iterator[ActProblem]:
    who = "customers" if isinstance(coming, Load) else "payers"
    if (coming.rate is UNSET) == (coming.count is UNSET):
        yield ActProblem(path, f"`{verb}` needs `rate` (with `for`), or `count`, and not both")
    if coming.rate is not UNSET:
        if coming.for_ is UNSET:
            yield ActProblem(path, f"`{verb}` with `rate` needs `for`: how long {who} keep coming")
        else:
            yield from _bounded(path, "for", coming.for_, 1, LOAD_S)
    elif coming.for_ is not UNSET:
        yield ActProblem(f"{path}.for", "`for` belongs to `rate`: `count` ends by itself")


def _shelf(shelf: Shelf, path: str) -> Iterator[ActProblem]:
    if (shelf.at_least is UNSET) == (shelf.exactly is UNSET):
        yield ActProblem(path, "`shelf` needs either `at_least` or `exactly`")


def _gremlin(gremlin: LetLoose, path: str) -> Iterator[ActProblem]:
    yield from _bounded(path, "ttl", gremlin.ttl, 1, TTL_S)
    for name in ("delay", "jitter"):
        value = getattr(gremlin, name)
        if value is UNSET:
            continue
        if gremlin.kind not in DELAYING:
            yield ActProblem(f"{path}.{name}", f"a {gremlin.kind} gremlin has no `{name}`")
        yield from _bounded(path, name, value, 0.001, DELAY_S)
    if gremlin.kind in DELAYING and gremlin.delay is UNSET:
        yield ActProblem(path, f"a {gremlin.kind} gremlin needs `delay`")
    if gremlin.kind != "error" and gremlin.status is not UNSET:
        yield ActProblem(f"{path}.status", f"a {gremlin.kind} gremlin has no `status`")


def _away(outage: Kill | Restart, path: str) -> Iterator[ActProblem]:
    yield from _bounded(path, "away", outage.away, 0.5, AWAY_S)


_CHECKS: dict[type, Callable[..., Iterator[ActProblem]]] = {
    Shelf: _shelf,
    LetLoose: _gremlin,
    Kill: _away,
    Restart: _away,
}


def _bounded(
    path: str, name: str, text: str, least_s: float, most_s: float
) -> Iterator[ActProblem]:
    value = in_seconds(text)
    if not least_s <= value <= most_s:
        yield ActProblem(
            f"{path}.{name}", f"`{name}: {text}` is out of bounds: {least_s:g}s to {most_s:g}s"
        )


def _never(condition: Condition, path: str, most: _MostResponses) -> Iterator[ActProblem]:
    """A condition that no shop can ever fulfil is a mistake; waiting would show it too late."""
    parts = dict(model.given_fields(condition))
    if not parts:
        yield ActProblem(path, "this says nothing that could be true or not")
    for name, part in parts.items():
        if name in ("money_in_doubt", "bites"):
            yield from _amount(part, f"{path}.{name}", math.inf)
        if not isinstance(part, Struct):
            continue
        inner = [(key, value) for key, value in model.given_fields(part) if key not in NAMING]
        if not inner:
            yield ActProblem(f"{path}.{name}", f"`{name}` says nothing that could be true or not")
        for key, value in inner:
            if isinstance(part, COUNTED):
                yield from _amount(value, f"{path}.{name}.{key}", most.get(name, math.inf))


def _amount(wanted: object, path: str, most: float) -> Iterator[ActProblem]:
    least = _least(wanted)
    if least is None:
        yield ActProblem(path, f"`{wanted}` can never hold: nothing is counted below 0")
    elif least > most:
        so_far = f"at most {most:.0f}" if most else "no"
        word = path.split(".")[-2]
        what = _COME.get(word, "payments were made")
        yield ActProblem(path, f"`{wanted}` can never hold: {so_far} {what} until here")


def _least(wanted: object) -> int | None:
    """The smallest count that would do; None if there is none."""
    if isinstance(wanted, int):
        return wanted
    sign, number = split(str(wanted))
    if sign == "<" and number == 0:
        return None
    return {"<": 0, "<=": 0, ">": number + 1, ">=": number}[sign]


def split(compared: str) -> tuple[str, int]:
    """The sign and the number of a comparison."""
    sign = compared[:2].rstrip(" 0123456789")
    return sign, int(compared[len(sign) :])


def _most(coming: Coming) -> float:
    """The most who can have come."""
    if coming.count is not UNSET:
        return coming.count
    for_s = in_seconds(coming.for_) if coming.for_ is not UNSET else 0.0
    return (coming.rate if coming.rate is not UNSET else 0.0) * for_s
