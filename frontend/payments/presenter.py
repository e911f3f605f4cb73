"""From what is stored of payments to what is shown of them; pure."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from frontend.orders.axis import few
from frontend.payments.axis import axis_of, lanes
from frontend.payments.decision import explain
from frontend.payments.records import (
    DecisionRecord,
    PaymentDetails,
    PaymentFilter,
    PaymentPage,
    PaymentRecord,
    PlanRecord,
    TryRecord,
)
from frontend.payments.view_models import PartRow, PaymentRow, PaymentStory, PaymentsView, TryRow
from frontend.traces.waterfall import ticks
from frontend.web.filters import filtered_url
from frontend.web.formatting import money, share, took
from frontend.web.labels import ATTEMPT_LABELS, MOVING_PAYMENTS, PAYMENT_LABELS, State
from observatory.timeline.fault_windows import FaultWindow

_TITLES: dict[str, tuple[State, str, str]] = {
    "PROCESSING": ("degraded", "On its way", "An account is being asked."),
    "SUCCEEDED": ("good", "Paid", "All of it was taken."),
    "FAILED": ("refused", "Declined", "Nothing was taken, and nothing will be."),
    "CANCELLING": ("degraded", "Cancelling", "What is open is released."),
    "CANCELLED": ("refused", "Cancelled", "Nothing was taken, and nothing will be."),
    "REFUND_PENDING": ("degraded", "Being refunded", "What was taken is on its way back."),
    "REFUNDED": ("refused", "Refunded", "What was taken went back."),
}
_REVIEW = "A person has to look at it: the answers contradict each other, or none comes."


def payments(page: PaymentPage, wanted: PaymentFilter) -> PaymentsView:
    """A page of the list."""
    older = filtered_url("/payments", replace(wanted, before=page.next)) if page.next else ""
    newest = filtered_url("/payments", replace(wanted, before="")) if wanted.before else ""
    return PaymentsView(
        tuple(map(payment_row, page.payments)),
        page.unpaid,
        filtered=replace(wanted, before="") != PaymentFilter(),
        older=older,
        newest=newest,
    )


def payment_row(payment: PaymentRecord) -> PaymentRow:
    """One payment as a line."""
    state, word = PAYMENT_LABELS.get(payment.state, ("none", payment.state.lower()))
    why = payment.decline_code or payment.cancel_reason or ""
    took_ms = None
    if payment.state not in MOVING_PAYMENTS:
        took_ms = max(0, _ms(payment.updated_at, payment.created_at))
    if payment.needs_review:
        state, word = "failed", f"{word}, to review"
    return PaymentRow(payment, state, word, _plain(why), took_ms)


def payment(details: PaymentDetails, windows: Sequence[FaultWindow], now: datetime) -> PaymentStory:
    """One payment's page; `windows` are the gremlins that are known."""
    axis = axis_of(details, now)
    state, title, why = _title(details)
    record = details.payment
    return PaymentStory(
        row=payment_row(record),
        title=title,
        state=state,
        why=why,
        currency=record.currency or "",
        decision=explain(details),
        parts=_parts(details.plan),
        replaced=_parts(details.replaced),
        replaced_why=_why_replaced(details),
        lanes=lanes(details, windows, axis),
        ticks=few(ticks(axis.total_ms, judged=False)),
        total=took(axis.total_ms),
        tries=tuple(_try(each, record) for each in details.tries),
        ledger=details.ledger,
        refunds=details.refunds,
        decisions=tuple(_in_money(each, record.currency) for each in details.decisions),
        settled=record.state not in MOVING_PAYMENTS,
        began_at=record.created_at,
    )


def _in_money(decision: DecisionRecord, currency: str | None) -> DecisionRecord:
    """The decision with its fee as a reader writes it; it is stored in minor units."""
    fee = decision.inputs.get("fee_minor")
    if not isinstance(fee, int) or currency is None:
        return decision
    return replace(
        decision, reason=decision.reason.replace(f" {fee}.", f" {money(fee, currency)}.")
    )


def _title(details: PaymentDetails) -> tuple[State, str, str]:
    """The state, its title and an explanation."""
    record = details.payment
    usual: tuple[State, str, str] = ("none", record.state.capitalize(), "")
    state, title, why = _TITLES.get(record.state, usual)
    if record.state == "PROCESSING":
        title, why = _open(details, title, why)
    if record.state == "SUCCEEDED" and record.legs > 1:
        why = f"All {record.legs} parts were taken."
    if record.state == "FAILED":
        title, why = _failed(details, title, why)
    if record.needs_review:
        return "failed", title, f"{why} {_REVIEW}"
    return state, title, why


def _open(details: PaymentDetails, title: str, why: str) -> tuple[str, str]:
    silent = [each.provider for each in details.tries if each.state == "UNKNOWN"]
    if not silent:
        return title, why
    names = " and ".join(dict.fromkeys(silent))
    return "In doubt", (
        f"{names} did not answer, so nobody knows yet whether it took the money. It is asked until"
        " it answers; no other account is tried for that part meanwhile."
    )


def _failed(details: PaymentDetails, title: str, why: str) -> tuple[str, str]:
    if any(each.kind == "compensate" for each in details.decisions):
        return "Given back", "A part could not be captured, so what was taken went back."
    code = details.payment.decline_code
    if code is None:
        return title, why
    by = [each.provider for each in details.tries if each.state == "FAILED"]
    who = f"{by[-1]}: " if by else ""
    if details.payment.legs > 1:
        return title, f"{who}{_plain(code)}. Without one part none is taken, so nothing was."
    return title, f"{who}{_plain(code)}. {why}"


def _why_replaced(details: PaymentDetails) -> str:
    return next((each.reason for each in details.decisions if each.kind == "replace"), "")


def _parts(plan: PlanRecord | None) -> tuple[PartRow, ...]:
    if plan is None:
        return ()
    whole, at, found = sum(leg.amount_minor for leg in plan.legs) or 1, 0, []
    for number, leg in enumerate(plan.legs, 1):
        x, width = share(at / whole), share(leg.amount_minor / whole)
        n = leg.leg_n or number
        found.append(PartRow(n, leg.account, leg.amount_minor, leg.fee_minor, x, width))
        at += leg.amount_minor
    return tuple(found)


def _try(each: TryRecord, record: PaymentRecord) -> TryRow:
    state, word = ATTEMPT_LABELS.get(each.state, ("none", each.state.lower()))
    held = [change.at for change in each.states if change.state == "AUTHORISED"]
    is_over = each.state not in ("IN_FLIGHT", "UNKNOWN", "AUTHORISED")
    return TryRow(
        each.leg_n,
        each.n,
        each.provider,
        state,
        word,
        _plain(each.detail or ""),
        each.amount_minor,
        _ms(held[0], record.created_at) if held else None,
        _ms(each.states[-1].at, record.created_at) if is_over and each.states else None,
        each.provider_ref or "",
    )


def _ms(later: datetime, earlier: datetime) -> int:
    return round((later - earlier).total_seconds() * 1000)


def _plain(code: str) -> str:
    """A provider's code as words: insufficient_funds as "insufficient funds"."""
    return code.replace("_", " ")
