"""Quantiles out of buckets, against values worked out by hand and against the definition."""

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.metrics.quantile import quantile

BOUNDS = (1.0, 2.0, 5.0, inf)


def test_it_lies_between_the_bounds_of_its_bucket_in_proportion():
    # Four up to 1 s, four between 1 and 2 s, two between 2 and 5 s: ten in all.
    counts = (4.0, 8.0, 10.0, 10.0)
    # The 5th of ten is the first of four between 1 and 2.
    assert quantile(0.5, BOUNDS, counts) == pytest.approx(1.25)
    # The 9th is the first of two between 2 and 5.
    assert quantile(0.9, BOUNDS, counts) == pytest.approx(3.5)
    # 9.9 is 1.9 of two: 2 + 3 * 0.95.
    assert quantile(0.99, BOUNDS, counts) == pytest.approx(4.85)


def test_the_first_bucket_begins_at_zero():
    assert quantile(0.5, BOUNDS, (10.0, 10.0, 10.0, 10.0)) == pytest.approx(0.5)


def test_above_the_last_bound_nothing_is_known_but_the_bound():
    assert quantile(0.99, BOUNDS, (0.0, 0.0, 0.0, 7.0)) == 5.0
    assert quantile(0.5, BOUNDS, (6.0, 6.0, 6.0, 7.0)) == pytest.approx(3.5 / 6)


def test_without_observations_there_is_no_quantile():
    assert quantile(0.5, BOUNDS, (0.0, 0.0, 0.0, 0.0)) is None
    assert quantile(0.5, BOUNDS, ()) is None


def test_an_empty_bucket_between_two_full_ones_is_stepped_over():
    assert quantile(0.75, BOUNDS, (2.0, 2.0, 4.0, 4.0)) == pytest.approx(3.5)


def test_the_lowest_quantile_is_the_lowest_bound():
    assert quantile(0.0, BOUNDS, (0.0, 3.0, 3.0, 3.0)) == 0.0


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.floats(0.01, 1))
def test_it_is_in_the_bucket_that_holds_its_rank(inside, q):
    counts = tuple(float(total) for total in accumulate(inside))
    value = quantile(q, BOUNDS, counts)
    if counts[-1] == 0:
        assert value is None
        return
    index = next(i for i, total in enumerate(counts) if total >= q * counts[-1])
    low = (0.0, *BOUNDS)[index]
    assert min(low, 5.0) <= value <= min(BOUNDS[index], 5.0)
