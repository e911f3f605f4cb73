"""Every exception has one true thing to say to a client, and never what is inside."""

import asyncpg
import msgspec
import pytest
from litestar.exceptions import (
    ClientException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from chassis.database.pool import (
    CallerGone,
    CommitUnknown,
    DatabaseBusy,
    DatabaseConflict,
    DatabaseDown,
    DatabaseFull,
    Effects,
    LockNotFree,
    effects_now,
)
from chassis.http.app import as_problem
from chassis.http.problems import NOT_EXECUTED, Problem, invalid, shed

SECRET = "SELECT secret FROM inside"


@pytest.mark.parametrize(
    ("error", "status", "code", "not_executed", "retryable"),
    [
        (DatabaseBusy(SECRET), 503, "database-busy", True, True),
        (DatabaseDown(SECRET), 503, "database-down", True, True),
        (DatabaseFull(SECRET), 503, "database-full", True, True),
        (CommitUnknown(SECRET), 500, "outcome-unknown", False, True),
        (ConnectionResetError(SECRET), 500, "outcome-unknown", False, True),
        (asyncpg.AdminShutdownError(SECRET), 500, "outcome-unknown", False, True),
        (asyncpg.QueryCanceledError(SECRET), 500, "outcome-unknown", False, True),
        (LockNotFree(SECRET), 500, "database-slow", False, True),
        (DatabaseConflict(SECRET), 500, "database-conflict", False, True),
        (CallerGone(SECRET), 504, "caller-gone", False, True),
        (NotFoundException(SECRET), 404, "not-found", False, False),
        (InternalServerException(SECRET), 500, "internal", False, False),
        (
            InternalServerException("client disconnected prematurely"),
            400,
            "body-incomplete",
            False,
            False,
        ),
        (RuntimeError(SECRET), 500, "internal", False, False),
        (KeyError(SECRET), 500, "internal", False, False),
        (asyncpg.UniqueViolationError(SECRET), 500, "internal", False, False),
        (asyncpg.DataError(SECRET), 500, "internal", False, False),
    ],
)
def test_an_exception_becomes_the_truth_about_it(
    error: Exception, status: int, code: str, not_executed: bool, retryable: bool
):
    problem = as_problem(error)
    assert (problem.status, problem.code) == (status, code)
    assert problem.retryable == retryable
    assert (NOT_EXECUTED.items() <= problem.headers.items()) == not_executed
    assert ("Retry-After" in problem.headers) == not_executed
    assert SECRET not in problem.body().decode()


@pytest.mark.parametrize("error", [DatabaseBusy(""), DatabaseDown(""), DatabaseFull("")])
def test_once_a_part_is_done_nobody_says_that_nothing_was(error: Exception):
    effects = Effects()
    effects.any = True
    token = effects_now.set(effects)
    try:
        problem = as_problem(error)
    finally:
        effects_now.reset(token)
    assert (problem.status, problem.code) == (500, "outcome-unknown")
    assert not NOT_EXECUTED.items() <= problem.headers.items()


def test_what_the_framework_refuses_keeps_its_status():
    assert as_problem(ClientException("no")).status == 400
    refused = as_problem(MethodNotAllowedException(headers={"Allow": "GET"}))
    assert (refused.status, refused.headers["Allow"]) == (405, "GET")
    wrong = as_problem(ValidationException(extra=[{"key": "limit", "message": "no number"}]))
    assert wrong.details == [{"pointer": "/limit", "message": "no number"}]


def test_a_wrong_parameter_is_named_though_the_body_was_not_read():
    items = [{"key": "order_id", "message": "no UUID"}, {"key": "data", "message": "'data'"}]
    assert as_problem(ValidationException(extra=items)).code == "validation"
    assert as_problem(ValidationException(extra=items[1:])).code == "malformed"


def test_a_document_holds_whatever_the_details_are():
    problem = Problem(409, "x", "y", details={"when": object, "id": 1})
    document = msgspec.json.decode(problem.body())
    assert document["details"]["id"] == 1
    assert document["error"]["details"] == document["details"]
    assert document["title"] == "Conflict"
    assert document["trace_id"] is None


def test_the_short_forms_say_what_they_must():
    assert shed("x", after_s=7).headers == {"Retry-After": "7", "X-Valerix-Executed": "no"}
    assert invalid("/a", "no").details == [{"pointer": "/a", "message": "no"}]
    assert invalid("", "no").detail == "body: no"
