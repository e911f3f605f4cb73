"""The knee is found where a shop of known capacity has it, with noise and without."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.knee import Level, find_knee, levels_of
from tests.loadtests.arranged import BEGAN_S, calmly, measured, plan_of

STEPS = range(10, 101, 10)


def shop(capacity_per_s: float, think_s: float, noise: float = 0.0, seed: int = 1) -> list[Level]:
    """A closed system by the asymptotic bounds: in proportion up to its capacity, then full."""
    chance = random.Random(seed)
    found = []
    for users in STEPS:
        per_s = min(users / (think_s + 0.02), capacity_per_s) * chance.uniform(1 - noise, 1 + noise)
        ms = max(20.0, 1000 * (users / per_s - think_s))
        found.append(Level(users, per_s, ms, 3 * ms, 0.0))
    return found


@calmly
@given(st.integers(15, 80), st.floats(0.1, 2))
def test_the_knee_is_where_the_capacity_is_used_up(users: int, think_s: float):
    capacity = users / (think_s + 0.02)
    knee = find_knee(shop(capacity, think_s))
    assert knee is not None
    assert knee.reached
    assert knee.users == pytest.approx(users, abs=10)
    assert knee.per_s == pytest.approx(capacity, rel=0.15)


@calmly
@given(st.integers(25, 70), st.integers(0, 10_000))
def test_noise_of_a_tenth_moves_the_knee_by_little(users: int, seed: int):
    knee = find_knee(shop(users / 0.52, 0.5, noise=0.1, seed=seed))
    assert knee is not None
    assert knee.users == pytest.approx(users, abs=20)


@calmly
@given(st.floats(0.1, 2))
def test_a_shop_that_is_never_full_has_no_knee(think_s: float):
    knee = find_knee(shop(1e9, think_s))
    assert knee is not None
    assert not knee.reached
    assert knee.level.users == 100


def test_a_shop_that_is_full_from_the_start_has_its_knee_at_the_first_step():
    knee = find_knee(shop(5, 0.5))
    assert knee is not None
    assert knee.reached
    assert knee.users <= 15


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_levels_have_no_knee(count: int):
    assert find_knee(shop(50, 0.5)[:count]) is None


def test_the_levels_are_read_off_the_timeline():
    plan = plan_of("stress", scale=0.2)
    measures = measured(plan)
    levels = levels_of(plan.what, plan.scale, measures, BEGAN_S, BEGAN_S + plan.duration_s)
    assert [level.users for level in levels] == list(STEPS)
    assert levels[0].per_s == pytest.approx(100, rel=0.1)
    knee = find_knee(levels)
    assert knee is not None
    assert knee.users == pytest.approx(40, abs=5)


def test_a_run_cut_short_has_the_levels_it_came_to():
    plan = plan_of("stress", scale=0.2)
    levels = levels_of(plan.what, plan.scale, measured(plan), BEGAN_S, BEGAN_S + 20)
    assert [level.users for level in levels] == [10, 20, 30]
