"""The payment service on the wire, for itself and for whoever calls it."""

from datetime import date, datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.wallet.contract import UserId

PaymentState = Literal[
    "PROCESSING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "REFUND_PENDING",
    "REFUNDED",
]
PaymentStatus = Literal["PENDING", "SUCCESS", "FAILED", "REFUNDED"]
AttemptState = Literal[
    "IN_FLIGHT", "UNKNOWN", "AUTHORISED", "SUCCEEDED", "FAILED", "VOIDED", "REFUNDED"
]

# How a settlement file and our ledger can differ; the table has the same list.
BreakKind = Literal[
    "missing_here", "missing_there", "amount_differs", "currency_differs", "fee_differs",
    "payment_differs", "duplicate_line", "line_changed",
]  # fmt: skip
BREAK_KINDS: tuple[BreakKind, ...] = get_args(BreakKind)
# Who looks at a difference: nobody yet, somebody who said why it stays, or it is gone.
BreakState = Literal["open", "accepted", "resolved"]

Currency = Literal["AUD", "BHD", "CHF", "EUR", "GBP", "JPY", "USD"]
# Minor units per unit as a power of ten (ISO 4217): 9999 is 99.99 EUR, 9999 JPY, 9.999 BHD.
EXPONENTS: dict[str, int] = {
    "AUD": 2,
    "BHD": 3,
    "CHF": 2,
    "EUR": 2,
    "GBP": 2,
    "JPY": 0,
    "USD": 2,
}
MerchantId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
# Past 2**53 a JSON number is no longer exact in a browser.
MAX_AMOUNT_MINOR = 2**53

# The stable `code` of each refusal.
DECLINED = "payment-declined"
FENCED = "fenced"
KEY_MISSING = "idempotency-key-missing"
KEY_INVALID = "idempotency-key-invalid"
KEY_REUSED = "idempotency-key-reused"
MISMATCH = "payment-mismatch"
NOT_FOUND = "payment-not-found"
NO_PLAN = "no-plan"
MERCHANT_NOT_FOUND = "merchant-not-found"
ACCOUNTS_UNAVAILABLE = "accounts-unavailable"
CAPACITY_USED_UP = "capacity-used-up"
REQUEST_REUSED = "request-id-reused"
WEBHOOK_REFUSED = "webhook-refused"
ACCOUNT_NOT_FOUND = "account-not-found"
WEBHOOK_NOT_READY = "webhook-not-ready"
DAY_TO_COME = "day-to-come"
BREAK_NOT_FOUND = "break-not-found"
BREAK_RESOLVED = "break-resolved"
POLICY_INVALID = "policy-invalid"
POLICY_NOT_FOUND = "policy-not-found"
TERMS_INVALID = "terms-invalid"
WHAT_IF_BUSY = "what-if-busy"

# Each state in the four words of the public API. Money on its way back is PENDING: whether it was
# captured or not, nothing is final until it is back.
STATUSES: dict[PaymentState, PaymentStatus] = {
    "PROCESSING": "PENDING",
    "CANCELLING": "PENDING",
    "REFUND_PENDING": "PENDING",
    "SUCCEEDED": "SUCCESS",
    "FAILED": "FAILED",
    "CANCELLED": "FAILED",
    "REFUNDED": "REFUNDED",
}
# A payment in one of these owes nobody anything and never will again, short of a late capture.
TERMINAL: frozenset[PaymentState] = frozenset({"CANCELLED", "REFUNDED", "FAILED"})


def cancel_is_acknowledged(state: PaymentState) -> bool:
    """Whether a cancel that met `state` is over, so that goods may be freed (rule R8).

    Both the service and its client ask here: 200 is answered, and believed, only then."""
    return state in TERMINAL


class CreatePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /payments: take this much for this order, once. Without a `payment_id` a new payment
    gets one; with it, that one and no other is the order's payment. `wallet_id` is the user whose
    wallet pays; `owner`, who placed the order, is taken from a service of the shop alone."""

    order_id: UUID
    amount_minor: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
    currency: Currency
    payment_id: UUID | UnsetType = UNSET
    wallet_id: UserId | UnsetType = UNSET
    owner: UserId | UnsetType = UNSET


class CancelPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /payments/{payment_id}/cancel: void what is open, refund what was taken. `order_id` and
    `owner` say whose payment it is: a cancel that comes before the charge is remembered so."""

    reason: Annotated[str, Meta(pattern=r"^[A-Z][A-Z_]{0,39}$(?!\n)")] = "REFUND"
    order_id: UUID | UnsetType = UNSET
    owner: UserId | UnsetType = UNSET


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt at the gateway, the `n`th of its leg."""

    leg_n: int
    n: int
    provider: str
    state: AttemptState
    detail: str | None
    created_at: datetime
    updated_at: datetime


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as answered: a tombstone (cancelled before it was charged) has no amount, and a
    payment that is no order's has no `order_id`.

    `status` is `state` in fewer words: PENDING while PROCESSING, CANCELLING or REFUND_PENDING;
    SUCCESS once SUCCEEDED; FAILED once FAILED or CANCELLED; REFUNDED once REFUNDED."""

    payment_id: UUID
    order_id: UUID | None
    state: PaymentState
    status: PaymentStatus
    amount_minor: int | None
    currency: str | None
    attempts: list[AttemptView]
    decline_code: str | None = None
    cancel_reason: str | None = None


class PaymentList(msgspec.Struct, frozen=True):
    """The payments that were asked for: an order has one or none."""

    payments: list[PaymentView]


class DeclineDetails(msgspec.Struct, frozen=True):
    """The `details` of a 402: which payment, of which order, and why the provider declined it."""

    payment_id: UUID
    order_id: UUID | None
    decline_code: str


