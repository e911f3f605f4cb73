"""What a service answered to a page that asked, or why there is nothing to show."""

from typing import TypeVar

from msgspec import Struct

from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.web.formatting import utc_now
from observatory.sources.down import Down

T = TypeVar("T", bound=Struct)


def unreadable(down: Down) -> Problem:
    """The answer of an API whose source cannot be read now."""
    return Problem(503, "telemetry-unreadable", f"{down.reason}. {down.still}".strip())


def answered(result: CallResult, shape: type[T], still: str) -> T | Down:
    """The body of an answer, or `Down` with the reason; `still` says what goes on meanwhile."""
    found: T | None = decode(result, shape) if result.outcome is Outcome.OK else None
    if found is not None:
        return found
    if result.status:
        return Down(f"It answers {result.status}", utc_now(), still)
    if result.outcome is Outcome.NOT_SENT:
        return Down("It is not running", utc_now(), still)
    return Down("No response in time", utc_now(), still)
