"""The player walks through an act, waits no longer than allowed, and always ends calm."""

import asyncio

import pytest
from msgspec.structs import replace

from scenarios.failures import ActionFailed, CannotPlay
from scenarios.lock import LockHolder, LockTaken
from scenarios.player import Player
from tests.scenarios.arranged import NOW, SCENARIO, WELL, Clock, FakeShop, FreeLock

RED = replace(WELL, lights={**WELL.lights, "order": "red"})


class ManualCue:
    """Starts the next step at once, until the test wants otherwise."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.waits.set()

    async def next(self, performance: object) -> None:
        await self.waits.wait()


class Rehearsal:
    """A player with everything around it."""

    def __init__(self, *, strict: bool = True) -> None:
        self.clock, self.cue, self.lock = Clock(), ManualCue(), FreeLock()
        self.shop = FakeShop(self.clock)
        self.phases: list[str] = []
        self.player = Player(
            SCENARIO, "a test", executor=self.shop, observer=self.shop, lock=self.lock,
            cue=self.cue, on_change=lambda performance: self.phases.append(performance.phase),
            strict=strict, clock=self.clock, sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        await asyncio.sleep(0)

    async def play(self):
        await self.player.open()
        return await asyncio.wait_for(self.player.play(), 10)


async def test_an_act_in_which_every_condition_held_has_passed():
    rehearsal = Rehearsal()
    rehearsal.shop.shows = RED
    performance = await rehearsal.play()
    assert performance.outcome == "passed"
    assert [mark.state for mark in performance.results] == ["done"] * 3
    assert [what for what in rehearsal.shop.done if what != "judge"] == [
        "prepare", "prepare", "begin", "do", "calm", "stop", "calm",
    ]  # fmt: skip
    assert rehearsal.lock.held == 0
    assert rehearsal.shop.closed
    assert performance.summary is not None
    assert "waiting" in rehearsal.phases
    assert "the light of orders is red" in performance.results[1].notes[0].text


async def test_a_wait_ends_at_its_limit_and_the_shop_is_calm():
    rehearsal = Rehearsal()
    performance = await rehearsal.play()
    assert performance.outcome == "missed"
    assert performance.reason == "not within 10 s: the light of orders is red (now: green)"
    assert 10 <= performance.results[1].lasted_s(rehearsal.clock()) <= 12
    assert rehearsal.shop.done[-2:] == ["stop", "calm"]
    assert [mark.state for mark in performance.results] == ["done", "missed"]


async def test_an_act_with_an_audience_goes_on_after_a_missed_expectation():
    rehearsal = Rehearsal(strict=False)
    performance = await rehearsal.play()
    assert [mark.state for mark in performance.results] == ["done", "missed", "done"]
    assert performance.outcome == "missed"


async def test_a_wait_can_be_skipped():
    rehearsal = Rehearsal()
    await rehearsal.player.open()
    running = asyncio.create_task(rehearsal.player.play())
    while not (
        rehearsal.player.performance.activity and rehearsal.player.performance.activity.limit_s
    ):
        await asyncio.sleep(0)
    rehearsal.player.skip()
    performance = await asyncio.wait_for(running, 10)
    assert performance.outcome == "skipped"
    assert performance.results[1].notes[0].text.startswith("not waited for: the light of orders")


@pytest.mark.parametrize("in_a_wait", [False, True])
async def test_a_stopped_act_leaves_a_calm_shop(in_a_wait):
    rehearsal = Rehearsal()
    if not in_a_wait:
        rehearsal.cue.waits.clear()
    await rehearsal.player.open()
    running = asyncio.create_task(rehearsal.player.play())
    while rehearsal.player.performance.activity is None and in_a_wait:
        await asyncio.sleep(0)
    rehearsal.player.stop("the terminal was closed")
    performance = await asyncio.wait_for(running, 10)
    assert (performance.outcome, performance.reason) == ("stopped", "the terminal was closed")
    assert rehearsal.shop.done[-1] == "calm"
    assert rehearsal.lock.held == 0


async def test_a_cancelled_act_leaves_a_calm_shop():
    rehearsal = Rehearsal()
    rehearsal.cue.waits.clear()
    await rehearsal.player.open()
    running = asyncio.create_task(rehearsal.player.play())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rehearsal.shop.done[-1] == "calm"
    assert rehearsal.lock.held == 0


async def test_a_refusal_of_the_shop_is_a_missed_expectation():
    rehearsal = Rehearsal()
    rehearsal.shop.refuses["do"] = ActionFailed("inventory-service did not accept the gremlin: 503")
    performance = await rehearsal.play()
    assert performance.outcome == "missed"
    assert performance.reason == "inventory-service did not accept the gremlin: 503"
    assert rehearsal.shop.done[-1] == "calm"


async def test_an_unexpected_error_ends_the_act_and_the_shop_is_calm():
    rehearsal = Rehearsal()
    rehearsal.shop.refuses["do"] = ZeroDivisionError("oh")
    performance = await rehearsal.play()
    assert (performance.outcome, performance.reason) == ("stopped", "it broke: ZeroDivisionError")
    assert rehearsal.shop.done[-1] == "calm"


async def test_an_act_that_cannot_observe_the_shop_still_keeps_its_limits():
    rehearsal = Rehearsal()
    rehearsal.shop.refuses["observe"] = OSError("blind")
    performance = await rehearsal.play()
    assert "the light of orders is red (now: unknown)" in performance.reason


async def test_a_calm_that_a_service_did_not_answer_is_in_the_summary():
    rehearsal = Rehearsal()
    rehearsal.shop.shows = RED
    rehearsal.shop.not_calm = ("inventory-service",)
    performance = await rehearsal.play()
    assert performance.outcome == "missed"
    assert "inventory-service did not answer the calm" in performance.reason
    assert performance.summary.not_calm == ("inventory-service",)


async def test_a_taken_lock_is_reported_and_nothing_is_done():
    rehearsal = Rehearsal()
    rehearsal.lock.taken = LockTaken(LockHolder("last-units", "the dashboard", NOW))
    with pytest.raises(CannotPlay, match="the act last-units is being played by the dashboard s"):
        await rehearsal.player.open()
    assert rehearsal.shop.done == []


async def test_an_act_that_cannot_be_played_releases_the_lock():
    rehearsal = Rehearsal()
    rehearsal.shop.refuses["prepare"] = CannotPlay("the shop sells no PROD-009")
    with pytest.raises(CannotPlay, match="PROD-009"):
        await rehearsal.player.open()
    assert rehearsal.lock.held == 0


async def test_an_act_that_lost_its_lock_while_the_database_was_away_ends():
    rehearsal = Rehearsal()
    rehearsal.cue.waits.clear()
    await rehearsal.player.open()
    rehearsal.lock.taken = LockTaken(None)
    performance = await asyncio.wait_for(rehearsal.player.play(), 10)
    assert performance.outcome == "stopped"
    assert "another act is being played" in performance.reason
    assert rehearsal.shop.done[-1] == "calm"


async def test_a_verdict_from_before_the_expectation_does_not_count():
    rehearsal = Rehearsal()
    rehearsal.shop.shows = RED
    observe = rehearsal.shop.observe

    async def with_an_old_verdict(responses):
        return replace(await observe(responses), judged_at=NOW)

    rehearsal.shop.observe = with_an_old_verdict
    performance = await rehearsal.play()
    assert performance.reason == "expected: no promise is broken (now: unknown)"


async def test_a_twin_that_does_not_start_is_a_missed_expectation():
    rehearsal = Rehearsal()
    rehearsal.shop.refuses["ready"] = ActionFailed("the twin did not start: no room")
    performance = await rehearsal.play()
    assert (performance.outcome, performance.reason) == (
        "missed", "the twin did not start: no room",
    )  # fmt: skip
    assert rehearsal.shop.done[-2:] == ["stop", "calm"]
    assert rehearsal.shop.closed
