"""The charts' points: sliding windows over scrapes, restarts, gaps and exemplars."""

import pytest

from observatory.metrics.counter_window import REQUESTS
from observatory.metrics.history import BOUNDS, BUCKET, Exemplar, History, Point
from observatory.metrics.prometheus_text import Series

TRACE = "a" * 32


def scrape(fast, slow=0, failed=0, path="/orders"):
    """Counters after `fast` requests of up to 0.1 s and `slow` ones of 2 to 2.5 s."""
    values = {
        Series(BUCKET, (("path", path), ("le", "+Inf" if bound == BOUNDS[-1] else str(bound)))): (
            float(fast * (bound >= 0.1) + slow * (bound >= 2.5))
        )
        for bound in BOUNDS
    }
    values[Series(REQUESTS, (("path", path), ("status_code", "201")))] = float(fast + slow - failed)
    values[Series(REQUESTS, (("path", path), ("status_code", "503")))] = float(failed)
    return values


def history(*scrapes):
    made = History()
    for at, values in scrapes:
        made.add(at, values)
    return made


def test_a_point_is_what_grew_in_its_window():
    made = history((0, scrape(100)), (2, scrape(104)), (4, scrape(108, failed=2)))
    point = made.point(4)
    assert point.rate == pytest.approx(2.0)
    assert point.errors == pytest.approx(0.5)
    # All between 0.075 and 0.1 s, evenly spread.
    assert point.p50 == pytest.approx(0.0875)
    assert point.p99 == pytest.approx(0.09975)


def test_one_slow_request_in_ten_lifts_the_p99_and_not_the_p50():
    point = history((0, scrape(0)), (2, scrape(9, slow=1))).point(2)
    assert point.p50 == pytest.approx(0.075 + 0.025 * 5 / 9)
    assert point.p90 == pytest.approx(0.1)
    assert point.p99 == pytest.approx(2.0 + 0.5 * 0.9)


def test_quantiles_look_back_thirty_seconds_and_rates_ten():
    made = history((0, scrape(0)), (2, scrape(0, slow=10)))
    for at in range(4, 60, 2):
        made.add(at, scrape(at, slow=10))
    assert made.point(10).p99 > 2
    assert made.point(29).p99 > 2
    assert made.point(34).p99 < 0.1
    assert made.point(20).rate == pytest.approx(1.0)


def test_what_was_counted_before_the_first_look_belongs_to_no_moment():
    assert history((0, scrape(1000))).point(0) == Point()
    assert history((0, scrape(1000)), (2, scrape(1000))).point(2) == Point(0.0, 0.0)


def test_a_service_that_is_silent_leaves_a_gap():
    made = history((0, scrape(0)), (2, scrape(4)))
    assert made.point(7).rate is not None
    assert made.point(9) == Point()
    assert made.point(-1) == Point()


def test_a_restart_counts_from_zero():
    made = history((0, scrape(500)), (2, scrape(500)), (4, scrape(4)))
    assert made.point(4).rate == pytest.approx(1.0)
    assert made.point(4).p50 == pytest.approx(0.0875)


def test_what_is_not_business_is_not_counted():
    made = history((0, scrape(0, path="/metrics")), (2, scrape(50, path="/metrics")))
    assert made.point(2) == Point(0.0, 0.0)


def test_a_point_never_changes_once_it_is_past():
    made = history((0, scrape(0)), (2, scrape(4)), (4, scrape(8)))
    before = made.point(4)
    made.add(6, scrape(500, slow=400))
    assert made.point(4) == before


def test_memory_is_bounded():
    made = History(length=10)
    for at in range(100):
        made.add(at, scrape(at))
    assert made.point(99).rate == pytest.approx(1.0)
    assert made.point(50) == Point()


def test_failures_between_two_moments():
    made = history((0, scrape(9)), (2, scrape(9, failed=2)), (4, scrape(9, failed=5)))
    assert made.failures(0, 4) == 5
    assert made.failures(2, 10) == 3
    assert History().failures(0, 10) == 0


def test_an_exemplar_is_kept_once():
    made = History()
    series = Series(BUCKET, (("path", "/orders"), ("le", "1.0")))
    probe = Series(BUCKET, (("path", "/health"), ("le", "1.0")))
    for seen in (2.0, 4.0):
        made.add_exemplars(
            {series: Exemplar(1.5, 0.8, TRACE, seen), probe: Exemplar(1, 0.1, TRACE, seen)}
        )
    assert made.exemplars(0, 10) == [Exemplar(1.5, 0.8, TRACE, 2.0)]
    assert made.exemplars(2.0, 10) == []


def test_where_nobody_looked_there_is_no_gap_and_what_grew_is_where_it_is_seen():
    made = history((0, scrape(7)))
    made.add(9, scrape(12), rested=True)
    assert [made.point(at).rate for at in (7, 9)] == [0.0, pytest.approx(5 / 9)]
    assert made.interval(0, 8).requests == 0
    assert made.interval(8, 9).requests == 5


@pytest.mark.parametrize(("at", "rested"), [(9, False), (13, True)])
def test_where_it_could_not_be_read_there_is_a_gap(at, rested):
    made = history((0, scrape(7)))
    made.add(at, scrape(7), rested=rested)
    assert made.point(7) == Point()
