"""The messages of POST /process-payment, defined once."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.payment.contract import MAX_AMOUNT_MINOR, Currency
from services.payment.planning import Certificate, Plan
from services.wallet.contract import UserId

# Why a step did not take its money; nothing else is ever answered.
ErrorCode = Literal[
    "Declined",
    "AllProvidersFailed",
    "MaxRetriesExceeded",
    "TimeoutBudgetExceeded",
    "BreakerOpen",
    "PolicySkip",
    "AdapterNotFound",
    "PlanInfeasible",
    "OutcomeUnknown",
    "OtherLegFailed",
    "Cancelled",
]
Text = Annotated[str, Meta(max_length=255)]


class CardDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card as the customer typed it. No part of it but brand, last four and a keyed fingerprint
    outlives the request."""

    number: Annotated[str, Meta(pattern=r"^[0-9 ]{12,23}$(?!\n)")]
    exp_month: Annotated[int, Meta(ge=1, le=12)]
    exp_year: Annotated[int, Meta(ge=2000, le=2100)]
    cvc: Annotated[str, Meta(pattern=r"^[0-9]{3,4}$(?!\n)")]

    def __repr__(self) -> str:
        return "CardDetails(...)"


class WalletDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wallet to pay from: `wallet_id` is its user."""

    wallet_id: UserId
    wallet_type: Text


class PaymentMethodDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two; both where `metadata.wallet_amount` says how much the wallet pays."""

    card: CardDetails | UnsetType = UNSET
    wallet: WalletDetails | UnsetType = UNSET


class Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays."""

    name: Text | UnsetType = UNSET
    email: Text | UnsetType = UNSET
    phone: Text | UnsetType = UNSET


class ExternalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /process-payment. `request_id` is the idempotency key, unique per merchant; `amount` is
    in minor units. Without a payment method the merchant's test method pays."""

    request_id: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,255}$(?!\n)")]
    merchant_id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
    amount: Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
    currency: Currency
    customer: Customer | UnsetType = UNSET
    payment_method: PaymentMethodDetails | UnsetType = UNSET
    # Fifty keys is what Stripe takes as well.
    metadata: Annotated[dict[str, str | int | float | bool], Meta(max_length=50)] = {}


class PaymentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a plan: how much at which account, for which fee, in minor units; `is_fan_out`
    where other legs are asked for at the same time. Plans from before steps had numbers have
    none."""

    leg_n: int = 1
    account: str
    connector: str
    amount_minor: int
    fee_minor: int
    is_fan_out: bool = False


class PaymentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a payment is divided, as it is stored and answered; `certificate` is the claim that
    nothing is cheaper, where that was asked for."""

    plan_n: int = 1
    steps: tuple[PaymentStep, ...]
    certificate: Certificate | None = None

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The message of a plan that was worked out."""
        steps = tuple(
            PaymentStep(
                leg_n=n,
                account=leg.account,
                connector=leg.connector,
                amount_minor=leg.amount_minor,
                fee_minor=leg.fee_minor,
                is_fan_out=len(plan.legs) > 1,
            )
            for n, leg in enumerate(plan.legs, 1)
        )
        return cls(steps=steps, certificate=plan.certificate)


class StepResult(msgspec.Struct, frozen=True):
    """What became of one leg; `error_code` is None where it took its money."""

    step_id: str
    success: bool
    provider_name: str
    error_code: ErrorCode | None
    latency_ms: int
    details: dict[str, Any]


class PaymentResult(msgspec.Struct, frozen=True):
    """The answer: 200 with `success`, 402 where nothing was taken, 202 while that is not known."""

    plan_id: str | None
    payment_id: UUID | None
    success: bool
    steps: list[StepResult]
