"""Many instances that come, restart and go count as one process that never does."""

from hypothesis import given
from hypothesis import strategies as st

from observatory.metrics.prometheus_text import Series
from observatory.sources.stack.merge_instances import MergeInstances
from observatory.sources.stack.prometheus_response import Reading

ORDERS, ERRORS = (
    Series("http_requests_total", (("status_code", code),)) for code in ("201", "500")
)
STOCK = Series("valerix_stock_units", (("product", "PROD-001"),))
ONE, TWO = ("shop", "one:5001"), ("shop", "two:5001")


def merged(*readings):
    instances = MergeInstances({"valerix_stock_units"})
    for number, (instance, values) in enumerate(readings, 1):
        instances.add(Reading(float(number), instance, values))
    return instances.totals()


def test_what_was_counted_before_the_first_reading_is_left_out():
    assert merged((ONE, {ORDERS: 1000})) == {ORDERS: 0}
    assert merged((ONE, {ORDERS: 1000}), (ONE, {ORDERS: 1003})) == {ORDERS: 3}


def test_a_restart_counts_from_zero():
    assert merged((ONE, {ORDERS: 10}), (ONE, {ORDERS: 15}), (ONE, {ORDERS: 2})) == {ORDERS: 7}


def test_a_series_that_appears_counts_from_zero():
    assert merged((ONE, {ORDERS: 10}), (ONE, {ORDERS: 10, ERRORS: 2}))[ERRORS] == 2


def test_instances_add_up_and_neither_is_taken_for_the_other_s_restart():
    totals = merged(
        (ONE, {ORDERS: 500}), (TWO, {ORDERS: 10}), (ONE, {ORDERS: 502}), (TWO, {ORDERS: 13})
    )
    assert totals == {ORDERS: 5}


def test_a_gauge_is_not_added_up():
    assert merged((ONE, {STOCK: 90}), (TWO, {STOCK: 90}), (ONE, {STOCK: 89})) == {STOCK: 89}


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.integers(0, 100)), max_size=60))
def test_totals_never_fall(samples):
    instances, last = MergeInstances(set()), 0.0
    for number, (instance, value) in enumerate(samples):
        instances.add(Reading(float(number), instance, {ORDERS: float(value)}))
        total = instances.totals()[ORDERS]
        assert total >= last
        last = total


def test_a_thousand_instances_do_not_pile_up():
    instances = MergeInstances(set())
    for number in range(1000):
        instances.add(Reading(float(number), ("shop", str(number)), {ORDERS: 1.0}))
    assert instances.is_new(Reading(0.0, ("shop", "1"), {}))
    assert not instances.is_new(Reading(0.0, ("shop", "999"), {}))
