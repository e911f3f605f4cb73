"""Two legs are taken whole or not kept at all, in every order in which things can happen."""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations_with_replacement, product
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import pytest

from gateways import Authorised, Captured, Declined, NotFound, Refunded, Voided
from services.payment import domain, legs, outcomes
from services.payment.domain import (
    ATTEMPT_TRANSITIONS,
    ON_CANCEL,
    PAYMENT_TRANSITIONS,
    Attempt,
    DecisionKind,
    Payment,
)
from services.payment.outcomes import GatewayResult, Silence

PAYMENT = UUID("00000000-0000-4000-8000-000000000002")
_AT = datetime(2026, 1, 1, tzinfo=UTC)
# What a gateway does with a leg: it approves, declines, or refuses to capture what it authorised.
Verdict = Literal["approve", "decline", "expire", "void-expired"]
VERDICTS: tuple[Verdict, ...] = ("approve", "decline", "expire", "void-expired")
ANSWERS: dict[str, GatewayResult] = {
    "": NotFound(),
    "AUTHORISED": Authorised(100, "EUR"),
    "CAPTURED": Captured(100, "EUR"),
    "DECLINED": Declined("card_declined"),
    "EXPIRED": Declined("authorisation_expired"),
    "VOIDED": Voided(),
    "REFUNDED": Refunded(100, "EUR"),
}
# More at once adds orders and no new kind of order: an old answer beside a new question is two.
_ON_THE_WAY = 2


def two_legs() -> Payment:
    attempts = tuple(
        Attempt(
            leg_n=n, n=1, provider="mock", gw_key=domain.gw_key(PAYMENT, n, 1), amount_minor=100,
            currency="EUR", state="IN_FLIGHT", created_at=_AT, updated_at=_AT,
        )
        for n in (1, 2)
    )  # fmt: skip
    return Payment(PAYMENT, None, 200, "EUR", attempts=attempts)


class World(NamedTuple):
    """Our rows, what each gateway has, and what is on its way: a question, or an answer."""

    payment: Payment
    gateways: tuple[str, str]
    on_the_way: tuple[tuple[int, str | GatewayResult], ...]
    is_cancelled: bool


def _at_gateway(has: str, question: str, verdict: Verdict) -> str:
    match question, has:
        case "authorise", "":
            return "DECLINED" if verdict == "decline" else "AUTHORISED"
        case "capture", "AUTHORISED" if verdict == "expire":
            return "EXPIRED"
        case "capture", "AUTHORISED" if verdict == "void-expired":
            return "VOIDED"
        case "capture", "AUTHORISED":
            return "CAPTURED"
        case "void", "" | "AUTHORISED":
            return "VOIDED"
        case "refund", "CAPTURED":
            return "REFUNDED"
    return has


def _settled(payment: Payment, leg_n: int, outcome: GatewayResult) -> Payment:
    """As settlement does it, with every step checked against the machines."""
    attempt = next(each for each in payment.newest if each.leg_n == leg_n)
    effect = outcomes.outcome_effect(payment, attempt, outcome)
    assert not effect.review, (payment, outcome, effect.review)
    for path, start, machine in (
        (effect.attempt_path, attempt.state, ATTEMPT_TRANSITIONS),
        (effect.payment_path, payment.state, PAYMENT_TRANSITIONS),
    ):
        assert set(zip((start, *path), path, strict=False)) <= set(machine)
    held = attempt.was_authorised or "AUTHORISED" in effect.attempt_path
    state = (effect.attempt_path or (attempt.state,))[-1]
    payment = payment.moved(payment.id_of(attempt), state=state, was_authorised=held)
    if effect.decision is not None:
        assert effect.decision not in payment.decided
        payment = msgspec.structs.replace(payment, decided=payment.decided | {effect.decision})
    if effect.payment_path:
        payment = msgspec.structs.replace(payment, state=effect.payment_path[-1])
    return payment


def _next(world: World, verdicts: tuple[Verdict, Verdict]) -> Iterator[World]:
    """Everything that can happen next."""
    payment, gateways, on_the_way, is_cancelled = world
    for at, (leg_n, what) in enumerate(on_the_way):
        rest = on_the_way[:at] + on_the_way[at + 1 :]
        yield world._replace(on_the_way=rest)  # it is lost, or whoever waited has crashed
        if not isinstance(what, str):
            yield world._replace(payment=_settled(payment, leg_n, what), on_the_way=rest)
            continue
        after = list(gateways)
        if what != "find out":
            after[leg_n - 1] = _at_gateway(gateways[leg_n - 1], what, verdicts[leg_n - 1])
        answer = (leg_n, ANSWERS[after[leg_n - 1]])
        yield world._replace(gateways=(after[0], after[1]), on_the_way=(*rest, answer))
        yield world._replace(
            gateways=(after[0], after[1]), payment=_settled(payment, leg_n, Silence("")),
            on_the_way=rest,
        )  # fmt: skip
    if len(on_the_way) < _ON_THE_WAY:
        for each in payment.newest:
            questions = {legs.operation(payment, each), "find out"} - {None}
            if each.state in legs.OPEN or each.state == "SUCCEEDED":
                for question in questions:
                    yield world._replace(on_the_way=(*on_the_way, (each.leg_n, str(question))))
    if not is_cancelled:
        to = ON_CANCEL.get(payment.state, payment.state)
        reason = "USER_CANCELLED" if payment.state in ON_CANCEL else None
        after_cancel = msgspec.structs.replace(payment, state=to, cancel_reason=reason)
        yield world._replace(payment=after_cancel, is_cancelled=True)


