"""One question at a time for all who ask it, and none of them can spoil it for the others."""

import asyncio

import pytest

from observatory.sources.stack.coalesce import Coalesce


class Oracle:
    """Counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    async def answer(self):
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0.02)
        return number


async def test_two_hundred_who_ask_at_once_are_one_question():
    once, oracle = Coalesce(), Oracle()
    answers = await asyncio.gather(*(once.ask("q", oracle.answer) for _ in range(200)))
    assert set(answers) == {1}
    assert oracle.asked == 1


async def test_an_answer_serves_for_a_moment_only():
    now = [0.0]
    once, oracle = Coalesce(keep_s=2.0, clock=lambda: now[0]), Oracle()
    for moment, answer in ((0.0, 1), (1.9, 1), (2.1, 2), (4.0, 2), (4.2, 3)):
        now[0] = moment
        assert await once.ask("q", oracle.answer) == answer


async def test_who_leaves_takes_no_answer_away():
    once, oracle = Coalesce(), Oracle()
    first = asyncio.create_task(once.ask("q", oracle.answer))
    await asyncio.sleep(0)
    second = asyncio.create_task(once.ask("q", oracle.answer))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


async def test_a_failure_is_everybody_s_and_is_tried_again_later():
    now = [0.0]
    once = Coalesce(keep_s=2.0, clock=lambda: now[0])

    async def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await once.ask("q", fail)
    now[0] = 3.0
    assert await once.ask("q", Oracle().answer) == 1


async def test_only_so_many_questions_are_remembered():
    once, oracle = Coalesce(most=4), Oracle()
    for number in range(50):
        await once.ask(number, oracle.answer)
    assert await once.ask(49, oracle.answer) == 50
    assert await once.ask(0, oracle.answer) == 51


async def test_closing_ends_what_is_asked():
    once = Coalesce()
    waiting = asyncio.create_task(once.ask("q", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    await once.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
