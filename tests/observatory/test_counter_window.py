"""The SLA light's arithmetic: rate(sum[30s]) / rate(count[30s]) over business routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.metrics.counter_window import COUNT, LENGTH, REQUESTS, SUM, CounterWindow, Scrape
from observatory.metrics.prometheus_text import Series


def series(name, path="/orders", **labels):
    return Series(name, (("path", path), *sorted(labels.items())))


def scrape(at, count, seconds, path="/orders", **more):
    values = {series(COUNT, path): float(count), series(SUM, path): float(seconds)}
    for status, value in more.items():
        values[series(REQUESTS, path, status_code=status.removeprefix("s"))] = float(value)
    return Scrape(at, values)


def ring(*scrapes):
    made = CounterWindow()
    for each in scrapes:
        made.add(each)
    return made


def test_the_average_is_seconds_over_requests_in_the_window():
    traffic = ring(scrape(0, 100, 50), scrape(2, 104, 58)).traffic(now=2, window_s=30)
    assert traffic.average_s == pytest.approx(2.0)
    assert traffic.requests == 4
    assert traffic.per_second == pytest.approx(2.0)


def test_no_traffic_is_no_average():
    still = ring(scrape(0, 100, 50), scrape(2, 100, 50)).traffic(now=2, window_s=30)
    assert still.average_s is None
    assert ring(scrape(0, 100, 50)).traffic(now=2, window_s=30).average_s is None
    assert CounterWindow().traffic(now=2, window_s=30).average_s is None


def test_what_is_older_than_the_window_does_not_count():
    made = ring(scrape(0, 0, 0), scrape(2, 10, 100), scrape(40, 10, 100), scrape(42, 11, 100.5))
    assert made.traffic(now=42, window_s=30).average_s == pytest.approx(0.5)


def test_a_restart_counts_from_zero():
    made = ring(scrape(0, 1000, 900), scrape(2, 3, 6))
    traffic = made.traffic(now=2, window_s=30)
    assert (traffic.requests, traffic.average_s) == (3, pytest.approx(2.0))


def test_the_very_first_request_of_a_route_counts():
    made = ring(Scrape(0, {}), scrape(2, 1, 2.0))
    assert made.traffic(now=2, window_s=30).average_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    "path",
    ["/health", "/health/live", "/health/ready", "/metrics", "/schema", "/schema/openapi.json",
     "/gremlins", "/gremlins/{name}", "/gremlin/latency"],
)  # fmt: skip
def test_routes_that_are_not_business_do_not_count(path):
    made = ring(scrape(0, 0, 0, path), scrape(2, 50, 0.05, path))
    assert made.traffic(now=2, window_s=30).average_s is None


def test_errors_are_answers_of_500_and_above_those_that_never_came_and_those_given_up_on():
    before = scrape(0, 0, 0, s201=0, s503=0, s409=0, s000=0, s499=0)
    after = scrape(2, 14, 1, s201=3, s503=2, s409=3, s000=1, s499=5)
    assert ring(before, after).traffic(now=2, window_s=30).errors == 8


def test_what_was_accepted_but_not_decided_is_counted_apart():
    before = scrape(0, 0, 0, s201=0, s202=0)
    after = scrape(2, 9, 1, s201=3, s202=6)
    traffic = ring(before, after).traffic(now=2, window_s=30)
    assert (traffic.pending, traffic.errors) == (6, 0)


def test_memory_is_bounded():
    made = CounterWindow()
    for at in range(LENGTH + 50):
        made.add(scrape(at, at, at))
    assert made.traffic(now=LENGTH + 50, window_s=1e9).requests == LENGTH - 1


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=15))
def test_the_increase_is_the_sum_of_what_happened_whatever_restarts(steps):
    made, count, expected = CounterWindow(), 0, 0
    for at, (more, restarts) in enumerate(steps):
        if restarts and at and more < count:
            count = 0
        elif at == 0:
            expected -= more
        count += more
        expected += more
        made.add(scrape(at, count, 0))
    wanted = made.increase(lambda s: s.name == COUNT, since=-1)
    assert wanted == expected
