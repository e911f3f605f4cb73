"""A feed shows an answer only while it is fresh, and otherwise says since when there is none."""

import asyncio

import pytest

from observatory.sources.down import Down
from observatory.sources.poller import Poller


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Asked:
    """A source whose next answer the test decides."""

    def __init__(self):
        self.answer: object = 1

    async def __call__(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def nudges():
    return []


@pytest.fixture
def feed(asked, clock, nudges):
    return Poller("shop", asked, nudges.append, every_s=1, clock=clock, still="All else goes on.")


async def test_before_the_first_answer_it_is_down(feed):
    assert isinstance(feed.now(), Down)
    assert not feed.asked


async def test_an_answer_is_shown_for_six_seconds_and_no_longer(feed, clock):
    await feed.refresh()
    clock.now += 6
    assert feed.now() == 1
    clock.now += 0.1
    assert isinstance(feed.now(), Down)


async def test_a_failure_says_why_since_when_and_what_goes_on(feed, asked, clock):
    await feed.refresh()
    seen = feed.now()
    asked.answer = ConnectionRefusedError("10.1.2.3:5432")
    clock.now += 7
    await feed.refresh()
    down = feed.now()
    assert seen == 1
    assert isinstance(down, Down)
    assert down.still == "All else goes on."
    assert "10.1.2.3" not in down.reason


async def test_one_missed_answer_is_no_outage(feed, asked, clock):
    await feed.refresh()
    asked.answer = TimeoutError()
    clock.now += 2
    await feed.refresh()
    assert feed.now() == 1


async def test_browsers_are_nudged_when_it_changed_and_only_then(feed, asked, nudges):
    await feed.refresh()
    await feed.refresh()
    assert nudges == ["shop"]
    asked.answer = 2
    await feed.refresh()
    assert nudges == ["shop", "shop"]


async def test_a_source_that_hangs_is_given_up(clock, nudges):
    async def hang():
        await asyncio.sleep(3600)

    feed = Poller("shop", hang, nudges.append, every_s=1, deadline_s=0.01, clock=clock)
    await feed.refresh()
    assert feed.now().reason == "No answer in time"


async def test_it_stops_cleanly(feed):
    await feed.start()
    await asyncio.sleep(0.01)
    await feed.stop()
    assert feed.now() == 1
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("feed")] == []
