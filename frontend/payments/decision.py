"""A stored decision in sentences: which accounts could take the payment, what each would have
cost, what the policy said, and what was chosen; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from frontend.payments.records import (
    BreakerChange,
    DecisionRecord,
    PaymentDetails,
    PlannedTerms,
    PlanRecord,
    TryRecord,
)
from frontend.payments.view_models import AccountRow, DecisionView
from frontend.web.formatting import THIN, money
from frontend.web.labels import ATTEMPT_LABELS, State

_ONE_ACCOUNT = ("skipFallback", "allowRetry = false")
_WHOLE = 10_000
# What an account without a limit has, as JSON still holds it exactly.
_NO_LIMIT = 2**53


def fee_of(terms: PlannedTerms, amount_minor: int) -> int:
    """What an account charges for an amount, rounded up once, as the plan had it."""
    return -(-amount_minor * terms.fee_basis_points // _WHOLE) + terms.fee_fixed_minor


def open_reason(changes: Iterable[BreakerChange], account: str, at: datetime) -> str | None:
    """Why the account's breaker was open at that time; None where it was closed."""
    last = None
    for each in changes:
        if each.account == account and each.at <= at:
            last = each
    return None if last is None or last.state != "open" else last.reason or "it did not answer"


def explain(details: PaymentDetails) -> DecisionView:
    """The decision; of a payment without a plan, the reason that was kept."""
    plan = details.plan
    if plan is None:
        return DecisionView(_sentences(_unplanned(details.decisions)))
    rows = tuple(_account(each, plan, details) for each in plan.inputs.terms)
    policy = plan.inputs.policy
    lines = [
        _asked(plan),
        _ruled(plan),
        _replaced(details.decisions),
        _weighed(rows),
        _chosen(plan),
        _otherwise(plan, [each for each in details.decisions if each.plan_n == plan.plan_n]),
        *_went_on(details.tries),
    ]
    asked = (
        ()
        if policy is None
        else tuple(
            (name, "empty" if value == "" else str(value))
            for name, value in plan.inputs.policy_inputs.items()
        )
    )
    return DecisionView(_sentences(lines), rows, policy, asked)


