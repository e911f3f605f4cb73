"""Equal reads at one time are one read, and no caller can spoil it for the others."""

import asyncio

import pytest

from observatory.sources.stack.coalesce import Coalesce


class Backend:
    """Counts how often it is read."""

    def __init__(self):
        self.reads = 0

    async def read(self):
        self.reads += 1
        number = self.reads
        await asyncio.sleep(0.02)
        return number


async def test_two_hundred_callers_at_once_make_one_read():
    coalesce, backend = Coalesce(), Backend()
    results = await asyncio.gather(*(coalesce.get("q", backend.read) for _ in range(200)))
    assert set(results) == {1}
    assert backend.reads == 1


async def test_a_result_is_reused_for_a_moment_only():
    now = [0.0]
    coalesce, backend = Coalesce(keep_s=2.0, clock=lambda: now[0]), Backend()
    for moment, result in ((0.0, 1), (1.9, 1), (2.1, 2), (4.0, 2), (4.2, 3)):
        now[0] = moment
        assert await coalesce.get("q", backend.read) == result


async def test_a_cancelled_caller_does_not_cancel_the_others():
    coalesce, backend = Coalesce(), Backend()
    first = asyncio.create_task(coalesce.get("q", backend.read))
    await asyncio.sleep(0)
    second = asyncio.create_task(coalesce.get("q", backend.read))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


async def test_a_failure_is_raised_for_every_caller_and_tried_again_later():
    now = [0.0]
    coalesce = Coalesce(keep_s=2.0, clock=lambda: now[0])

    async def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await coalesce.get("q", fail)
    now[0] = 3.0
    assert await coalesce.get("q", Backend().read) == 1


async def test_only_a_bounded_number_of_keys_is_kept():
    coalesce, backend = Coalesce(most=4), Backend()
    for number in range(50):
        await coalesce.get(number, backend.read)
    assert await coalesce.get(49, backend.read) == 50
    assert await coalesce.get(0, backend.read) == 51


async def test_closing_cancels_what_is_being_read():
    coalesce = Coalesce()
    waiting = asyncio.create_task(coalesce.get("q", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    await coalesce.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
