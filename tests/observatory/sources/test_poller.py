"""A poller shows a result only while it is fresh, and otherwise since when there is none."""

import asyncio

import pytest

from observatory.sources.down import Down
from observatory.sources.poller import Poller
from tests.harness.patience import ARRIVES_S


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class FakeSource:
    """A source whose next result the test decides."""

    def __init__(self):
        self.result: object = 1

    async def __call__(self):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def nudges():
    return []


@pytest.fixture
def poller(source, clock, nudges):
    return Poller("shop", source, nudges.append, every_s=1, clock=clock, still="All else goes on.")


async def test_before_the_first_result_it_is_down(poller):
    assert isinstance(poller.now(), Down)
    assert not poller.has_polled


async def test_a_result_is_shown_for_six_seconds_and_no_longer(poller, clock):
    await poller.refresh()
    clock.now += 6
    assert poller.now() == 1
    clock.now += 0.1
    assert isinstance(poller.now(), Down)


async def test_a_failure_says_why_since_when_and_what_goes_on(poller, source, clock):
    await poller.refresh()
    seen = poller.now()
    source.result = ConnectionRefusedError("10.1.2.3:5432")
    clock.now += 7
    await poller.refresh()
    down = poller.now()
    assert seen == 1
    assert isinstance(down, Down)
    assert down.still == "All else goes on."
    assert "10.1.2.3" not in down.reason


async def test_the_last_result_is_kept_when_it_is_no_longer_fresh(poller, source, clock):
    assert poller.last is None
    await poller.refresh()
    source.result = TimeoutError()
    clock.now += 7
    await poller.refresh()
    assert isinstance(poller.now(), Down)
    assert poller.last == 1


async def test_one_missed_poll_is_not_an_outage(poller, source, clock):
    await poller.refresh()
    source.result = TimeoutError()
    clock.now += 2
    await poller.refresh()
    assert poller.now() == 1


async def test_browsers_are_nudged_when_it_changed_and_only_then(poller, source, nudges):
    await poller.refresh()
    await poller.refresh()
    assert nudges == ["shop"]
    source.result = 2
    await poller.refresh()
    assert nudges == ["shop", "shop"]


async def test_a_source_that_hangs_is_given_up(clock, nudges):
    async def hang():
        await asyncio.sleep(3600)

    poller = Poller("shop", hang, nudges.append, every_s=1, deadline_s=0.01, clock=clock)
    await poller.refresh()
    assert poller.now().reason == "No response in time"


async def test_it_stops_cleanly(poller):
    await poller.start()
    await asyncio.sleep(0.01)
    await poller.stop()
    assert poller.now() == 1
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("poll ")] == []


async def test_unwatched_what_stands_is_not_read_again_until_somebody_asks(source, nudges):
    reads, stood = 0, asyncio.Semaphore(0)

    async def read():
        nonlocal reads
        reads += 1
        return await source()

    async def stands(_: object) -> bool:
        stood.release()
        return True

    poller = Poller(
        "shop", read, nudges.append, every_s=0.1, is_watched=lambda: False, stands=stands
    )
    await poller.start()
    await asyncio.wait_for(stood.acquire(), ARRIVES_S)
    assert reads == 1
    poller.now()
    async with asyncio.timeout(ARRIVES_S):
        while reads == 1:
            await asyncio.sleep(0.01)
    await poller.stop()


async def test_a_page_that_nobody_had_open_waits_for_what_is_new(source, nudges):
    poller = Poller("shop", source, nudges.append, every_s=0.1, is_watched=lambda: False)
    await poller.start()
    async with asyncio.timeout(ARRIVES_S):
        while not poller.rests:
            await asyncio.sleep(0.01)
    source.result = 2
    await asyncio.wait_for(poller.fresh(), ARRIVES_S)
    assert poller.known() == 2
    await poller.stop()


async def test_unwatched_a_result_is_good_until_the_next_one_is_due(source, clock, nudges):
    poller = Poller(
        "shop", source, nudges.append, every_s=0.1, is_watched=lambda: False, clock=clock
    )
    await poller.start()
    async with asyncio.timeout(ARRIVES_S):
        while not poller.rests:
            await asyncio.sleep(0.01)
    clock.now += 14
    assert poller.known() == 1
    clock.now += 6
    assert isinstance(poller.known(), Down)
    await poller.stop()
