"""The player walks through an act, waits no longer than allowed, and always ends calm."""

import asyncio

import pytest
from msgspec.structs import replace

from scenarios.executor import ActionFailed, CannotPlay
from scenarios.lock import LockHolder, LockTaken
from scenarios.player import Player
from tests.scenarios.arranged import NOW, SCENARIO, WELL, Clock, FreeTurn, Shop

RED = replace(WELL, lights={**WELL.lights, "order": "red"})


class Cue:
    """Next at once, until the test wants otherwise."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.waits.set()

    async def next(self, played: object) -> None:
        await self.waits.wait()


class Stage:
    """A player with everything around it."""

    def __init__(self, *, strict: bool = True) -> None:
        self.clock, self.cue, self.turn = Clock(), Cue(), FreeTurn()
        self.shop = Shop(self.clock)
        self.seen: list[str] = []
        self.player = Player(
            SCENARIO, "a test", hands=self.shop, eyes=self.shop, turn=self.turn, cue=self.cue,
            changed=lambda played: self.seen.append(played.phase),
            strict=strict, clock=self.clock, sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        await asyncio.sleep(0)

    async def play(self):
        await self.player.open()
        return await asyncio.wait_for(self.player.play(), 10)


async def test_an_act_that_shows_everything_has_passed():
    stage = Stage()
    stage.shop.shows = RED
    played = await stage.play()
    assert played.outcome == "passed"
    assert [mark.course for mark in played.marks] == ["done"] * 3
    assert [what for what in stage.shop.done if what != "judge"] == [
        "prepare", "begin", "gremlin", "calm", "leave", "calm",
    ]  # fmt: skip
    assert stage.turn.held == 0
    assert played.card is not None
    assert "waiting" in stage.seen
    assert "the light of orders is red" in played.marks[1].notes[0].text


async def test_a_wait_ends_at_its_limit_and_the_shop_is_calm():
    stage = Stage()
    played = await stage.play()
    assert played.outcome == "missed"
    assert played.reason == "not within 10 s: the light of orders is red (now: green)"
    assert 10 <= played.marks[1].lasted_s(stage.clock()) <= 12
    assert stage.shop.done[-2:] == ["leave", "calm"]
    assert [mark.course for mark in played.marks] == ["done", "missed"]


async def test_an_audience_goes_on_after_something_was_missed():
    stage = Stage(strict=False)
    played = await stage.play()
    assert [mark.course for mark in played.marks] == ["done", "missed", "done"]
    assert played.outcome == "missed"


async def test_a_wait_can_be_cut_short():
    stage = Stage()
    await stage.player.open()
    running = asyncio.create_task(stage.player.play())
    while not (stage.player.played.doing and stage.player.played.doing.limit_s):
        await asyncio.sleep(0)
    stage.player.skip()
    played = await asyncio.wait_for(running, 10)
    assert played.outcome == "skipped"
    assert played.marks[1].notes[0].text.startswith("not waited for: the light of orders")


@pytest.mark.parametrize("in_a_wait", [False, True])
async def test_whoever_stops_it_leaves_a_calm_shop(in_a_wait):
    stage = Stage()
    if not in_a_wait:
        stage.cue.waits.clear()
    await stage.player.open()
    running = asyncio.create_task(stage.player.play())
    while stage.player.played.doing is None and in_a_wait:
        await asyncio.sleep(0)
    stage.player.stop("the terminal was closed")
    played = await asyncio.wait_for(running, 10)
    assert (played.outcome, played.reason) == ("stopped", "the terminal was closed")
    assert stage.shop.done[-1] == "calm"
    assert stage.turn.held == 0


async def test_whoever_cancels_it_leaves_a_calm_shop():
    stage = Stage()
    stage.cue.waits.clear()
    await stage.player.open()
    running = asyncio.create_task(stage.player.play())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stage.shop.done[-1] == "calm"
    assert stage.turn.held == 0


async def test_what_the_shop_refuses_is_what_was_missed():
    stage = Stage()
    stage.shop.refuses["gremlin"] = ActionFailed("inventory-service let no gremlin loose: 503")
    played = await stage.play()
    assert played.outcome == "missed"
    assert played.reason == "inventory-service let no gremlin loose: 503"
    assert stage.shop.done[-1] == "calm"


async def test_a_bug_ends_the_act_and_the_shop_is_calm():
    stage = Stage()
    stage.shop.refuses["gremlin"] = ZeroDivisionError("oh")
    played = await stage.play()
    assert (played.outcome, played.reason) == ("stopped", "it broke: ZeroDivisionError")
    assert stage.shop.done[-1] == "calm"


async def test_an_act_that_cannot_see_still_keeps_its_limits():
    stage = Stage()
    stage.shop.refuses["look"] = OSError("blind")
    played = await stage.play()
    assert "the light of orders is red (now: unknown)" in played.reason


async def test_a_calm_that_nobody_answered_is_on_the_card():
    stage = Stage()
    stage.shop.shows = RED
    stage.shop.not_calm = ("inventory-service",)
    played = await stage.play()
    assert played.outcome == "missed"
    assert "inventory-service did not answer the calm" in played.reason
    assert played.card.not_calm == ("inventory-service",)


async def test_a_taken_stage_is_said_and_nothing_is_done():
    stage = Stage()
    stage.turn.taken = LockTaken(LockHolder("last-units", "the dashboard", NOW))
    with pytest.raises(CannotPlay, match="the act last-units is being played by the dashboard s"):
        await stage.player.open()
    assert stage.shop.done == []


async def test_a_shop_that_cannot_do_it_gives_the_stage_back():
    stage = Stage()
    stage.shop.refuses["prepare"] = CannotPlay("the shop sells no PROD-009")
    with pytest.raises(CannotPlay, match="PROD-009"):
        await stage.player.open()
    assert stage.turn.held == 0


async def test_who_lost_the_stage_while_the_database_was_away_ends():
    stage = Stage()
    stage.cue.waits.clear()
    await stage.player.open()
    stage.turn.taken = LockTaken(None)
    played = await asyncio.wait_for(stage.player.play(), 10)
    assert played.outcome == "stopped"
    assert "another act is being played" in played.reason
    assert stage.shop.done[-1] == "calm"


async def test_a_verdict_from_before_the_question_is_no_answer():
    stage = Stage()
    stage.shop.shows = RED
    look = stage.shop.look

    async def with_an_old_verdict(told):
        return replace(await look(told), judged_at=NOW)

    stage.shop.look = with_an_old_verdict
    played = await stage.play()
    assert played.reason == "expected: no promise is broken (now: unknown)"
