"""What a merchant's policy says of a request, and how the amount is divided; no I/O."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from services.payment.domain import WALLET
from services.payment.intents import Decision, PlannedLeg
from services.payment.merchants.merchant import Merchant
from services.payment.planning import (
    Infeasible,
    Leg,
    Plan,
    ProviderTerms,
    cheapest_split,
    equal_split,
)
from services.payment.planning.terms import Split, as_legs
from services.payment.policy import BadInput, PolicyDecision, evaluate, policy_inputs, stored_policy
from services.payment.process.contexts import StepContext
from services.payment.process.messages import ErrorCode, ExternalRequest, PaymentPlan

_ONCE = "allowRetry = false"
ONE_ACCOUNT = ("skipFallback", _ONCE)


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing is asked of any account; `field` where the request itself is wrong, `ruled` what
    the policy said, if it was asked, and `inputs` all it was decided from, if that was decided."""

    error_code: ErrorCode
    message: str
    details: dict[str, Any] = {}
    field: str | None = None
    ruled: PolicyDecision | None = None
    inputs: dict[str, Any] | None = None

    @property
    def is_denial(self) -> bool:
        """Whether the merchant's own policy says no."""
        return self.error_code == "PolicySkip"


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The plan, its legs as they are opened, and everything that they were decided from."""

    plan: PaymentPlan
    legs: tuple[PlannedLeg, ...]
    inputs: dict[str, Any]
    ruled: PolicyDecision | None


def decide(
    merchant: Merchant,
    request: ExternalRequest,
    *,
    steps: Sequence[StepContext],
    two_phase: Collection[str],
    wallet_minor: int = 0,
) -> Decided | Refusal:
    """The plan for a request, or why there is none. `steps` are the accounts that may have a part,
    `two_phase` those that can take one of several legs; a wallet pays `wallet_minor` of the amount,
    and what is left is divided over the other accounts."""
    methods = {each.account: each.method for each in steps}
    usable = [each for each in merchant.accounts if each.account in methods]
    is_split = 0 < wallet_minor < request.amount
    if not usable:
        return Refusal("AdapterNotFound", "No account of this merchant has a connector")
    found = policy_inputs(
        amount_minor=request.amount,
        currency=request.currency,
        metadata=request.metadata,
        merchant=merchant.attributes,
    )
    if isinstance(found, BadInput):
        field = found.field.replace(".", "/")
        return Refusal("PolicySkip", found.message, field=f"/{field}")
    split = _split(request)
    if split is None:
        return Refusal("PolicySkip", 'It is "equal" or "cheapest"', field="/metadata/split")
    ruled = _asked(merchant, found)
    considered = _considered(usable, ruled, beside_a_wallet=two_phase if is_split else None)
    inputs = {
        "amount": request.amount,
        "currency": request.currency,
        "split": split,
        "policy_inputs": dict(found),
        **_offered(merchant, considered, ruled),
        **({"wallet_minor": wallet_minor} if wallet_minor else {}),
    }
    if ruled is not None and ruled.action.kind == "deny":
        return _denied(merchant, ruled, _kept(inputs, methods))
    part = msgspec.structs.replace(request, amount=request.amount - wallet_minor * is_split)
    preferred = _preferred(part, considered, ruled, two_phase)
    plan = preferred or _planned(part, considered, split, two_phase)
    if is_split:
        plan = _with_wallet(plan, usable, wallet_minor)
    if isinstance(plan, Infeasible):
        return _no_plan(plan, ruled, _kept(inputs, methods))
    others = considered if inputs["fallback"] else ()
    opened = _legs(plan, others, methods, merchant, ruled, is_preferred=preferred is not None)
    return Decided(plan=PaymentPlan.of(plan), legs=opened, inputs=inputs, ruled=ruled)


def _denied(merchant: Merchant, ruled: PolicyDecision, inputs: dict[str, Any]) -> Refusal:
    why = {"policy_version": merchant.policy_version, "line": ruled.line}
    message = "The merchant's policy denies this payment"
    return Refusal("PolicySkip", message, why, ruled=ruled, inputs=inputs)


def _no_plan(plan: Infeasible, ruled: PolicyDecision | None, inputs: dict[str, Any]) -> Refusal:
    nearest = {"below": plan.nearest_below_minor, "above": plan.nearest_above_minor}
    details = {"reason": plan.reason, "nearest_minor": nearest}
    return Refusal("PlanInfeasible", plan.message, details, ruled=ruled, inputs=inputs)


def _split(request: ExternalRequest) -> Split | None:
    """How the request wants to be divided; None where it says something else."""
    match request.metadata.get("split", "cheapest"):
        case "cheapest":
            return "cheapest"
        case "equal":
            return "equal"
    return None


def decide_again(
    inputs: Mapping[str, Any],
    merchant: Merchant,
    *,
    steps: Sequence[StepContext],
    two_phase: Collection[str],
) -> Decided | Refusal:
    """The plan of a payment decided once more from what it was decided from, with the accounts and
    the policy that `merchant` has."""
    request = ExternalRequest(
        request_id="again",
        merchant_id=merchant.merchant_id,
        amount=inputs["amount"],
        currency=inputs["currency"],
        # The values that the policy was asked with, wherever they came from.
        metadata={**inputs["policy_inputs"], "split": inputs["split"]},
    )
    return decide(
        merchant,
        request,
        steps=steps,
        two_phase=two_phase,
        wallet_minor=inputs.get("wallet_minor", 0),
    )


def _offered(
    merchant: Merchant, considered: Sequence[ProviderTerms], ruled: PolicyDecision | None
) -> dict[str, Any]:
    """The accounts, and what the policy said of them, as they are stored."""
    return {
        "terms": msgspec.to_builtins(merchant.accounts),
        "usable": [each.account for each in considered],
        "policy": None if ruled is None else msgspec.to_builtins(ruled),
        "fallback": ruled is None or ruled.action.kind not in ONE_ACCOUNT,
        "budget_ms": merchant.budget_ms,
    }


def _kept(inputs: dict[str, Any], methods: Mapping[str, str]) -> dict[str, Any]:
    """What is kept of a request without a plan: also which accounts had something to pay with."""
    return {**inputs, "accounts": list(methods)}


def _asked(merchant: Merchant, inputs: dict[str, int | float | str]) -> PolicyDecision | None:
    if merchant.policy_text is None:
        return None
    return evaluate(stored_policy(merchant.policy_text), inputs)


def _considered(
    usable: Sequence[ProviderTerms],
    ruled: PolicyDecision | None,
    *,
    beside_a_wallet: Collection[str] | None,
) -> Sequence[ProviderTerms]:
    """The accounts that may take a part; beside a wallet those of them that can hold it first."""
    avoided = None
    if ruled is not None and ruled.action.kind == "avoid":
        avoided = ruled.action.provider
    considered = [each for each in usable if each.account != avoided]
    if beside_a_wallet is None:
        return considered
    return [
        each for each in considered if each.account in beside_a_wallet and each.account != WALLET
    ]


def _preferred(
    request: ExternalRequest,
    usable: Sequence[ProviderTerms],
    ruled: PolicyDecision | None,
    two_phase: Collection[str],
) -> Plan | None:
    """The whole amount at the account that the policy prefers, if it takes that."""
    if ruled is None or ruled.action.kind != "prefer":
        return None
    preferred = [each for each in usable if each.account == ruled.action.provider]
    plan = _planned(request, preferred, "cheapest", two_phase) if preferred else None
    return plan if isinstance(plan, Plan) else None


def _planned(
    request: ExternalRequest,
    accounts: Sequence[ProviderTerms],
    split: Split,
    two_phase: Collection[str],
) -> Plan | Infeasible:
    divide = equal_split if split == "equal" else cheapest_split
    plan = divide(request.amount, request.currency, accounts)
    if isinstance(plan, Infeasible) or len(plan.legs) == 1:
        return plan
    if {leg.account for leg in plan.legs} <= set(two_phase):
        return plan
    # An account that captures at once can take the whole amount, and no leg of several.
    able = [each for each in accounts if each.account in two_phase]
    found = [divide(request.amount, request.currency, able)]
    if split == "cheapest":
        alone = [each for each in accounts if each.account not in two_phase]
        found += [cheapest_split(request.amount, request.currency, [each]) for each in alone]
    plans = [each for each in found if isinstance(each, Plan)]
    return min(plans, key=_cost, default=found[0])


def _with_wallet(
    plan: Plan | Infeasible, usable: Sequence[ProviderTerms], wallet_minor: int
) -> Plan | Infeasible:
    """The plan of the other accounts with the wallet's part behind it."""
    if isinstance(plan, Infeasible):
        return plan
    for each in usable:
        fits = each.takes(plan.currency) and each.minimum_minor <= wallet_minor <= each.most_minor
        if each.account == WALLET and fits:
            legs = (*plan.legs, *as_legs([each], [wallet_minor]))
            amount = plan.amount_minor + wallet_minor
            return msgspec.structs.replace(plan, amount_minor=amount, legs=legs)
    return Infeasible(reason="no-account", message="No wallet takes this part in this currency")