class End(NamedTuple):
    """How it stands where nothing is left to do."""

    state: str
    gateways: tuple[str, str]
    is_cancelled: bool


def _ends(verdicts: tuple[Verdict, Verdict]) -> set[End]:
    """Wherever it can end, all that can happen having been tried in every order."""
    start = World(two_legs(), ("", ""), (), is_cancelled=False)
    seen, queue, ends = {start}, deque([start]), set()
    while queue:
        world = queue.popleft()
        payment = world.payment
        if payment.state not in domain.UNFINISHED and payment.state != "SUCCEEDED":
            # What is over holds no money, now and later.
            assert "CAPTURED" not in world.gateways, world
        if payment.state == "SUCCEEDED":
            assert world.gateways == ("CAPTURED", "CAPTURED"), world
        if not world.on_the_way and all(
            legs.operation(payment, each) is None for each in payment.newest
        ):
            assert payment.state not in domain.UNFINISHED, world
            ends.add(End(payment.state, world.gateways, world.is_cancelled))
        for after in _next(world, verdicts):
            if after not in seen:
                seen.add(after)
                queue.append(after)
    return ends


def _cell(verdicts: tuple[Verdict, Verdict]) -> Any:
    is_sample = verdicts in (("approve", "approve"), ("approve", "decline"), ("approve", "expire"))
    marks = () if is_sample else (pytest.mark.long,)
    return pytest.param(verdicts, id="-".join(verdicts), marks=marks)


@pytest.mark.parametrize(
    "verdicts", [_cell(each) for each in combinations_with_replacement(VERDICTS, 2)]
)
def test_every_order_of_answers_polls_cancels_and_crashes_ends_in_one_state(
    verdicts: tuple[Verdict, Verdict],
):
    ends = _ends(verdicts)
    is_whole = verdicts == ("approve", "approve")
    untouched = {end.state for end in ends if not end.is_cancelled}
    assert untouched == {"SUCCEEDED" if is_whole else "FAILED"}
    for end in ends:
        kept = {"CAPTURED"} if is_whole and not end.is_cancelled else set()
        assert set(end.gateways) & {"CAPTURED", "AUTHORISED"} == kept
        assert not end.is_cancelled or end.state in ("CANCELLED", "REFUNDED", "FAILED")


def test_without_waiting_for_all_legs_a_part_of_the_money_is_taken(
    monkeypatch: pytest.MonkeyPatch,
):
    def one_is_enough(payment: Payment) -> DecisionKind | None:
        held = set(legs.states(payment)) & legs.HELD
        return "capture" if held and not payment.decided else None

    monkeypatch.setattr(legs, "decision_due", one_is_enough)
    with pytest.raises(AssertionError):
        _ends(("approve", "decline"))


def test_a_payment_s_state_is_known_for_every_standing_of_its_legs():
    every = ("IN_FLIGHT", "UNKNOWN", "AUTHORISED", "SUCCEEDED", "FAILED", "VOIDED", "REFUNDED")
    for stand in product(every, every):
        found = {
            going: legs.payment_state(stand, going)  # type: ignore[arg-type]
            for going in ("take", "give-up", "cancel")
        }
        is_open = bool(set(stand) & legs.OPEN)
        assert (found["take"] == "SUCCEEDED") == (set(stand) == {"SUCCEEDED"})
        assert (found["give-up"] in domain.UNFINISHED) == (is_open or "SUCCEEDED" in stand)
        assert (found["cancel"] in domain.UNFINISHED) == (is_open or "SUCCEEDED" in stand)
        assert "SUCCEEDED" not in (found["give-up"], found["cancel"])
        # The order of the legs says nothing.
        assert legs.payment_state(stand[::-1], "take") == found["take"]  # type: ignore[arg-type]


def test_a_leg_given_back_while_all_are_to_be_taken_is_for_a_human():
    payment = two_legs()
    for each in payment.newest:
        payment = payment.moved(payment.id_of(each), state="SUCCEEDED")
    payment = msgspec.structs.replace(payment, state="SUCCEEDED", decided=frozenset({"capture"}))
    effect = outcomes.outcome_effect(payment, payment.attempt, Refunded(100, "EUR"))
    assert effect.review
    assert not effect.attempt_path
