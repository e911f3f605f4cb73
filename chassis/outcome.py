"""What a caller may conclude from a call, whatever transport carried it (the protocol's outcomes).

A transport maps its own exceptions to `Failure` and its own statuses to `Outcome`; the rule which
of them exclude an effect is here and nowhere else."""

from enum import Enum

import msgspec


class Outcome(Enum):
    """The class of a call. Only NOT_SENT and DEFINITE_NO exclude an effect."""

    OK = "ok"
    DEFINITE_NO = "definite-no"
    IN_PROGRESS = "in-progress"
    NOT_SENT = "not-sent"
    UNKNOWN = "unknown"


class Failure(Enum):
    """How a call can end without a usable response; the value is the call's `code`."""

    NO_TIME_LEFT = "no-time-left"
    BULKHEAD_FULL = "bulkhead-full"
    CONNECT_FAILED = "connect-failed"
    TIMEOUT = "timeout"
    BROKEN = "connection-broken"
    TOO_LARGE = "answer-too-large"


_BEFORE_SENDING = frozenset({Failure.NO_TIME_LEFT, Failure.BULKHEAD_FULL, Failure.CONNECT_FAILED})
IN_PROGRESS = frozenset({"in-progress", "idempotency-in-progress"})


class CallResult(msgspec.Struct, frozen=True):
    """What came back. `code` is the problem's code; `status` is 0 where there was no response;
    `retry_after` is that header as it was sent."""

    outcome: Outcome
    status: int = 0
    code: str = ""
    body: bytes = b""
    trace_id: str = ""
    retry_after: str = ""


def failed(failure: Failure, *, code: str = "", status: int = 0) -> CallResult:
    """A call without a usable response: after the request was sent, its effect is unknown."""
    outcome = Outcome.NOT_SENT if failure in _BEFORE_SENDING else Outcome.UNKNOWN
    return CallResult(outcome, status, code=code or failure.value)


def outcome_of_http(status: int, code: str, *, not_executed: bool) -> Outcome:
    """The class of an HTTP response. `not_executed`: the callee says it did not begin the work."""
    if 200 <= status < 300:
        return Outcome.OK
    if not_executed and status in (401, 421, 429, 503):
        return Outcome.NOT_SENT
    if status in (429, 503):
        return Outcome.UNKNOWN
    if status == 409 and code in IN_PROGRESS:
        return Outcome.IN_PROGRESS
    if 400 <= status < 500 and status != 408:
        return Outcome.DEFINITE_NO
    return Outcome.UNKNOWN
