"""What every refusal looks like, wherever it comes from."""

import re
from typing import Any

import httpx

from chassis.http.problems import MEDIA_TYPE

_MEMBERS = {
    "type", "title", "status", "detail", "code", "request_id", "trace_id", "retryable", "details",
    "error",
}  # fmt: skip
# Words of our insides: SQL, drivers, tracebacks, Python.
_INSIDES = re.compile(
    r"Traceback|File \"|\.py\b|\bSELECT\b|\bINSERT\b|\bUPDATE\b|asyncpg|sqlalchemy|msgspec"
    r"|object at 0x|Error\(|Exception",
)


def assert_problem(answer: httpx.Response, status: int, code: str = "") -> dict[str, Any]:
    """The answer is an RFC 9457 problem of ours, with all members and nothing from inside."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.headers
    problem: dict[str, Any] = answer.json()
    assert set(problem) == _MEMBERS
    assert problem["status"] == status
    assert problem["type"] == f"urn:valerix:problem:{problem['code']}"
    assert problem["request_id"] == problem["trace_id"] == answer.headers["x-trace-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", problem["trace_id"])
    assert isinstance(problem["retryable"], bool)
    assert problem["title"]
    assert problem["detail"]
    assert problem["error"] == {
        "code": problem["code"],
        "message": problem["detail"],
        "details": problem["details"],
    }
    assert not _INSIDES.search(answer.text), answer.text
    if code:
        assert problem["code"] == code, problem
    return problem
