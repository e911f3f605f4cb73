"""Profiles are pure functions of time: their properties hold at every moment and scale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.plan import LoadPlan
from scenarios.load_profiles import PROFILES, Profile
from tests.loadtests.arranged import calmly, plan_of

any_profile = st.sampled_from(list(PROFILES.values()))
scales = st.floats(0.01, 100)
shares = st.floats(0, 0.999)


@calmly
@given(any_profile, scales, shares)
def test_there_is_always_a_shopper_and_never_more_than_the_peak(profile: Profile, scale, share):
    users = profile.users_at(share * profile.duration_s(scale), scale)
    assert users is not None
    assert 1 <= users <= profile.peak


@calmly
@given(any_profile, scales, st.floats(0.0001, 1000))
def test_a_profile_ends_after_its_duration_and_does_not_begin_before_zero(
    profile: Profile, scale, late_s
):
    assert profile.users_at(profile.duration_s(scale) + late_s, scale) is None
    assert profile.users_at(-late_s, scale) is None


@calmly
@given(any_profile, st.sampled_from([0.125, 0.25, 0.5, 2, 4]), shares)
def test_a_scale_stretches_time_and_leaves_the_shoppers_alone(profile: Profile, scale, share):
    at_s = share * profile.duration_s(1)
    assert profile.users_at(at_s * scale, scale) == profile.users_at(at_s, 1)


@calmly
@given(any_profile, scales)
def test_the_peak_is_reached(profile: Profile, scale):
    whole = profile.duration_s(scale)
    assert max(profile.users_at(whole * n / 1000, scale) or 0 for n in range(1000)) == profile.peak


@calmly
@given(any_profile, scales, shares, st.floats(0.1, 10_000))
def test_an_open_loop_has_the_profile_s_shape_with_its_peak_at_the_rate(
    profile: Profile, scale, share, rate
):
    plan: LoadPlan = plan_of(profile.name, scale=scale, rate=rate)
    assert 0 < plan.arrivals_at(share * plan.duration_s) <= rate * 1.000001
    assert plan.arrivals_at(plan.duration_s + 1) == 0


def test_the_profiles_are_those_of_the_documentation():
    peaks = {name: profile.peak for name, profile in PROFILES.items()}
    assert peaks == {"smoke": 1, "load": 20, "stress": 100, "spike": 100, "mixed": 20}
    assert PROFILES["smoke"].duration_s(1) == 30
    spike = PROFILES["spike"]
    assert [spike.users_at(at_s, 1) for at_s in (0, 59, 60, 119, 120, 239)] == [
        5,
        5,
        100,
        100,
        5,
        5,
    ]


def test_mixed_refunds_one_payment_in_four():
    habits = PROFILES["mixed"].habits
    assert (habits.order, habits.refund, habits.browse, habits.look_back) == (8, 2, 0, 0)


@pytest.mark.parametrize("scale", [0.1, 1])
def test_a_step_is_measured_without_its_first_third(scale: float):
    stress = PROFILES["stress"]
    for users, from_s, to_s in stress.levels(scale):
        inside = from_s + (to_s - from_s) * 0.99
        assert stress.users_at(from_s, scale) == stress.users_at(inside, scale) == users
        assert to_s - from_s == pytest.approx(20 * scale)
