"""What an action did, in words: what happened, what was not affected, what to do next."""

from collections.abc import Mapping
from typing import Any

import msgspec

from chassis.faults.kinds import KIND_LABELS
from chassis.outcome import CallResult, Outcome
from chassis.telemetry.context import current_trace_id
from frontend.overview.view_models import State, Told
from frontend.web.labels import REASON_WORDS
from frontend.web.templating import money
from topology import LABELS


class _Order(msgspec.Struct):
    order_id: str
    status: str = ""
    quantity: int = 0
    product_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    message: str = ""


class _Problem(msgspec.Struct):
    detail: str = ""
    details: Any = None


def order_told(answer: CallResult, names: Mapping[str, str]) -> Told:
    """The answer to an order, for the person who placed it; `names` are the products' by id."""
    if answer.outcome is Outcome.OK:
        return _order_taken(answer, names)
    problem = _decode(answer, _Problem) or _Problem()
    order_id = problem.details.get("order_id", "") if isinstance(problem.details, dict) else ""
    if answer.code == "out-of-stock":
        _, word, why = REASON_WORDS["OUT_OF_STOCK"]
        return _told("refused", answer, word, why, order_id)
    if answer.code == "payment-declined":
        _, word, why = REASON_WORDS["PAYMENT_DECLINED"]
        return _told("refused", answer, word, why, order_id)
    return _not_done(answer, problem, "Nothing was ordered")


def _order_taken(answer: CallResult, names: Mapping[str, str]) -> Told:
    order = _decode(answer, _Order)
    if order is None:
        return _told("degraded", answer, "Strange answer", "Look in the list before you try again.")
    product = names.get(order.product_id, order.product_id)
    what = f"{order.quantity} × {product}, {money(order.amount_minor, order.currency)}"  # noqa: RUF001
    if answer.status == 201:
        return _told("good", answer, "Order confirmed", what, order.order_id)
    return _told(
        "degraded",
        answer,
        "Order is being processed",
        f"{what}. It settles by itself.",
        order.order_id,
    )


def cancel_told(answer: CallResult, order_id: str) -> Told:
    """The answer to a cancel."""
    if answer.outcome is Outcome.OK:
        state: State = "degraded" if answer.status == 202 else "refused"
        why = "Money first, then the stock: it shows here when it is done."
        return _told(state, answer, "Cancelling", why, order_id)
    problem = _decode(answer, _Problem) or _Problem()
    return _not_done(answer, problem, "Not cancelled")


def loose_told(answer: CallResult, kind: str, service: str, detail: str, ttl_s: int) -> Told:
    """A gremlin was let loose, or not."""
    label = f"{KIND_LABELS[kind]} on {LABELS[service].lower()}"
    if answer.outcome is Outcome.OK:
        minutes = f"{ttl_s // 60} min" if ttl_s >= 60 else f"{ttl_s} s"
        what = ", ".join(filter(None, (detail, f"ends by itself in {minutes}")))
        return _told("gremlin", answer, f"{label} is loose", what)
    return _not_done(answer, _decode(answer, _Problem) or _Problem(), f"{label} did not start")


def calmed_told(answers: list[tuple[str, CallResult]], ended: int) -> Told:
    """Gremlins were called off, or some could not be."""
    missed = [LABELS[service] for service, answer in answers if answer.outcome is not Outcome.OK]
    trace_id = next(filter(None, (_trace_of(answer) for _, answer in answers)), "")
    if missed:
        still = f"{', '.join(missed)} did not answer. Gremlins there run out by themselves."
        return Told("failed", "Not everything is calm", still, trace_id, status=503)
    if not ended:
        return Told("good", "All was calm already", "", trace_id)
    noun = "gremlin" if ended == 1 else "gremlins"
    return Told("good", f"{ended} {noun} called off", "What was pending settles now.", trace_id)


def _not_done(answer: CallResult, problem: _Problem, title: str) -> Told:
    if answer.outcome is Outcome.NOT_SENT:
        why = "The service cannot be reached or is full. Nothing was done: try again in a moment."
        return _told("failed", answer, title, why)
    if answer.outcome is Outcome.IN_PROGRESS:
        why = "The first try is still under way. It shows in the list when it is done."
        return _told("degraded", answer, "Already on its way", why)
    if answer.outcome is Outcome.UNKNOWN:
        why = "No clear answer came. Try again: the same form never does it twice."
        return _told("degraded", answer, "Not sure yet", why)
    return _told("failed", answer, title, problem.detail or f"Answered {answer.status}")


def _told(state: Any, answer: CallResult, title: str, detail: str = "", order_id: str = "") -> Told:
    status = 200 if answer.outcome is Outcome.OK else (answer.status or 503)
    return Told(state, title, detail, _trace_of(answer), order_id, status)


def _trace_of(answer: CallResult) -> str:
    """The trace that tells what became of a request. Where no answer came it is our own: the
    service was told it along with the request. What never left has none."""
    if answer.trace_id or answer.outcome is Outcome.NOT_SENT:
        return answer.trace_id
    return current_trace_id() or ""


def _decode(answer: CallResult, shape: Any) -> Any:
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError:
        return None
