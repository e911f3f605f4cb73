"""What a policy, and other terms of accounts, would have done with a stored payment, from all it
was decided from; no I/O.

Known is what needs nobody's answer: a payment that is denied is not taken, and one that goes the
same way ends the same way. What another account would have answered is not known, and is marked
so."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.payment.contract import (
    TERMINAL,
    ChangedTerms,
    Currency,
    FeeDifference,
    PlannedLegView,
    ReconsideredPayment,
    RouteView,
    WhatIfOutcome,
    WhatIfResult,
)
from services.payment.merchants.merchant import Merchant
from services.payment.planning import ProviderTerms
from services.payment.policies.capacity import DaysCapacity
from services.payment.policy import Policy
from services.payment.process.contexts import StepContext
from services.payment.process.deciding import ONE_ACCOUNT, Decided, Refusal, decide_again
from services.payment.routing.next_account import HARD_DECLINES


class BadTerms(Exception):
    """Changed terms of `account` that are none beside those that stay."""

    def __init__(self, account: str) -> None:
        super().__init__("minimum_minor would be above maximum_minor")
        self.account = account


# An attempt in one of these holds its account's capacity.
_HOLDS = ("IN_FLIGHT", "UNKNOWN", "AUTHORISED", "SUCCEEDED")


class StoredTry(msgspec.Struct, frozen=True):
    """An attempt of a leg of a plan, and the code it was declined with."""

    plan_n: int
    leg_n: int
    n: int
    provider: str
    amount_minor: int
    state: str
    detail: str | None


class StoredDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A payment with all its first plan was decided from, the policy then included. `accounts` had
    something to pay with; `fallbacks` are those of each leg, in order."""

    payment_id: UUID | None
    request_id: str | None = None
    merchant_id: str
    at: datetime
    state: str
    policy_version: str | None
    policy_text: str | None
    inputs: dict[str, Any]
    legs: tuple[PlannedLegView, ...]
    accounts: tuple[str, ...]
    fallbacks: tuple[tuple[str, ...], ...] = ()
    tries: tuple[StoredTry, ...] = ()

    @property
    def currency(self) -> Currency:
        found: Currency = self.inputs["currency"]
        return found

    @property
    def held(self) -> list[tuple[str, int]]:
        """What holds an account's capacity of it."""
        return [(each.provider, each.amount_minor) for each in self.tries if each.state in _HOLDS]

    @property
    def route(self) -> RouteView:
        """What was decided then."""
        action = _action(self.inputs)
        if self.payment_id is None:
            refused = action if action == "deny" else "no plan"
            return RouteView(refused, [], [], self.inputs["refusal"])
        return RouteView(action, list(self.legs), list(map(list, self.fallbacks)), None)


class WhatIf(msgspec.Struct, frozen=True):
    """What is other than it was: the policy, or None for the one that each payment had; terms of
    accounts; and with them what is left of a day."""

    policy: Policy | None
    terms: Mapping[str, ChangedTerms]
    capacity: DaysCapacity


def reconsider(
    what_if: WhatIf, stored: StoredDecision, two_phase: Collection[str]
) -> ReconsideredPayment:
    """The payment decided again, from its own inputs but for what is other. Those before it must
    have been so already. `two_phase` are the accounts that can take one of several legs. Raises
    `BadTerms`."""
    before = stored.route
    after = _route(_decided(what_if, stored, two_phase))
    differs = (before.action, before.legs, before.fallbacks) != (
        after.action,
        after.legs,
        after.fallbacks,
    )
    judge = _outcome if before.legs else _outcome_of_refused
    outcome, why = judge(stored, before, after) if differs else ("same", "nothing changes")
    instead = stored.held if outcome == "same" else []
    if outcome == "unknown":
        instead = _ways(after)
    what_if.capacity.moved(stored.at, stored.held, instead)
    return ReconsideredPayment(
        payment_id=stored.payment_id,
        request_id=stored.request_id,
        merchant_id=stored.merchant_id,
        at=stored.at,
        amount_minor=stored.inputs["amount"],
        currency=stored.currency,
        before=before,
        after=after,
        changed=outcome != "same",
        outcome=outcome,
        why=why,
    )


def summed(
    version: str | None, found: Sequence[ReconsideredPayment], without_plan: int
) -> WhatIfResult:
    """The payments that change, and what all of them come to."""
    changed = [each for each in found if each.changed]
    currencies = dict.fromkeys(each.currency for each in found)
    return WhatIfResult(
        version=version,
        payments=sum(each.payment_id is not None for each in found),
        refused=sum(each.payment_id is None for each in found),
        same_route=sum(
            bool(each.before.legs) and not each.changed and each.before != each.after
            for each in found
        ),
        changed=changed,
        unknown=sum(each.outcome == "unknown" for each in changed),
        not_taken=sum(each.outcome == "not-taken" for each in changed),
        without_plan=without_plan,
        fees=[_fees(currency, found) for currency in currencies],
    )


