"""The two machines and what an outcome does to them: the same here as in the database."""

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways import Authorised, Captured, Declined, NotFound, Refunded, Voided
from services.payment import contract, domain, legs, outcomes
from services.payment.domain import Attempt, Charge, Payment
from services.payment.outcomes import GatewayResult, Silence
from services.payment.routes import view

in_module_loop = pytest.mark.asyncio(loop_scope="module")

ORDER = UUID("00000000-0000-4000-8000-000000000001")
PAYMENT = UUID("00000000-0000-4000-8000-000000000002")
EVERY_OUTCOME: list[GatewayResult] = [
    Authorised(100, "EUR"),
    Captured(100, "EUR"),
    Declined("card_declined"),
    Voided(),
    Refunded(100, "EUR"),
    NotFound(),
    Silence("timeout"),
]
# What an attempt's state says about its payment's, and back.
TOGETHER = {
    "IN_FLIGHT": {"PROCESSING", "CANCELLING"},
    "UNKNOWN": {"PROCESSING", "CANCELLING"},
    "AUTHORISED": {"PROCESSING", "CANCELLING"},
    "SUCCEEDED": {"SUCCEEDED", "REFUND_PENDING"},
    "FAILED": {"FAILED"},
    "VOIDED": {"CANCELLED"},
    "REFUNDED": {"REFUNDED"},
}


def _payment(payment_state: str, *leg_states: str) -> Payment:
    """One whose legs are 100 EUR each and have one attempt in this state."""
    now = datetime.now(UTC)
    attempts = tuple(
        Attempt(
            leg_n=leg_n,
            n=1,
            provider="mock",
            gw_key=domain.gw_key(PAYMENT, leg_n, 1),
            amount_minor=100,
            currency="EUR",
            state=state,  # type: ignore[arg-type]
            created_at=now,
            updated_at=now,
        )
        for leg_n, state in enumerate(leg_states, 1)
    )
    amount = 100 * len(attempts)
    return Payment(PAYMENT, ORDER, amount, "EUR", payment_state, attempts=attempts)  # type: ignore[arg-type]


@in_module_loop
async def test_the_machines_equal_the_database(eyes: asyncpg.Connection):
    rows = await eyes.fetch("SELECT machine, src, dst FROM payments.transitions")
    assert {(r["src"], r["dst"]) for r in rows if r["machine"] == "payment"} == (
        domain.PAYMENT_TRANSITIONS
    )
    assert {(r["src"], r["dst"]) for r in rows if r["machine"] == "attempt"} == (
        domain.ATTEMPT_TRANSITIONS
    )


@in_module_loop
async def test_the_database_knows_the_same_states(eyes: asyncpg.Connection):
    for table, states in (
        ("payments", domain.PaymentState),
        ("attempts", domain.AttemptState),
    ):
        definition = await eyes.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            f" WHERE conrelid = 'payments.{table}'::regclass AND conname = '{table}_state_check'"
        )
        assert all(f"'{state}'" in definition for state in get_args(states))
        assert definition.count("'") == 2 * len(get_args(states))


def test_the_wire_speaks_of_the_same_states_and_currencies():
    assert get_args(contract.PaymentState) == get_args(domain.PaymentState)
    assert get_args(contract.AttemptState) == get_args(domain.AttemptState)
    assert set(get_args(contract.Currency)) == set(contract.EXPONENTS)


def test_a_cancel_is_acknowledged_exactly_where_nothing_is_left_to_do():
    acknowledged = {s for s in get_args(domain.PaymentState) if contract.cancel_is_acknowledged(s)}
    assert acknowledged == {"CANCELLED", "REFUNDED", "FAILED"}
    # A cancel never rests in a state it would not acknowledge.
    assert acknowledged == set(get_args(domain.PaymentState)) - {
        *domain.UNFINISHED,
        *domain.ON_CANCEL,
    }


def test_every_unfinished_state_has_its_operation():
    # What is over may be left once more by a late capture alone, and SUCCEEDED by a cancel.
    over = {*contract.TERMINAL, "SUCCEEDED"}
    assert {src for src, _ in domain.PAYMENT_TRANSITIONS} - over == domain.UNFINISHED
    assert {dst for src, dst in domain.PAYMENT_TRANSITIONS if src in over} == {"REFUND_PENDING"}


