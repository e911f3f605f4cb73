"""What a client gets when something is wrong: RFC 9457 problem details, never an internal."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from chassis.http.asgi import Send
from chassis.telemetry.context import current_trace_id, span_now

MEDIA_TYPE = "application/problem+json"
# The attribute of a span that holds the code of the problem it was answered with.
PROBLEM = "valerix.problem"
NOT_EXECUTED = {"X-Valerix-Executed": "no"}


class ErrorMember(msgspec.Struct, frozen=True):
    """The same once more, where many clients look for it."""

    code: str
    message: str
    details: Any


class ProblemDocument(msgspec.Struct, frozen=True):
    """RFC 9457, with extension members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    trace_id: str | None
    retryable: bool
    details: Any
    error: ErrorMember


class Problem(Exception):
    """A refusal or a fault. `code` is the stable machine string; `detail` is for humans."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        details: object = None,
        retryable: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.details = details
        self.retryable = retryable
        self.headers = headers or {}

    def body(self, *, error_code: str = "") -> bytes:
        """The problem document, with the id of the trace that shows the rest; `error_code` is the
        code in its `error` member, where a service spells that otherwise."""
        trace_id = current_trace_id()
        document = ProblemDocument(
            type=f"urn:valerix:problem:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=trace_id,
            trace_id=trace_id,
            retryable=self.retryable,
            details=self.details,
            error=ErrorMember(error_code or self.code, self.detail, self.details),
        )
        return msgspec.json.encode(document, enc_hook=str)


def note(problem: Problem) -> None:
    """Record on the request's span what its answer says, so that a trace and a line of log give the
    reason that the client was given."""
    work = span_now.get()
    if work is None:
        return
    work.attributes[PROBLEM] = problem.code
    if problem.status >= 500:
        work.attributes["error.type"] = problem.code
        work.error = problem.detail


def shed(detail: str, *, code: str = "overloaded", after_s: int = 1) -> Problem:
    """A refusal before any work was done: the client may safely try again."""
    headers = {"Retry-After": str(after_s), **NOT_EXECUTED}
    return Problem(503, code, detail, retryable=True, headers=headers)


def invalid(pointer: str, message: str) -> Problem:
    """One field that does not fit; `pointer` is a JSON Pointer (RFC 6901)."""
    return Problem(
        400,
        "validation",
        f"{pointer or 'body'}: {message}",
        details=[{"pointer": pointer, "message": message}],
    )


def invalid_parameter(name: str, predicate: str) -> Problem:
    """A parameter of the address that does not fit; `predicate` makes a sentence with its name, as
    "must be one of …" does."""
    sentence = f"{name} {predicate}"
    details = [{"pointer": f"/{name}", "message": sentence}]
    return Problem(400, "validation", sentence, details=details)


def one_of(name: str, given: str, known: Iterable[str]) -> str:
    """The value of a parameter that takes one of those there are; raises 400, which names them."""
    names = tuple(known)
    if given not in names:
        raise invalid_parameter(name, f"must be one of {', '.join(names)}")
    return given


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem from below any framework."""
    note(problem)
    body = problem.body()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in problem.headers.items()},
    }
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
