"""One payment as it is stored, to explain and to render."""

from datetime import timedelta

from frontend.payments.records import (
    ActionRecord,
    BreakerChange,
    DecisionRecord,
    LedgerLine,
    PaymentDetails,
    PaymentRecord,
    PlanCertificate,
    PlanInputs,
    PlannedPart,
    PlannedTerms,
    PlanRecord,
    PolicyRecord,
    RuleRecord,
    StateChange,
    TryRecord,
)
from tests.frontend.samples import HOSTILE, NOW

BEGAN = NOW - timedelta(seconds=60)
RULE = RuleRecord(2, "true", "allow", "matched")
POLICY = PolicyRecord("ab" * 32, ActionRecord("allow"), 2, False, (RULE,))


def terms(account, basis_points, fixed=0, *, least=50, most=1_000_000, left=2**53, connector=""):
    """What an account charges and takes, in EUR and USD."""
    return PlannedTerms(
        account, connector or "stripe", ("EUR", "USD"), basis_points, fixed, least, most, left
    )


ALFA, BRAVO = terms("alfa", 150), terms("bravo", 200)
INPUTS = PlanInputs(
    amount=10_000,
    currency="EUR",
    split="cheapest",
    terms=(ALFA, BRAVO),
    usable=("alfa", "bravo"),
    policy_inputs={"amount": 10_000, "region": HOSTILE, "merchantTier": ""},
    policy=POLICY,
    fallback=True,
    budget_ms=4000,
)
PLAN = PlanRecord(
    plan_n=1,
    at=BEGAN,
    merchant_id="m1",
    inputs=INPUTS,
    legs=(PlannedPart("alfa", "stripe", 10_000, 150),),
    certificate=PlanCertificate(150, 150),
    accounts=("alfa", "bravo"),
)
ROUTE = DecisionRecord(1, "route", 1, "alfa", HOSTILE, {"else": ["bravo"]}, BEGAN)
PAYMENT = PaymentRecord(
    payment_id="0b0e6f5e-1111-4222-8333-944455557777",
    order_id=None,
    merchant_id="m1",
    request_id=HOSTILE,
    state="SUCCEEDED",
    amount_minor=10_000,
    currency="EUR",
    fee_minor=150,
    decline_code=None,
    cancel_reason=None,
    needs_review=False,
    legs=1,
    tries=1,
    providers=("alfa",),
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    created_at=BEGAN,
    updated_at=BEGAN + timedelta(seconds=2),
)
TRY = TryRecord(
    1,
    1,
    "alfa",
    10_000,
    "SUCCEEDED",
    HOSTILE,
    "pi_1",
    BEGAN,
    (
        StateChange("IN_FLIGHT", BEGAN),
        StateChange("AUTHORISED", BEGAN + timedelta(seconds=1)),
        StateChange("SUCCEEDED", BEGAN + timedelta(seconds=2)),
    ),
)
LINES = (
    LedgerLine(1, "capture", 1, "gateway_clearing", 10_000, "EUR", BEGAN),
    LedgerLine(1, "capture", 2, "merchant", -10_000, "EUR", BEGAN),
)
OPENED = BreakerChange("bravo", "open", "no answer in time", BEGAN - timedelta(seconds=1))
DETAILS = PaymentDetails(PAYMENT, PLAN, (TRY,), (ROUTE,), LINES, (), ())