class WebhookAnswer(msgspec.Struct, frozen=True):
    """POST /webhooks/{provider}: the event is kept, is there already, or changes nothing."""

    result: Literal["accepted", "repeated", "ignored"]


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One account's file of one UTC day, fetched and matched. `young` are lines whose payment may
    still be settled: they are judged by the next run."""

    run: int
    account: str
    day: date
    result: Literal["matched", "breaks", "failed"]
    reason: str | None
    lines: int
    matched: int
    young: int
    started_at: datetime
    ended_at: datetime


class RunList(msgspec.Struct, frozen=True):
    """Runs, the newest first."""

    runs: list[RunView]


class BreakView(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `expected_minor` is ours, `found_minor` the account's."""

    id: int
    account: str
    day: date
    kind: BreakKind
    reference: str
    payment_id: UUID | None
    expected_minor: int | None
    found_minor: int | None
    currency: str | None
    reason: str
    run: int
    found_at: datetime
    state: BreakState
    state_at: datetime
    note: str | None
    resolved_in: int | None


class BreakList(msgspec.Struct, frozen=True):
    """Differences, the oldest first."""

    breaks: list[BreakView]


class OwnBreak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /reconciliation-breaks/{id}: somebody has looked at it, and says what they found."""

    note: Annotated[str, Meta(min_length=1, max_length=500)]
    state: Literal["accepted", "resolved"] = "accepted"


# Longer than any policy, and well below what a request may have: the reader names what is wrong.
DraftText = Annotated[str, Meta(max_length=20_000)]


class PolicyText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /policies and /policies/check: a policy as somebody wrote it (docs/policies.md)."""

    text: DraftText


class PolicyMistake(msgspec.Struct, frozen=True):
    """Why a text is not a policy; line and column count from 1."""

    line: int
    column: int
    code: str
    message: str


class PolicyRule(msgspec.Struct, frozen=True):
    """One rule as it was understood."""

    line: int
    when: str
    action: str
    on_error: str


class PolicyCheck(msgspec.Struct, frozen=True):
    """What a text is: a policy with its version, its one spelling and its rules, `saved` where it
    was before; or none, with every mistake."""

    version: str | None
    text: str | None
    rules: list[PolicyRule]
    mistakes: list[PolicyMistake]
    saved: bool


class PolicyVersion(msgspec.Struct, frozen=True):
    """A policy that was saved, for good."""

    version: str
    text: str
    at: datetime


class SetPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /merchants/{merchant_id}/policy: a version that was saved."""

    version: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class MerchantPolicy(msgspec.Struct, frozen=True):
    """The version that a merchant's next payments are asked of."""

    merchant_id: str
    version: str


class ChangedTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other terms of an account, in basis points and minor units; what is absent stays as it was
    for each payment. A `daily_capacity_minor` of null is none: the account takes any sum a day."""

    fee_basis_points: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    fee_fixed_minor: Annotated[int, Meta(ge=0, le=MAX_AMOUNT_MINOR)] | UnsetType = UNSET
    minimum_minor: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)] | UnsetType = UNSET
    maximum_minor: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)] | UnsetType = UNSET
    daily_capacity_minor: Annotated[int, Meta(ge=0, le=MAX_AMOUNT_MINOR)] | UnsetType | None = UNSET


class AskWhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /policies/what-if: a draft, and how many of the last payments it is tried on; of one
    merchant, or of all. `terms` are other terms of accounts, by their name; without a draft each
    payment has the policy that it had."""

    text: DraftText | UnsetType = UNSET
    last: Annotated[int, Meta(ge=1, le=500)] = 200
    merchant_id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")] | UnsetType = (
        UNSET
    )
    # As many as a plan may have accounts.
    terms: Annotated[dict[str, ChangedTerms], Meta(max_length=20)] = {}


# The same as it was; not taken at all; or not known, because nobody can say what another account
# would have answered.
WhatIfOutcome = Literal["same", "not-taken", "unknown"]


class PlannedLegView(msgspec.Struct, frozen=True):
    """One account's part of a payment."""

    account: str
    amount_minor: int
    fee_minor: int


class RouteView(msgspec.Struct, frozen=True):
    """Where a payment goes under a policy: its legs, and for each those that may take over.
    Without legs it goes nowhere, and `refusal` says why."""

    action: str
    legs: list[PlannedLegView]
    fallbacks: list[list[str]]
    refusal: str | None

    @property
    def fee_minor(self) -> int:
        return sum(leg.fee_minor for leg in self.legs)


class ReconsideredPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it went, and as it would have gone; without a payment the request that was
    refused, by its `request_id`. `changed` is whether it goes another way or may end otherwise."""

    payment_id: UUID | None
    request_id: str | None = None
    merchant_id: str
    at: datetime
    amount_minor: int
    currency: Currency
    before: RouteView
    after: RouteView
    changed: bool
    outcome: WhatIfOutcome
    why: str


class FeeDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The planned fees of the payments of one currency that would still be planned; and the amount
    of those that would not."""

    currency: Currency
    payments: int
    before_minor: int
    after_minor: int
    not_taken_minor: int


class WhatIfResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have done with the last `payments`, and with the requests of the same
    time that were `refused` by policy or plan; `version` is the draft's, if there was one.
    `unknown` and `not_taken` are of those that change; `same_route` counts payments that go the
    same way and end the same, at another fee, under another rule or with other accounts to follow.
    `without_plan` counts the other requests without a payment: nothing of them could be decided, or
    it is from before their inputs were kept."""

    version: str | None
    payments: int
    refused: int
    same_route: int
    changed: list[ReconsideredPayment]
    unknown: int
    not_taken: int
    without_plan: int
    fees: list[FeeDifference]
