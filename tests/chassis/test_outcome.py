"""What a caller may conclude: every row of the protocol's table, without any wire."""

import pytest

from chassis.outcome import Failure, Outcome, failed, outcome_of_http

_OUR_BUGS = (400, 401, 403, 404, 405, 413, 415, 422)
RESPONSES = [
    *((status, "", False, Outcome.OK) for status in (200, 201, 202, 204, 299)),
    (402, "payment-declined", False, Outcome.DEFINITE_NO),
    (409, "out-of-stock", False, Outcome.DEFINITE_NO),
    (409, "fenced", False, Outcome.DEFINITE_NO),
    (410, "gone", False, Outcome.DEFINITE_NO),
    *((status, "our-bug", False, Outcome.DEFINITE_NO) for status in _OUR_BUGS),
    # A refusal is definite whoever says that it was not executed.
    (404, "our-bug", True, Outcome.DEFINITE_NO),
    (409, "in-progress", False, Outcome.IN_PROGRESS),
    (409, "idempotency-in-progress", False, Outcome.IN_PROGRESS),
    (503, "overloaded", True, Outcome.NOT_SENT),
    (429, "slow-down", True, Outcome.NOT_SENT),
    (503, "overloaded", False, Outcome.UNKNOWN),
    (429, "slow-down", False, Outcome.UNKNOWN),
    *((status, "broken", False, Outcome.UNKNOWN) for status in (500, 502, 504, 599)),
    (500, "broken", True, Outcome.UNKNOWN),
    (408, "request-timeout", False, Outcome.UNKNOWN),
    *((status, "", False, Outcome.UNKNOWN) for status in (199, 300, 302, 399)),
]  # fmt: skip
FAILURES = {
    Failure.NO_TIME_LEFT: Outcome.NOT_SENT,
    Failure.BULKHEAD_FULL: Outcome.NOT_SENT,
    Failure.CONNECT_FAILED: Outcome.NOT_SENT,
    Failure.TIMEOUT: Outcome.UNKNOWN,
    Failure.BROKEN: Outcome.UNKNOWN,
    Failure.TOO_LARGE: Outcome.UNKNOWN,
}


@pytest.mark.parametrize(("status", "code", "not_executed", "outcome"), RESPONSES)
def test_a_response_is_classified_as_the_protocol_says(
    status: int, code: str, not_executed: bool, outcome: Outcome
):
    assert outcome_of_http(status, code, not_executed=not_executed) is outcome


@pytest.mark.parametrize("failure", Failure)
def test_only_a_failure_before_sending_excludes_an_effect(failure: Failure):
    result = failed(failure)
    assert (result.outcome, result.code) == (FAILURES[failure], failure.value)
    assert (result.status, result.body) == (0, b"")
