"""The chronicle on a clock of its own: bites, open orders, and memory that stays bounded."""

import pytest

from observatory.metrics.counter_window import Traffic
from observatory.timeline.queries import OrdersMeanwhile
from observatory.timeline.recorder import KEPT, IncidentRecorder
from tests.frontend.samples import FixedSource
from tests.observatory.timeline.arranged import at, event

FAST, SLOW = Traffic(30, 0, 1.0, 0.02), Traffic(30, 0, 1.0, 2.5)


class Shop(FixedSource):
    """A source, a ledger and a clock in one, moved by the test."""

    def __init__(self):
        super().__init__(FAST)
        self.now_s, self.diary, self.counted = 0.0, [], {}
        self.after = OrdersMeanwhile(10, 2, 0, at(66))
        self.asked = 0

    def clock(self):
        return at(self.now_s)

    def bites(self, service):
        return dict(self.counted) if service == "inventory" else {}

    async def audit(self):
        return tuple(self.diary)

    async def aftermath(self, since, until):
        self.asked += 1
        return self.after

    def failures(self, service, since, until):
        return 4.0


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def chronicle(shop):
    return IncidentRecorder(shop, shop, clock=shop.clock)


async def look(chronicle, shop, now_s, traffic=FAST):
    shop.now_s, shop.said = now_s, traffic
    return await chronicle.look()


async def test_a_whole_story(chronicle, shop):
    assert await look(chronicle, shop, -5) == ()
    shop.diary = [event(0)]
    await look(chronicle, shop, 1)
    shop.counted = {"latency": 3}
    (each,) = await look(chronicle, shop, 14, SLOW)
    assert (each.phase, each.bites, each.first_red_at) == ("loose", 3, at(14))
    shop.diary.append(event(60, "calmed"))
    shop.counted = {"latency": 40}
    (each,) = await look(chronicle, shop, 61, SLOW)
    assert (each.phase, each.bites, each.failures) == ("red", 40, 4)
    (each,) = await look(chronicle, shop, 90)
    assert (each.phase, each.last_red_at, each.orders) == ("over", at(90), shop.after)
    asked = shop.asked
    await look(chronicle, shop, 91)
    assert shop.asked == asked


async def test_open_orders_are_asked_for_until_they_are_settled(chronicle, shop):
    await look(chronicle, shop, -5)
    shop.diary = [event(0), event(60, "calmed")]
    shop.after = OrdersMeanwhile(10, 2, 2, None)
    (each,) = await look(chronicle, shop, 61)
    assert each.phase == "settling"
    shop.after = OrdersMeanwhile(10, 2, 0, at(66))
    (each,) = await look(chronicle, shop, 67)
    assert each.phase == "over"


async def test_bites_before_anybody_looked_are_not_counted(chronicle, shop):
    shop.diary, shop.counted = [event(-100)], {"latency": 500}
    (each,) = await look(chronicle, shop, 0)
    assert each.bites is None
    shop.counted = {"latency": 507}
    (each,) = await look(chronicle, shop, 1)
    assert (each.bites, each.unseen_until) == (7, at(0))


async def test_a_gremlin_that_was_gone_before_anybody_looked_has_no_count(chronicle, shop):
    shop.diary, shop.counted = [event(-100), event(-40, "calmed")], {"latency": 500}
    for now_s in (0, 1):
        (each,) = await look(chronicle, shop, now_s)
        assert each.bites is None


async def test_bites_go_on_over_a_restart_and_belong_to_the_newest_of_its_name(chronicle, shop):
    await look(chronicle, shop, -5)
    shop.diary, shop.counted = [event(0)], {"latency": 5}
    await look(chronicle, shop, 2)
    shop.counted = {"latency": 2}
    (each,) = await look(chronicle, shop, 4)
    assert each.bites == 7
    shop.diary += [event(10, "calmed"), event(20)]
    shop.counted = {"latency": 9}
    first, second = await look(chronicle, shop, 22)
    assert (first.bites, second.bites) == (7, 7)


async def test_the_lights_are_noted_while_the_database_is_away(chronicle, shop):
    await look(chronicle, shop, -5)

    async def away():
        raise ConnectionRefusedError

    shop.audit, answers = away, shop.audit
    with pytest.raises(ConnectionRefusedError):
        await look(chronicle, shop, 12, SLOW)
    shop.audit, shop.diary = answers, [event(0)]
    (each,) = await look(chronicle, shop, 30, SLOW)
    assert each.first_red_at == at(12)


async def test_memory_is_bounded(chronicle, shop):
    await look(chronicle, shop, -5)
    for turn in range(3 * KEPT):
        shop.diary = [*shop.diary, event(10 * turn), event(10 * turn + 5, "calmed")][-100:]
        found = await look(chronicle, shop, 10 * turn + 6)
    assert len(found) == KEPT
    # Orders and failures of every incident kept, bites of every gremlin in the diary.
    assert chronicle.held <= 2 * KEPT + 51
