"""How traces are put into words, digits and shares of a drawing."""

import pytest

from frontend.draw_traces import share, took, verdict
from frontend.draw_waterfall import ticks


@pytest.mark.parametrize(
    ("status", "failed", "state"),
    [
        (201, False, "good"),
        (202, False, "degraded"),
        (200, True, "degraded"),
        (409, False, "refused"),
        (499, True, "refused"),
        (503, True, "failed"),
        (0, True, "failed"),
        (None, False, "good"),
        (None, True, "degraded"),
    ],
)
def test_how_a_trace_ended(status, failed, state):
    assert verdict(status, failed=failed)[0] == state


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
