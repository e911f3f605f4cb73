"""How traces become labels, digits and shares of an axis."""

import itertools

import pytest

from frontend.traces.presenter import fold_retries, trace_lines, verdict
from frontend.traces.waterfall import ticks
from frontend.web.formatting import share, took
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.samples import keep, span, trace_id

FIRST = "1" * 16


@pytest.mark.parametrize(
    ("status", "errors", "state"),
    [
        (201, "none", "good"),
        (202, "none", "degraded"),
        (202, "first", "degraded"),
        (200, "inside", "degraded"),
        (200, "first", "failed"),
        (409, "none", "refused"),
        (404, "first", "failed"),
        (499, "inside", "failed"),
        (499, "first", "failed"),
        (503, "first", "failed"),
        (0, "first", "failed"),
        (None, "none", "good"),
        (None, "inside", "degraded"),
        (None, "first", "failed"),
    ],
)
def test_how_a_trace_ended(status, errors, state):
    memory = TelemetryStore()
    answered = (("http.response.status_code", str(status)),) if status is not None else ()
    keep(memory, span(span_id=FIRST, failed=errors == "first", attributes=answered))
    keep(memory, span(parent_id=FIRST, failed=errors == "inside"))
    (row,) = memory.find(TraceQuery())
    assert verdict(row)[0] == state


def test_a_trace_whose_only_span_is_in_error_failed():
    memory = TelemetryStore()
    keep(memory, span(kind=3, parent_id=FIRST, attributes=(), failed=True, error="timeout"))
    (row,) = memory.find(TraceQuery())
    assert verdict(row) == ("failed", "failed")


def test_a_trace_whose_beginning_is_still_missing_is_neither_good_nor_bad():
    memory = TelemetryStore()
    keep(memory, span(kind=3, parent_id=FIRST, attributes=(), name="INSERT orders.orders"))
    assert verdict(memory.find(TraceQuery())[0]) == ("none", "incomplete")
    keep(memory, span(span_id=FIRST))
    assert verdict(memory.find(TraceQuery())[0]) == ("good", "201 good")


def test_behind_a_light_requests_come_first_and_retries_are_folded_under_their_request():
    memory = TelemetryStore()
    orders = {
        "mine": "a" * 8 + "-1111" * 3 + "-" + "a" * 12,
        "old": "b" * 8 + "-1111" * 3 + "-" + "b" * 12,
    }

    def of(order, *also):
        return (("valerix.order.id", orders[order]), *also)

    request, retry, older = trace_id(), trace_id(), trace_id()
    keep(
        memory,
        span(request, attributes=of("mine", ("http.response.status_code", "202"))),
        span(retry, kind=1, attributes=of("mine"), name="reconcile order"),
        span(older, kind=1, attributes=of("old"), name="reconcile order"),
    )
    rows = memory.find(TraceQuery())
    lines, others = fold_retries(rows, trace_lines(rows))
    assert [(line.trace_id, [r.trace_id for r in line.retries]) for line in lines] == [
        (request, [retry])
    ]
    assert [line.trace_id for line in others] == [older]


@pytest.mark.parametrize(("service", "slow"), [("order-service", True), ("elsewhere", False)])
def test_the_shop_s_limit_does_not_judge_other_programs(service, slow):
    memory = TelemetryStore()
    keep(memory, span(ms=(0, 1_500), service=service))
    (line,) = trace_lines(memory.find(TraceQuery()))
    assert line.slow is slow


def test_times_have_the_digits_that_matter():
    assert [took(ms).replace("\u202f", " ") for ms in (0.4, 12.34, 480.2, 999.6, 2013)] == [
        "0.40 ms", "12.3 ms", "480 ms", "1.00 s", "2.01 s",
    ]  # fmt: skip
    assert [share(part) for part in (-1, 0, 0.125, 1 / 3, 2)] == [
        "0%", "0%", "12.5%", "33.333%", "100%",
    ]  # fmt: skip


@pytest.mark.parametrize("total_ms", [0.0, 0.003, 1.0, 37.0, 999.0, 1001.0, 2050.0, 7_200_000.0])
def test_the_axis_has_a_few_round_times_and_the_sla_where_it_is_passed(total_ms):
    marks = ticks(total_ms)
    assert 1 <= len(marks) <= 10
    assert any(mark.sla for mark in marks) is (1000 < total_ms <= 20_000)
    assert marks[0].x == "0%"


@pytest.mark.parametrize(
    "total_ms", [652.0, 1001.0, 1080.0, 1150.0, 1430.0, 2050.0, 5030.0, 9000.0, 20_000.0]
)
def test_no_time_stands_over_another(total_ms):
    marks = ticks(total_ms)
    narrow = [mark for mark in marks if not mark.near and mark.x != "0%"]
    assert any(mark.sla for mark in narrow) is (total_ms > 1000)
    for width, shown in ((0.085, marks), (0.26, narrow)):
        ends = sorted(float(mark.x[:-1]) / 100 + (0 if mark.late else width) for mark in shown)
        assert all(b - a >= width - 1e-4 for a, b in itertools.pairwise(ends)), width