def _cost(plan: Plan) -> int:
    return sum(leg.fee_minor for leg in plan.legs)


def _legs(
    plan: Plan,
    considered: Sequence[ProviderTerms],
    methods: Mapping[str, str],
    merchant: Merchant,
    ruled: PolicyDecision | None,
    *,
    is_preferred: bool,
) -> tuple[PlannedLeg, ...]:
    taken = {leg.account for leg in plan.legs}
    rule = "no rule"
    if ruled is not None and ruled.line is not None:
        rule = f"line {ruled.line}: {ruled.action}"
    opened = []
    for leg in plan.legs:
        fallbacks = [
            each.account
            for each in considered
            if leg.account != WALLET
            and each.account not in taken
            and each.takes(plan.currency)
            and each.minimum_minor <= leg.amount_minor <= each.most_minor
        ]
        why = _why(plan, leg, is_preferred=is_preferred)
        opened.append(
            PlannedLeg(
                amount_minor=leg.amount_minor,
                provider=leg.account,
                decision=Decision(
                    "route", why, {"fee_minor": leg.fee_minor, "policy": rule, "else": fallbacks}
                ),
                method=methods[leg.account],
                fallbacks=tuple(fallbacks),
                budget_s=merchant.budget_ms / 1000,
                may_retry=ruled is None or ruled.action.kind != _ONCE,
            )
        )
    return tuple(opened)


def _why(plan: Plan, leg: Leg, *, is_preferred: bool) -> str:
    """Why this account takes this part, in words."""
    if leg.account == WALLET:
        return "The customer pays this part from a wallet, which charges nothing."
    if is_preferred:
        return f"The policy prefers it; it takes the whole amount for a fee of {leg.fee_minor}."
    if len(plan.legs) == 1 and plan.split == "cheapest":
        return f"It takes the whole amount for the least fee, {leg.fee_minor}."
    return f"It is part of the {plan.split} division, for a fee of {leg.fee_minor}."
