"""What a payment's rows say in the words of the answer: a function of them alone."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from services.payment.contract import TERMINAL
from services.payment.domain import Attempt, Payment
from services.payment.process.messages import ErrorCode, PaymentPlan, PaymentResult, StepResult
from services.payment.routing.next_account import Next, next_account


def status_of(payment: Payment) -> int:
    """200 taken, 402 not taken, 202 not known yet."""
    if payment.state == "SUCCEEDED":
        return 200
    return 402 if payment.state in TERMINAL else 202


def result_of(
    payment: Payment,
    plan: PaymentPlan,
    *,
    fallback: bool,
    closed_at: Mapping[datetime, Collection[str]],
) -> PaymentResult:
    """The answer about a payment and its plan; `fallback` is whether its policy allowed any, and
    `closed_at` has the accounts whose breaker was open when an attempt was declined."""
    return PaymentResult(
        plan_id=f"{payment.payment_id}:{plan.plan_n}",
        payment_id=payment.payment_id,
        success=payment.state == "SUCCEEDED",
        steps=[
            _step(payment, each, plan, fallback=fallback, closed=closed_at.get(each.updated_at, ()))
            for each in payment.newest
        ],
    )


def _step(
    payment: Payment,
    attempt: Attempt,
    plan: PaymentPlan,
    *,
    fallback: bool,
    closed: Collection[str],
) -> StepResult:
    mine = [each for each in payment.attempts if each.leg_n == attempt.leg_n]
    took = attempt.updated_at - mine[0].created_at
    success = payment.state == "SUCCEEDED"
    code = None if success else _error_code(payment, attempt, fallback=fallback, closed=closed)
    return StepResult(
        step_id=f"{payment.payment_id}:{attempt.leg_n}",
        success=success,
        provider_name=attempt.provider,
        error_code=code,
        latency_ms=max(0, round(took.total_seconds() * 1000)),
        details={
            "amount": attempt.amount_minor,
            "is_fan_out": len(plan.steps) > 1,
            "decline_code": attempt.detail if attempt.state == "FAILED" else None,
            "attempts": [
                {"provider_name": each.provider, "state": each.state, "detail": each.detail}
                for each in mine
            ],
        },
    )


def _error_code(
    payment: Payment, attempt: Attempt, *, fallback: bool, closed: Collection[str]
) -> ErrorCode:
    if attempt.state == "FAILED":
        return _declined(payment, attempt, fallback=fallback, closed=closed)
    if payment.cancel_reason is not None:
        return "Cancelled"
    if payment.state not in TERMINAL:
        return "OutcomeUnknown"
    # One leg alone is given up for its own sake: somebody did so at its account.
    return "OtherLegFailed" if len(payment.newest) > 1 else "Declined"


def _declined(
    payment: Payment, attempt: Attempt, *, fallback: bool, closed: Collection[str]
) -> ErrorCode:
    until = attempt.begin_until or datetime.now(UTC)
    found = next_account(
        code=attempt.detail or "",
        tried=payment.tried(attempt.leg_n),
        fallbacks=attempt.fallbacks,
        left_s=(until - attempt.updated_at).total_seconds(),
        closed_to_new=closed,
    )
    if isinstance(found, Next):
        # There was one, and it usually takes longer than what was left.
        return "TimeoutBudgetExceeded"
    return "PolicySkip" if found == "Declined" and not fallback else found