@pytest.mark.parametrize("outcome", EVERY_OUTCOME, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("attempt_state", TOGETHER)
def test_every_outcome_has_an_answer_in_every_state(attempt_state: str, outcome: GatewayResult):
    for payment_state in TOGETHER[attempt_state]:
        payment = _payment(payment_state, attempt_state)
        effect = outcomes.outcome_effect(payment, payment.attempt, outcome)
        for path, start, machine in (
            (effect.attempt_path, attempt_state, domain.ATTEMPT_TRANSITIONS),
            (effect.payment_path, payment_state, domain.PAYMENT_TRANSITIONS),
        ):
            steps = list(zip((start, *path), path, strict=False))
            assert set(steps) <= set(machine), (attempt_state, payment_state, outcome)
        ends = (effect.attempt_path or (attempt_state,))[-1]
        assert (effect.payment_path or (payment_state,))[-1] in TOGETHER[ends]
        assert not (effect.review and (effect.attempt_path or effect.lines))


@pytest.mark.parametrize(
    ("attempt_state", "outcome"),
    [
        ("FAILED", Captured(100, "EUR")),
        ("FAILED", Authorised(100, "EUR")),
        ("IN_FLIGHT", Authorised(99, "EUR")),
        ("FAILED", Refunded(100, "EUR")),
        ("SUCCEEDED", Declined("x")),
        ("REFUNDED", Declined("x")),
        ("IN_FLIGHT", Captured(99, "EUR")),
        ("IN_FLIGHT", Captured(100, "USD")),
        ("SUCCEEDED", Refunded(99, "EUR")),
    ],
)
def test_a_gateway_that_contradicts_itself_is_for_a_human(
    attempt_state: str, outcome: GatewayResult
):
    for payment_state in TOGETHER[attempt_state]:
        payment = _payment(payment_state, attempt_state)
        assert outcomes.outcome_effect(payment, payment.attempt, outcome).review


@given(st.lists(st.sampled_from(EVERY_OUTCOME), max_size=8), st.booleans())
def test_no_sequence_of_outcomes_posts_anything_twice(
    results: list[GatewayResult], cancelled: bool
):
    payment = _payment("CANCELLING" if cancelled else "PROCESSING", "IN_FLIGHT")
    posted: dict[str, int] = {}
    for outcome in results:
        effect = outcomes.outcome_effect(payment, payment.attempt, outcome)
        for line in effect.lines:
            key = f"{line.leg_n} {line.kind} {line.line}"
            assert key not in posted
            posted[key] = line.amount_minor
        attempt = msgspec.structs.replace(
            payment.attempt, state=(effect.attempt_path or (payment.attempt.state,))[-1]
        )
        state = (effect.payment_path or (payment.state,))[-1]
        payment = msgspec.structs.replace(payment, state=state, attempts=(attempt,))
        assert payment.state in TOGETHER[attempt.state]
    assert sum(posted.values()) == 0


def test_a_leg_stands_where_its_newest_attempt_does():
    payment = _payment("PROCESSING", "FAILED")
    again = msgspec.structs.replace(payment.attempt, n=2, state="IN_FLIGHT")
    payment = msgspec.structs.replace(payment, attempts=(*payment.attempts, again))
    assert legs.states(payment) == ("IN_FLIGHT",)
    assert outcomes.outcome_effect(payment, again, Captured(100, "EUR")).payment_path == (
        "SUCCEEDED",
    )


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PROCESSING", "PENDING"),
        ("CANCELLING", "PENDING"),
        ("REFUND_PENDING", "PENDING"),
        ("SUCCEEDED", "SUCCESS"),
        ("FAILED", "FAILED"),
        ("CANCELLED", "FAILED"),
        ("REFUNDED", "REFUNDED"),
    ],
)
def test_a_payment_is_answered_with_its_status_beside_its_state(state: str, status: str):
    answer = view(_payment(state, "IN_FLIGHT"))
    assert (answer.state, answer.status) == (state, status)
    assert set(contract.STATUSES) == set(get_args(contract.PaymentState))


def test_a_provider_key_names_payment_leg_and_attempt():
    assert domain.gw_key(PAYMENT, 2, 3) == f"pay_{PAYMENT}:2:3"
    # What was stored under the order's name stays ours: the payment is called as its order was.
    assert domain.first_keys(PAYMENT) == {f"pay_{PAYMENT}:1:1", f"ord_{PAYMENT}:1"}


def test_only_the_order_s_own_payment_is_charged():
    payment = msgspec.structs.replace(
        _payment("SUCCEEDED", "SUCCEEDED"), idempotency_key="k", request_hash=b"h"
    )
    charge = Charge(PAYMENT, ORDER, 100, "EUR", "k", b"h", "hand")
    another = [
        (payment, msgspec.structs.replace(charge, payment_id=ORDER)),
        (payment, msgspec.structs.replace(charge, order_id=PAYMENT, idempotency_key="other")),
        (msgspec.structs.replace(payment, order_id=None), charge),
    ]
    for found, asked in another:
        with pytest.raises(domain.AnotherPayment):
            domain.admit(found, asked)
    domain.admit(payment, msgspec.structs.replace(charge, payment_id=None))


@pytest.mark.parametrize(
    ("state", "key", "request_hash", "amount", "refusal"),
    [
        ("SUCCEEDED", "k", b"h", 100, None),
        ("SUCCEEDED", "other", b"h", 100, None),
        ("SUCCEEDED", "k", b"other", 100, domain.KeyReused),
        ("SUCCEEDED", "other", b"other", 101, domain.AmountDiffers),
        ("CANCELLED", "k", b"h", 100, domain.Fenced),
        ("CANCELLING", "other", b"other", 101, domain.Fenced),
        ("REFUND_PENDING", "k", b"h", 100, domain.Fenced),
        ("REFUNDED", "k", b"h", 100, domain.Fenced),
        ("FAILED", "k", b"h", 100, None),
        ("PROCESSING", "k", b"h", 100, None),
    ],
)
def test_which_charges_an_existing_payment_admits(
    state: str, key: str, request_hash: bytes, amount: int, refusal: type[Exception] | None
):
    payment = msgspec.structs.replace(
        _payment(state, "SUCCEEDED"), idempotency_key="k", request_hash=b"h"
    )
    charge = Charge(PAYMENT, ORDER, amount, "EUR", key, request_hash, "hand")
    if refusal is None:
        domain.admit(payment, charge)
    else:
        with pytest.raises(refusal):
            domain.admit(payment, charge)
