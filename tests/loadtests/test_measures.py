"""Measures are exact where they claim it, the same from one process or many, and never grow."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import measures as module
from loadtests.histogram import COARSE, FINE, HIGHEST_MS, LOWEST_MS, Histogram, buckets_of
from loadtests.measures import MOST_ANSWERS, MOST_NAMES, SLOWEST, Measures
from loadtests.outcomes import OUTCOMES, PLACE
from loadtests.timeline import MOST_SLOTS, Timeline
from tests.loadtests.arranged import calmly

durations = st.floats(LOWEST_MS, HIGHEST_MS)
NOW = 1_800_000_000.0


@calmly
@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_right_to_one_bucket(taken: list[float], share: float):
    histogram = Histogram()
    for ms in taken:
        histogram.add(ms)
    exact = sorted(taken)[max(1, math.ceil(share * len(taken))) - 1]
    assert histogram.quantile(share) == pytest.approx(exact, rel=FINE - 1)
    assert histogram.max_ms == max(taken)
    assert histogram.mean_ms == pytest.approx(sum(taken) / len(taken))


def test_nothing_measured_has_no_quantile():
    assert Histogram().quantile(0.95) is None
    assert Histogram().mean_ms is None


@calmly
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_duration_beyond_every_bucket_takes_no_new_one(ms: float):
    histogram = Histogram(COARSE)
    histogram.add(ms)
    assert 0 <= next(iter(histogram.buckets)) < buckets_of(COARSE)


def _fill(measures: Measures, requests: int, seconds: float, chance: random.Random, clock):
    for _ in range(requests):
        clock.now = NOW + chance.uniform(0, seconds)
        name = chance.choice([PLACE, "GET /products", f"GET /{chance.random()}"])
        said = chance.choice(["201", str(chance.random())])
        outcome = chance.choice(OUTCOMES)
        measures.add_request(name, outcome, chance.uniform(0.01, 9000), said, trace_id="t", key="k")
        measures.failed(str(chance.random()))


class _Clock:
    now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_week_takes_no_more_room_than_its_bound(clock: _Clock):
    """Whatever names, answers and errors somebody else invents, and however long it goes on."""
    measures, chance = Measures(), random.Random(1)
    _fill(measures, 20_000, 3600, chance, clock)
    hour = len(msgspec.json.encode(measures))
    _fill(measures, 20_000, 7 * 24 * 3600, chance, clock)
    week = len(msgspec.json.encode(measures))
    assert len(measures.timeline.slots) <= MOST_SLOTS
    assert len(measures.names) <= MOST_NAMES + 1
    assert len(measures.answers) <= MOST_ANSWERS + 1
    assert len(measures.errors) <= MOST_ANSWERS + 1
    assert len(measures.slowest) == SLOWEST
    fine = [h for found in measures.names.values() for h in found.values()]
    coarse = [h for slot in measures.timeline.slots.values() for h in slot.work.values()]
    assert all(len(histogram.buckets) <= buckets_of(FINE) for histogram in fine)
    assert all(len(histogram.buckets) <= buckets_of(COARSE) for histogram in coarse)
    assert week < 1.5 * hour
    assert measures.of().count == 40_000


def test_the_slowest_are_the_slowest(clock: _Clock):
    measures, taken = Measures(), list(range(1, 200))
    random.Random(2).shuffle(taken)
    for ms in taken:
        measures.add_request(PLACE, "good", float(ms), "201", trace_id=str(ms), key="")
    assert sorted(slow.ms for slow in measures.slowest) == list(range(190, 200))


@calmly
@given(st.data())
def test_workers_together_saw_what_one_would_have_seen(data: st.DataObject):
    seed = data.draw(st.integers(0, 1000))
    chance = random.Random(seed)
    alone, workers = Measures(), [Measures() for _ in range(data.draw(st.integers(1, 4)))]
    for number in range(200):
        at_s, ms = chance.uniform(0, 500), chance.uniform(0.1, 5000)
        outcome, name = chance.choice(OUTCOMES), chance.choice([PLACE, "GET /products"])
        for each in (alone, workers[number % len(workers)]):
            each.names.setdefault(name, {}).setdefault(outcome, Histogram()).add(ms)
            each.timeline.at(NOW + at_s).took(outcome, ms)
            each.settled.add(ms)
            each.ended("confirmed")
            each.compensations += 1
            each.usage.late.add(ms)
    together = Measures()
    for each in workers:
        # As it comes over the wire.
        together.merge(msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=Measures))
    for left, right in zip(_figures(together), _figures(alone), strict=True):
        assert left == pytest.approx(right)


def _figures(measures: Measures) -> list[float]:
    slots = [slot.whole for _, slot in sorted(measures.timeline.slots.items())]
    return [
        *measures.tally().values(), measures.orders["confirmed"], measures.compensations,
        measures.of().quantile(0.95) or 0, measures.settled.quantile(0.5) or 0,
        measures.usage.late.count, measures.timeline.width_s, len(slots),
        *(slot.count for slot in slots), *(slot.max_ms for slot in slots),
    ]  # fmt: skip


@calmly
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100))
def test_time_is_never_cut_into_more_slots_and_nothing_is_lost(moments: list[float]):
    timeline = Timeline()
    for at_s in moments:
        timeline.at(NOW + at_s).took("good", 1.0)
    assert len(timeline.slots) <= MOST_SLOTS
    assert max(timeline.slots) - min(timeline.slots) < MOST_SLOTS
    assert sum(slot.count("good") for slot in timeline.slots.values()) == len(moments)
    for at_s in moments:
        assert timeline.at(NOW + at_s).count("good")