def _sentences(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _unplanned(decisions: Sequence[DecisionRecord]) -> list[str]:
    routes = [each for each in decisions if each.kind in ("route", "adopt")]
    if not routes:
        return ["No account was chosen: the payment was cancelled before it began."]
    first = routes[0]
    return [f"It went to {first.provider}. {first.reason}" if first.provider else first.reason]


def _asked(plan: PlanRecord) -> str:
    amount = money(plan.inputs.amount, plan.inputs.currency)
    how = "in equal parts" if plan.inputs.split == "equal" else "for the least fee"
    return f"{plan.merchant_id} asked for {amount}, {how}."


def _ruled(plan: PlanRecord) -> str:
    policy = plan.inputs.policy
    if policy is None:
        return "It has no policy, so nothing was forbidden."
    if policy.line is None:
        return "No rule of its policy was true, so the payment was allowed."
    if policy.failed:
        return (
            f"Line {policy.line} of its policy could not be evaluated, so its onError decided:"
            f" {policy.action}."
        )
    return f"Line {policy.line} of its policy decided: {policy.action}."


def _replaced(decisions: Sequence[DecisionRecord]) -> str:
    found = [each.reason for each in decisions if each.kind == "replace"]
    return f"Its first plan was replaced. {found[0]}" if found else ""


def _weighed(rows: Sequence[AccountRow]) -> str:
    out = sum(row.word == "left out" for row in rows)
    could = len(rows) - out
    left = f"; {out} {'was' if out == 1 else 'were'} left out" if out else ""
    return f"{could} of its {len(rows)} accounts could take a part{left}."


def _chosen(plan: PlanRecord) -> str:
    currency = plan.inputs.currency
    fee = money(sum(leg.fee_minor for leg in plan.legs), currency)
    parts = _listed([f"{leg.account} {money(leg.amount_minor, currency)}" for leg in plan.legs])
    if _prefers(plan):
        return f"The policy prefers {plan.legs[0].account}, which takes the whole for {fee}."
    proof = plan.certificate
    if len(plan.legs) == 1:
        what = f"{plan.legs[0].account} takes the whole for a fee of {fee}"
    else:
        what = f"{parts} cost {fee} together"
    if proof is None:
        return f"{what}. Equal parts were asked for, so no cheaper division was looked for."
    if proof.cost_minor == proof.lower_bound_minor:
        return f"{what}, and no other division costs less: that is proven."
    least = money(proof.lower_bound_minor, currency)
    return f"{what}. The search ended at its bound of work; nothing costs less than {least}."


def _otherwise(plan: PlanRecord, decisions: Sequence[DecisionRecord]) -> str:
    policy = plan.inputs.policy
    declined = "If it declines" if len(plan.legs) == 1 else "If one declines"
    if not plan.inputs.fallback:
        kind = policy.action.kind if policy else "skipFallback"
        return f"{declined}, no other account is tried: {kind}."
    after = _fallbacks(decisions)
    if not after:
        return f"{declined}, there is no other account to try."
    return f"{declined}, others may take its place: {_listed(after)}."


def _fallbacks(decisions: Sequence[DecisionRecord]) -> list[str]:
    """The accounts that may take over, in their order, each once."""
    found: dict[str, None] = {}
    for each in decisions:
        if each.kind == "route":
            found.update(dict.fromkeys(map(str, each.inputs.get("else", ()))))
    return list(found)


def _went_on(tries: Sequence[TryRecord]) -> Iterable[str]:
    """Of each part that went on to another account: who said no, and what the last one did."""
    for leg_n in dict.fromkeys(each.leg_n for each in tries):
        *before, last = [each for each in tries if each.leg_n == leg_n]
        if before:
            names = _listed([each.provider for each in before])
            _, word = ATTEMPT_LABELS.get(last.state, ("none", last.state.lower()))
            yield f"Part {leg_n}: after {names} said no, {last.provider} was asked: {word}."


def _prefers(plan: PlanRecord) -> bool:
    policy = plan.inputs.policy
    return (
        policy is not None
        and policy.action.kind == "prefer"
        and [leg.account for leg in plan.legs] == [policy.action.provider]
    )


def _account(terms: PlannedTerms, plan: PlanRecord, details: PaymentDetails) -> AccountRow:
    amount, currency = plan.inputs.amount, plan.inputs.currency
    most = min(terms.maximum_minor, terms.capacity_minor)
    parts = {leg.account: leg for leg in plan.legs}
    state: State = "refused"
    word, scored, fee = "left out", None, None
    if (refusal := _left_out(terms, plan, details)) is not None:
        why = refusal
    else:
        part = parts.get(terms.account)
        scored = part.amount_minor if part else min(amount, most)
        fee = part.fee_minor if part else fee_of(terms, scored)
        state, word, why = _place(terms, plan, details, scored, fee)
    return AccountRow(
        terms.account, state, word, why, rate(terms, currency), takes(terms, currency), fee, scored
    )


def _left_out(terms: PlannedTerms, plan: PlanRecord, details: PaymentDetails) -> str | None:
    """Why the account could take no part; None where it could."""
    amount, currency = plan.inputs.amount, plan.inputs.currency
    if terms.account in {leg.account for leg in plan.legs}:
        return None
    if terms.account in plan.inputs.left_out:
        return "it failed the plan before"
    if currency not in terms.currencies:
        return f"does not take {currency}"
    if terms.account not in plan.accounts:
        reason = open_reason(details.breakers, terms.account, plan.at)
        if reason is not None:
            return f"its breaker was open: {reason}"
        return "had no connector, or did not accept the card"
    if terms.account not in plan.inputs.usable:
        return "the policy avoids it"
    if terms.capacity_minor < terms.minimum_minor:
        return f"only {money(terms.capacity_minor, currency)} of the day's capacity was left"
    if amount < terms.minimum_minor:
        return f"takes {money(terms.minimum_minor, currency)} at least"
    return None


def _place(
    terms: PlannedTerms, plan: PlanRecord, details: PaymentDetails, scored: int, fee: int
) -> tuple[State, str, str]:
    """Chosen, next in line or not needed, and why."""
    currency, total = plan.inputs.currency, sum(leg.fee_minor for leg in plan.legs)
    whole = scored == plan.inputs.amount
    if terms.account in {leg.account for leg in plan.legs}:
        share = "the whole" if whole else money(scored, currency)
        return "good", "chosen", f"takes {share}"
    why = f"would take {money(scored, currency)} at most"
    if whole and _prefers(plan):
        why = f"the policy prefers {plan.legs[0].account}"
    elif whole:
        more = fee - total
        why = f"{money(more, currency)} dearer" if more > 0 else "costs the same, and comes later"
        if more < 0:
            why = "not part of the equal division"
    is_next = terms.account in _fallbacks(
        [each for each in details.decisions if each.plan_n == plan.plan_n]
    )
    return "none", "next in line" if is_next else "not needed", why


def rate(terms: PlannedTerms, currency: str) -> str:
    """What an account charges, as a reader writes it: 1.5 % + 0.25 €."""
    share = f"{terms.fee_basis_points / 100:g}{THIN}%"
    return f"{share} + {money(terms.fee_fixed_minor, currency)}" if terms.fee_fixed_minor else share


def takes(terms: PlannedTerms, currency: str) -> str:
    """From how much to how much, and what is left of the day."""
    least = money(terms.minimum_minor, currency)
    if terms.maximum_minor >= _NO_LIMIT:
        return f"from {least}"
    left = ""
    if terms.capacity_minor < _NO_LIMIT:
        left = f", {money(terms.capacity_minor, currency)} left that day"
    return f"{least} to {money(terms.maximum_minor, currency)}{left}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
