"""The kinds of faults, one entry each: what it is called, what it does to a request, how strongly.

A new kind is one more entry here and its test in tests/chassis/test_gremlin_kinds.py, then
`make render`: the API, its validation, the injection and the dashboard read this list. What it does
to a request on the wire (cut it, hold it, deliver it twice) is in request.py. The database does not
repeat the list: the API is the only writer of gremlins, and a process ignores a kind that it does
not know."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from chassis.faults.corrupt import with_one_wrong_value
from chassis.faults.request import Bite, FaultyRequest
from chassis.http.problems import Problem

Behaviour = Callable[[FaultyRequest, Bite], Awaitable[None]]


class FaultKind(Struct, frozen=True, kw_only=True):
    """A kind of fault: its labels, its bounds, and what it does, at one point of a request.

    A kind without a delay has `delay_ms` 0; `delay_max_ms` bounds the dashboard's slider. Of those
    that come `after` the work, the earlier entry goes first."""

    kind: str
    label: str
    does: str
    hint: str
    delay_ms: int = 0
    delay_max_ms: int = 0
    delays_each: str = ""
    answers_status: bool = False
    # Before the work; may end the request.
    before: Behaviour | None = None
    # Answers instead of the work.
    instead: Behaviour | None = None
    # At the same time as the work.
    beside: Behaviour | None = None
    # When the work is done, before its response is sent.
    after: Behaviour | None = None
    # Before each SQL statement of the service, whatever request it belongs to.
    on_statement: Callable[[Bite], Awaitable[None]] | None = None
    # To the events that are delivered to the process, where it takes any
    # (chassis/messaging/faults.py).
    on_delivery: Literal["", "lose", "repeat", "shuffle"] = ""
    never_answers: bool = False


async def _sleep(request: FaultyRequest, bite: Bite) -> None:
    await request.sleep(bite.delay_s)


async def _answer_late(_: FaultyRequest, bite: Bite) -> None:
    await asyncio.sleep(bite.delay_s)


async def _slow_statement(bite: Bite) -> None:
    await asyncio.sleep(bite.delay_s)


async def _answer_error(request: FaultyRequest, bite: Bite) -> None:
    reason = f"The gremlin {bite.name} refused this request on purpose"
    details = {"gremlin": bite.name}
    problem = Problem(bite.status, "gremlin", reason, details=details, retryable=True)
    await request.answer(problem)


async def _cut(request: FaultyRequest, _: Bite) -> None:
    await request.cut()


async def _hang(request: FaultyRequest, bite: Bite) -> None:
    await request.hang(bite.is_loose)


async def _answer_wrongly(request: FaultyRequest, _: Bite) -> None:
    # A value that may be right is what a reader must compare; one of another kind is what a check
    # against the contract finds.
    breaks = random.random() < 0.5  # noqa: S311 - no secret
    request.rewrite(partial(with_one_wrong_value, breaks=breaks))


async def _deliver_again(request: FaultyRequest, _: Bite) -> None:
    await request.serve_again()


KINDS: tuple[FaultKind, ...] = (
    FaultKind(
        kind="latency",
        label="Slow request",
        does="Waits, then does the work",
        hint=(
            "The request sleeps before any work is done."
            " Callers with a 2 s deadline give up at 3 s."
        ),
        delay_ms=3000,
        delay_max_ms=10_000,
        before=_sleep,
    ),
    FaultKind(
        kind="late",
        label="Late answer",
        does="Works, then answers late",
        hint="The work is done and stored, but the answer comes after the caller has given up.",
        delay_ms=3000,
        delay_max_ms=10_000,
        after=_answer_late,
    ),
    FaultKind(
        kind="slow_database",
        label="Slow database",
        does="Every statement drags",
        hint="Each SQL statement of the service takes this much longer.",
        delay_ms=300,
        delay_max_ms=3000,
        delays_each="a statement",
        on_statement=_slow_statement,
    ),
    FaultKind(
        kind="error",
        label="Errors",
        does="Answers 503, no work",
        hint="The service answers 503, or the status that was chosen, before it does anything.",
        answers_status=True,
        instead=_answer_error,
    ),
    FaultKind(
        kind="lost_response",
        label="Lost answer",
        does="Works, then drops the line",
        hint="The work is done and stored, then the connection breaks: the caller cannot know.",
        after=_cut,
    ),
    FaultKind(
        kind="refuse",
        label="Connection refused",
        does="Hangs up before the work",
        hint="The connection breaks before anything is done.",
        before=_cut,
    ),
    FaultKind(
        kind="hang",
        label="Silence",
        does="Never answers",
        hint="The caller waits until it gives up.",
        before=_hang,
        never_answers=True,
    ),
    FaultKind(
        kind="duplicate",
        label="Double delivery",
        does="Delivers everything twice",
        hint="The same request arrives twice, as a nervous network would do it.",
        beside=_deliver_again,
    ),
    FaultKind(
        kind="corrupt",
        label="Wrong answer",
        does="Works, answers wrongly",
        hint=(
            "The work is done and stored; the answer is well-formed JSON with one value changed,"
            " half of the time to one that breaks its contract."
        ),
        after=_answer_wrongly,
    ),
    FaultKind(
        kind="lost_event",
        label="Lost events",
        does="Loses events on their way",
        hint="Events do not arrive at this consumer, until they are delivered again.",
        on_delivery="lose",
    ),
    FaultKind(
        kind="duplicate_event",
        label="Double events",
        does="Delivers events twice",
        hint="Events arrive at this consumer twice, as after a crash.",
        on_delivery="repeat",
    ),
    FaultKind(
        kind="reorder_event",
        label="Shuffled events",
        does="Delivers events out of order",
        hint="Events arrive at this consumer in any order.",
        on_delivery="shuffle",
    ),
)
BY_NAME = {kind.kind: kind for kind in KINDS}
ORDER = {kind.kind: place for place, kind in enumerate(KINDS)}
KIND_LABELS = {kind.kind: kind.label for kind in KINDS}
DELAYING = frozenset(kind.kind for kind in KINDS if kind.delay_ms)
if TYPE_CHECKING:
    Kind: TypeAlias = str
else:
    Kind = Literal[tuple(BY_NAME)]


def strength(kind: str, delay_ms: int, jitter_ms: int, status: int) -> str:
    """How strong a fault is, short: "3 s", "0.3 s a statement", "503"."""
    entry = BY_NAME.get(kind)
    if entry is not None and entry.delay_ms:
        jitter = f" ± {jitter_ms / 1000:g} s" if jitter_ms else ""
        return f"{delay_ms / 1000:g} s{jitter} {entry.delays_each}".rstrip()
    return str(status) if entry is not None and entry.answers_status else ""
