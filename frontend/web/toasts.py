"""What an action did, in words: what happened, what was not affected, what to do next."""

from typing import Any, Literal

from msgspec import Struct

from chassis.http.outbound import decode
from chassis.outcome import CallResult, Outcome
from chassis.telemetry.context import current_trace_id
from frontend.web.labels import State


class Toast(Struct, frozen=True):
    """What an action did; `trace_id` leads to why, `status` is the page's without scripts."""

    state: State | Literal["gremlin"]
    title: str
    detail: str = ""
    trace_id: str = ""
    order_id: str = ""
    status: int = 200


class ProblemBody(Struct):
    """The body of a service's refusal."""

    detail: str = ""
    details: Any = None


def toast_of(
    response: CallResult,
    state: State | Literal["gremlin"],
    title: str,
    detail: str = "",
    order_id: str = "",
) -> Toast:
    """A toast with the response's status and a link to its trace."""
    status = 200 if response.outcome is Outcome.OK else (response.status or 503)
    return Toast(state, title, detail, trace_of(response), order_id, status)


def failure_toast(response: CallResult, title: str) -> Toast:
    """Why a request did not do what was asked, and what to do next."""
    if response.outcome is Outcome.NOT_SENT:
        why = "The service cannot be reached or is full. Nothing was done: try again in a moment."
        return toast_of(response, "failed", title, why)
    if response.outcome is Outcome.IN_PROGRESS:
        why = "The first try is still under way. It shows in the list when it is done."
        return toast_of(response, "degraded", "Already on its way", why)
    if response.outcome is Outcome.UNKNOWN:
        why = "No clear answer came. Try again: the same form never does it twice."
        return toast_of(response, "degraded", "Not sure yet", why)
    problem = decode(response, ProblemBody)
    detail = problem.detail if problem else ""
    return toast_of(response, "failed", title, detail or f"Answered {response.status}")


def trace_of(response: CallResult) -> str:
    """The trace that shows what became of a request. Without a response it is our own, which was
    sent to the service along with the request. A request that was never sent has none."""
    if response.trace_id or response.outcome is Outcome.NOT_SENT:
        return response.trace_id
    return current_trace_id() or ""
