"""From a draft and what the payment service said of it to what is shown; pure."""

from collections.abc import Sequence

from msgspec.structs import asdict

from frontend.policies.drafts import Draft
from frontend.policies.queries import Policies, PresentTerms
from frontend.policies.terms import FIELDS, TermsDraft, named
from frontend.policies.view_models import (
    AccountFields,
    ChangedRow,
    DraftView,
    FeeRow,
    FieldView,
    MistakeRow,
    PoliciesView,
    TermsView,
)
from frontend.web.formatting import count, cut, money
from frontend.web.labels import State
from services.payment.contract import (
    FeeDifference,
    PolicyMistake,
    ReconsideredPayment,
    RouteView,
    WhatIfOutcome,
    WhatIfResult,
)

# As many as anybody reads; the sums are over all of them.
_MOST_ROWS = 100
_LINE_CHARS = 120
_OUTCOMES: dict[WhatIfOutcome, tuple[State, str]] = {
    "same": ("good", "ends the same"),
    "not-taken": ("refused", "not taken"),
    "unknown": ("none", "cannot be known"),
}


def policies(found: Policies) -> PoliciesView:
    """Who has which."""
    return PoliciesView(found.merchants, found.versions)


def draft(given: Draft) -> DraftView:
    """What came of it."""
    if given.mistakes:
        number = len(given.mistakes)
        title = "One mistake" if number == 1 else f"{number} mistakes"
        rows = tuple(_mistake(each, given.text) for each in given.mistakes)
        return DraftView("failed", title, "It is not a policy yet; nothing was saved.", rows)
    if given.problem:
        return DraftView("failed", "No answer", given.problem)
    if given.saved is not None:
        why = "It never changes from now on. No merchant has it yet: give it to one above."
        title = f"Saved as version {given.saved.version[:8]}"
        return DraftView("good", title, why, version=given.saved.version)
    if given.check is not None and given.check.version is not None:
        rules = tuple(given.check.rules)
        title = "A policy of one rule" if len(rules) == 1 else f"A policy of {len(rules)} rules"
        why = "It is saved already." if given.check.saved else "It can be tried, and saved."
        return DraftView("good", title, why, rules=rules, version=given.check.version)
    if given.what_if is not None:
        return _what_if(given.what_if)
    return DraftView()


def terms(draft: TermsDraft) -> TermsView:
    """The form as it was typed, and what came of it."""
    last = draft.typed.get("last", "").strip() or str(draft.last)
    return TermsView(
        tuple(_row(each, draft) for each in draft.present),
        FieldView("last", "payments", last, draft.errors.get("last", "")),
        _of_terms(draft),
    )


def _row(record: PresentTerms, draft: TermsDraft) -> AccountFields:
    present = asdict(record)
    cells = []
    for field in FIELDS:
        name, now = named(record.account, field.name), field.written(present[field.name])
        value = draft.typed.get(name, now).strip()
        is_other = "".join(value.split()) != "".join(now.split())
        shown = (now or "no limit") if is_other else ""
        cells.append(FieldView(name, field.label, value, draft.errors.get(name, ""), shown))
    return AccountFields(record.account, ", ".join(record.currencies), tuple(cells))


def _of_terms(draft: TermsDraft) -> DraftView:
    if draft.errors:
        number = len(draft.errors)
        title = "One field is wrong" if number == 1 else f"{number} fields are wrong"
        return DraftView("failed", title, "Each reason stands beside its field. Nothing was tried.")
    if draft.problem:
        return DraftView("failed", "No answer", draft.problem)
    if draft.what_if is not None:
        return _what_if(draft.what_if)
    if draft.was_asked:
        why = "Change a fee, a limit or a capacity, then ask again."
        return DraftView("none", "These are the terms at present", why)
    return DraftView()


def _what_if(found: WhatIfResult) -> DraftView:
    version = found.version or ""
    whole = found.payments + found.refused
    if not whole:
        why = "No payment is stored yet that it could be tried on."
        return DraftView("none", "Nothing to try it on", why, version=version)
    changed = len(found.changed)
    title = f"{_of(changed, found.payments)} would change"
    if found.refused:
        title = f"{_of(changed, whole, 'request')} would change"
    if not changed:
        title = f"None of the last {count(whole)} requests would change"
    if not changed and not found.refused:
        title = f"None of the last {count(found.payments)} payments would change"
    return DraftView(
        "degraded" if changed else "good",
        title,
        _summary(found),
        changed=tuple(map(_changed, found.changed[:_MOST_ROWS])),
        fees=tuple(map(_fee, found.fees)),
        version=version,
        more=max(0, changed - _MOST_ROWS),
    )


def _summary(found: WhatIfResult) -> str:
    sentences = []
    if found.same_route:
        go = "goes" if found.same_route == 1 else "go"
        sentences.append(
            f"{count(found.same_route)} {go} the same way and {'ends' if go == 'goes' else 'end'}"
            " the same, at another fee or under another rule."
        )
    if found.not_taken:
        sentences.append(f"{count(found.not_taken)} would not be taken.")
    if found.unknown:
        sentences.append(
            f"Of {count(found.unknown)} the outcome cannot be known: another account would have"
            " been asked, and nobody can say what it would have answered."
        )
    if found.without_plan:
        were = "request was" if found.without_plan == 1 else "requests were"
        sentences.append(
            f"{count(found.without_plan)} {were} answered without a payment in that time; what it"
            " would have said of them cannot be known either."
        )
    return " ".join(sentences)


def _of(number: int, whole: int, of: str = "payment") -> str:
    return f"{count(number)} of the last {count(whole)} {of}{'s' if whole != 1 else ''}"


def _changed(each: ReconsideredPayment) -> ChangedRow:
    state, word = _OUTCOMES[each.outcome]
    taken = bool(each.after.legs)
    before, after = _route(each.before, each.currency), _route(each.after, each.currency)
    if before == after:
        # Only what the policy said differs.
        before, after = f"{each.before.action}: {before}", f"{each.after.action}: {after}"
    return ChangedRow(
        payment_id=str(each.payment_id or ""),
        request_id=each.request_id or "",
        at=each.at,
        merchant_id=each.merchant_id,
        amount_minor=each.amount_minor,
        currency=each.currency,
        before=before,
        after=after,
        fee_minor=each.after.fee_minor - each.before.fee_minor if taken else None,
        state=state,
        word=word,
        why=each.why,
    )


def _route(route: RouteView, currency: str) -> str:
    """Where it goes, and what may follow."""
    if not route.legs:
        return route.action
    if len(route.legs) == 1:
        way = route.legs[0].account
    else:
        way = " + ".join(f"{leg.account} {money(leg.amount_minor, currency)}" for leg in route.legs)
    further = dict.fromkeys(name for names in route.fallbacks for name in names)
    return f"{way}, then {', '.join(further)}" if further else way


def _fee(each: FeeDifference) -> FeeRow:
    return FeeRow(
        each.currency,
        each.payments,
        each.before_minor,
        each.after_minor,
        each.after_minor - each.before_minor,
        each.not_taken_minor,
    )


def _mistake(each: PolicyMistake, text: str) -> MistakeRow:
    lines: Sequence[str] = text.replace("\r\n", "\n").split("\n")
    line = lines[each.line - 1] if each.line <= len(lines) else ""
    begin = max(0, each.column - 1 - _LINE_CHARS // 2)
    left, right = line[begin : each.column - 1], line[each.column - 1 :]
    return MistakeRow(each, f"{'…' if begin else ''}{left}", cut(right, _LINE_CHARS))
