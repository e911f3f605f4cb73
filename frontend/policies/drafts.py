"""A draft of a policy, or of other terms: the payment service is asked what it would do."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.policies.queries import PresentTerms
from frontend.policies.terms import (
    DEFAULT_LAST,
    MOST_LAST,
    TermsDraft,
    named,
    read_terms,
)
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import failure_toast, toast_of
from services.payment.client import PolicyClient
from services.payment.contract import (
    MerchantPolicy,
    PolicyCheck,
    PolicyMistake,
    PolicyVersion,
    WhatIfResult,
)

_LOCKED = "Policies wait"
_NO_ANSWER = "The payment service did not answer. Nothing was done: try again in a moment."


class Draft(Struct, frozen=True):
    """A text and what came of it. Nothing is set while nobody asked; `problem` says why there is no
    answer."""

    text: str
    last: int = DEFAULT_LAST
    check: PolicyCheck | None = None
    what_if: WhatIfResult | None = None
    saved: PolicyVersion | None = None
    mistakes: tuple[PolicyMistake, ...] = ()
    problem: str = ""


class PolicyDrafts:
    """What a visitor does to policies, through the payment service's own client."""

    def __init__(self, client: PolicyClient) -> None:
        self._client = client

    async def ask(self, form: Form, visitor: Visitor) -> Draft:
        """Check the form's text, try it, or save it, as its button said."""
        draft = Draft(form.get("text", ""), number(form, "last", 1, MOST_LAST, DEFAULT_LAST))
        match form.get("what", "check"):
            case "check":
                found = await self._client.check(draft.text)
                return _answered(draft, found, "check", PolicyCheck)
            case "what-if":
                found = await self._client.what_if(draft.last, text=draft.text)
                return _answered(draft, found, "what_if", WhatIfResult)
            case "save":
                operator_only(visitor, _LOCKED)
                found = await self._client.save(draft.text, headers=visitor.operator_headers)
                return _answered(draft, found, "saved", PolicyVersion)
        raise Problem(400, "validation", "There is no such button.")

    async def try_terms(self, form: Form, present: Sequence[PresentTerms]) -> TermsDraft:
        """Try the form's terms, each payment under the policy that it had."""
        draft = read_terms(form, present)
        if draft.errors or not draft.terms:
            return draft
        found = await self._client.what_if(draft.last, terms=draft.terms)
        answer = decode(found, WhatIfResult) if found.outcome is Outcome.OK else None
        if answer is not None:
            return replace(draft, what_if=answer)
        refusal = decode(found, _TermsRefusal)
        errors = {
            named(account, "maximum_minor"): "Must not be below the minimum, also as that was once."
            for each in (refusal.details if refusal else ())
            if (account := each.pointer.removeprefix("/terms/")) in draft.terms
        }
        if errors:
            return replace(draft, errors=errors)
        return replace(draft, problem=(refusal.detail if refusal else "") or _NO_ANSWER)

    async def give(self, form: Form, visitor: Visitor) -> Done:
        """Let a merchant's next payments be asked of a version."""
        operator_only(visitor, _LOCKED)
        merchant, version = form.get("merchant", ""), form.get("version", "")
        found = await self._client.give(merchant, version, headers=visitor.operator_headers)
        given = decode(found, MerchantPolicy) if found.outcome is Outcome.OK else None
        if given is None:
            return Done(failure_toast(found, "The policy stays as it was"), "/policies")
        what = (
            f"{given.merchant_id} has version {given.version[:8]}; its next payment is asked of it."
        )
        return Done(toast_of(found, "good", "Policy given", what), "/policies")


class _Place(Struct):
    pointer: str = ""


class _TermsRefusal(Struct):
    detail: str = ""
    details: tuple[_Place, ...] = ()


class _Refusal(Struct):
    detail: str = ""
    details: Mapping[str, tuple[PolicyMistake, ...]] | None = None


def _answered(draft: Draft, found: CallResult, field: str, shape: type) -> Draft:
    """The draft with the answer in its field, or with why there is none."""
    if found.outcome is Outcome.OK and (answer := decode(found, shape)) is not None:
        mistakes = tuple(answer.mistakes) if isinstance(answer, PolicyCheck) else ()
        return replace(draft, **{field: answer, "mistakes": mistakes})
    refusal = decode(found, _Refusal)
    mistakes = (refusal.details or {}).get("mistakes", ()) if refusal else ()
    if mistakes:
        return replace(draft, mistakes=mistakes)
    return replace(draft, problem=(refusal.detail if refusal else "") or _NO_ANSWER)
