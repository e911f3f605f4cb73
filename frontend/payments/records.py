"""What the queries of payments return; the JSON API answers these as they are."""

from datetime import datetime
from typing import Any

from msgspec import Struct


class PaymentFilter(Struct, frozen=True):
    """What was asked of the list. `search` is a payment's id, an order's or a request's; `before`
    is where the page begins, as `PaymentPage.next` has it."""

    state: str = ""
    provider: str = ""
    merchant: str = ""
    review: str = ""
    search: str = ""
    before: str = ""


class PaymentRecord(Struct, frozen=True):
    """A payment as it stands. `fee_minor` is what its plan costs, None where it had no plan;
    `request_id` and `merchant_id` are None where an order pays."""

    payment_id: str
    order_id: str | None
    merchant_id: str | None
    request_id: str | None
    state: str
    amount_minor: int | None
    currency: str | None
    fee_minor: int | None
    decline_code: str | None
    cancel_reason: str | None
    needs_review: bool
    legs: int
    tries: int
    providers: tuple[str, ...]
    trace_id: str
    created_at: datetime
    updated_at: datetime


class UnpaidRequest(Struct, frozen=True):
    """A merchant's request that was answered without a payment, and what it was answered."""

    merchant_id: str
    request_id: str
    status: int
    detail: str
    at: datetime


class PaymentPage(Struct, frozen=True):
    """Payments, newest first. `next` leads to older ones and is empty at the end; `unpaid` are the
    requests that were searched for and have no payment."""

    payments: tuple[PaymentRecord, ...]
    next: str = ""
    unpaid: tuple[UnpaidRequest, ...] = ()


class PaymentChoices(Struct, frozen=True):
    """What the list can be filtered by."""

    providers: tuple[str, ...] = ()
    merchants: tuple[str, ...] = ()


class PlannedTerms(Struct, frozen=True):
    """What an account charged and took when a payment was planned, in minor units."""

    account: str
    connector: str
    currencies: tuple[str, ...]
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    capacity_minor: int


class RuleRecord(Struct, frozen=True):
    """One rule's part in a decision; `message` says why it failed, where it did."""

    line: int
    when: str
    action: str
    outcome: str
    message: str = ""


class ActionRecord(Struct, frozen=True):
    """What a rule asks for."""

    kind: str
    provider: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.provider}" if self.provider else self.kind


class PolicyRecord(Struct, frozen=True):
    """What a policy said of a payment; `line` is None where no rule decided."""

    version: str
    action: ActionRecord
    line: int | None
    failed: bool
    trace: tuple[RuleRecord, ...]


class PlanInputs(Struct, frozen=True):
    """All that a plan was worked out from. `terms` has every account of the merchant, `usable`
    those that could take a part."""

    amount: int
    currency: str
    split: str
    terms: tuple[PlannedTerms, ...]
    usable: tuple[str, ...]
    policy_inputs: dict[str, Any]
    policy: PolicyRecord | None
    fallback: bool
    budget_ms: int
    # Accounts that failed the plan before.
    left_out: tuple[str, ...] = ()


class PlannedPart(Struct, frozen=True):
    """One account's part of the amount."""

    account: str
    connector: str
    amount_minor: int
    fee_minor: int
    # Legs are numbered through the plans; older plans have no numbers.
    leg_n: int = 0


class PlanCertificate(Struct, frozen=True):
    """What the planner claims: no plan costs less than `lower_bound_minor`."""

    cost_minor: int
    lower_bound_minor: int


class PlanRecord(Struct, frozen=True):
    """A plan as it was stored; `accounts` are those that had something to pay with."""

    plan_n: int
    at: datetime
    merchant_id: str
    inputs: PlanInputs
    legs: tuple[PlannedPart, ...]
    certificate: PlanCertificate | None
    accounts: tuple[str, ...]


class StateChange(Struct, frozen=True):
    """A state that was entered."""

    state: str
    at: datetime
    detail: str | None = None


class TryRecord(Struct, frozen=True):
    """One attempt of a leg at an account, with every state it had, oldest first."""

    leg_n: int
    n: int
    provider: str
    amount_minor: int
    state: str
    detail: str | None
    provider_ref: str | None
    created_at: datetime
    states: tuple[StateChange, ...] = ()


class DecisionRecord(Struct, frozen=True):
    """A decision as it was stored."""

    n: int
    kind: str
    leg_n: int | None
    provider: str | None
    reason: str
    inputs: dict[str, Any]
    at: datetime
    plan_n: int = 1


class LedgerLine(Struct, frozen=True):
    """One line of a transfer; the lines of a transfer sum to zero."""

    leg_n: int
    kind: str
    line: int
    account: str
    amount_minor: int
    currency: str
    posted_at: datetime


class RefundRecord(Struct, frozen=True):
    """A refund that was decided, before anybody was asked for it."""

    leg_n: int
    n: int
    amount_minor: int
    currency: str
    at: datetime


class BreakerChange(Struct, frozen=True):
    """An account's breaker opened or closed."""

    account: str
    state: str
    reason: str | None
    at: datetime


class PaymentDetails(Struct, frozen=True):
    """All that is stored of one payment. `replaced` is the plan before `plan`, if there was one.
    `breakers` are the changes of its accounts' breakers from
    the last one before it began on."""

    payment: PaymentRecord
    plan: PlanRecord | None
    tries: tuple[TryRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    ledger: tuple[LedgerLine, ...]
    refunds: tuple[RefundRecord, ...]
    breakers: tuple[BreakerChange, ...]
    replaced: PlanRecord | None = None
