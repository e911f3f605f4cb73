"""google.rpc.Code for each status of HTTP, by the names that gRPC gives them."""

from chassis.outcome import IN_PROGRESS

CODES = {
    "OK": 0, "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5, "ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9, "ABORTED": 10, "OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12,
    "INTERNAL": 13, "UNAVAILABLE": 14, "DATA_LOSS": 15, "UNAUTHENTICATED": 16,
}  # fmt: skip
_OF_HTTP = {
    0: "UNAVAILABLE",  # the connection broke
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    # Not to pay is an answer.
    402: "OK",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    431: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def code_of(status: int, problem: str = "") -> str:
    """The code's name; `problem` is the code of the problem that was answered."""
    if 200 <= status < 300:
        return "OK"
    if status == 409 and problem in IN_PROGRESS:
        return "ABORTED"  # the client should ask again
    return _OF_HTTP.get(status, "FAILED_PRECONDITION" if status < 500 else "INTERNAL")