def _fees(currency: Currency, found: Sequence[ReconsideredPayment]) -> FeeDifference:
    mine = [each for each in found if each.currency == currency and each.before.legs]
    both = [each for each in mine if each.after.legs]
    return FeeDifference(
        currency=currency,
        payments=len(both),
        before_minor=sum(each.before.fee_minor for each in both),
        after_minor=sum(each.after.fee_minor for each in both),
        not_taken_minor=sum(each.amount_minor for each in mine if not each.after.legs),
    )


def _decided(
    what_if: WhatIf, stored: StoredDecision, two_phase: Collection[str]
) -> Decided | Refusal:
    inputs, policy = stored.inputs, what_if.policy
    merchant = Merchant(
        merchant_id=stored.merchant_id,
        method="",
        accounts=tuple(_changed(each, what_if, stored.at) for each in inputs["terms"]),
        budget_ms=inputs["budget_ms"],
        policy_version=stored.policy_version if policy is None else policy.version,
        policy_text=stored.policy_text if policy is None else policy.text,
        attributes={},
    )
    steps = [StepContext(account, inputs["budget_ms"], "") for account in stored.accounts]
    return decide_again(inputs, merchant, steps=steps, two_phase=two_phase)


def _changed(stored: dict[str, Any], what_if: WhatIf, at: datetime) -> ProviderTerms:
    account = stored["account"]
    changed = ranged(account, stored, what_if.terms)
    left = what_if.capacity.left(account, at, stored["capacity_minor"])
    return msgspec.convert({**stored, **changed, "capacity_minor": left}, ProviderTerms)


def ranged(
    account: str, had: Mapping[str, Any], terms: Mapping[str, ChangedTerms]
) -> dict[str, Any]:
    """What changes of the terms that an account had. Raises `BadTerms`."""
    changed = msgspec.to_builtins(terms[account]) if account in terms else {}
    changed.pop("daily_capacity_minor", None)
    document = {**had, **changed}
    if document["minimum_minor"] > document["maximum_minor"]:
        raise BadTerms(account)
    return changed


def _route(found: Decided | Refusal) -> RouteView:
    if isinstance(found, Refusal):
        return RouteView("deny" if found.is_denial else "no plan", [], [], found.message)
    legs = [
        PlannedLegView(leg.account, leg.amount_minor, leg.fee_minor) for leg in found.plan.steps
    ]
    return RouteView(_action(found.inputs), legs, [list(leg.fallbacks) for leg in found.legs], None)


def _action(inputs: Mapping[str, Any]) -> str:
    if inputs["policy"] is None:
        return "allow"
    action = inputs["policy"]["action"]
    return f"{action['kind']} {action['provider']}" if action["provider"] else str(action["kind"])


def _outcome_of_refused(
    stored: StoredDecision, before: RouteView, after: RouteView
) -> tuple[WhatIfOutcome, str]:
    if after.legs:
        return "unknown", "it was refused, and accounts would have been asked"
    return "same", "it is refused as well"


def _outcome(
    stored: StoredDecision, before: RouteView, after: RouteView
) -> tuple[WhatIfOutcome, str]:
    if not after.legs:
        return "not-taken", after.refusal or "it would not be taken"
    if _ways(before) != _ways(after):
        return "unknown", "another account would have been asked, or for another part"
    if stored.state != "SUCCEEDED" and stored.state not in TERMINAL:
        return "unknown", "the payment itself is not decided yet"
    if any(each.plan_n > 1 for each in stored.tries) and after.action in ONE_ACCOUNT:
        return "not-taken", "the first plan came to nothing, and there would have been no other"
    if before.fallbacks == after.fallbacks:
        return "same", "the same accounts, in the same order"
    further = [each for each in stored.tries if each.n > 1]
    declined = [each for each in stored.tries if each.state == "FAILED"]
    if not further and not declined:
        return "same", "the first account of each part took it"
    if further and not any(after.fallbacks):
        return "not-taken", "the first account declined, and no other would have been asked"
    if not further and all(each.detail in HARD_DECLINES for each in declined):
        return "same", "the card itself was declined, whoever asks"
    return "unknown", "other accounts would have been asked after the decline"


def _ways(route: RouteView) -> list[tuple[str, int]]:
    return [(leg.account, leg.amount_minor) for leg in route.legs]
