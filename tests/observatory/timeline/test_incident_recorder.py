"""The recorder of incidents on a clock of its own: bites, open orders, bounded memory."""

import pytest

from observatory.sla import Traffic
from observatory.timeline.incident import OrdersMeanwhile
from observatory.timeline.kept_readings import KeptReadings
from observatory.timeline.recorder import KEPT, IncidentRecorder
from tests.frontend.samples import FixedSource
from tests.observatory.timeline.arranged import at, event

FAST, SLOW = Traffic(30, 0, 1.0, 0.02), Traffic(30, 0, 1.0, 2.5)


class RecordedShop(FixedSource):
    """A source, a database and a clock in one, moved by the test."""

    def __init__(self):
        super().__init__(FAST)
        self.now_s, self.audit_log, self.counted = 0.0, [], {}
        self.after = OrdersMeanwhile(10, 2, 0, at(66))
        self.reads = 0

    def clock(self):
        return at(self.now_s)

    def bites(self, service):
        return dict(self.counted) if service == "inventory" else {}

    async def audit(self):
        return tuple(self.audit_log)

    async def orders_meanwhile(self, since, until):
        self.reads += 1
        return self.after

    def failures(self, service, since, until):
        return 4.0


@pytest.fixture
def shop():
    return RecordedShop()


@pytest.fixture
def recorder(shop):
    return IncidentRecorder(shop, shop, clock=shop.clock)


async def update(recorder, shop, now_s, traffic=FAST):
    shop.now_s, shop.traffic_now = now_s, traffic
    return await recorder.update()


async def test_an_incident_from_its_gremlin_to_its_last_order(recorder, shop):
    assert await update(recorder, shop, -5) == ()
    shop.audit_log = [event(0)]
    await update(recorder, shop, 1)
    shop.counted = {"latency": 3}
    (each,) = await update(recorder, shop, 14, SLOW)
    assert (each.phase, each.bites, each.first_red_at) == ("loose", 3, at(14))
    shop.audit_log.append(event(60, "calmed"))
    shop.counted = {"latency": 40}
    (each,) = await update(recorder, shop, 61, SLOW)
    assert (each.phase, each.bites, each.failures) == ("red", 40, 4)
    (each,) = await update(recorder, shop, 90)
    assert (each.phase, each.last_red_at, each.orders) == ("over", at(90), shop.after)
    reads = shop.reads
    await update(recorder, shop, 91)
    assert shop.reads == reads


async def test_open_orders_are_read_until_they_are_settled(recorder, shop):
    await update(recorder, shop, -5)
    shop.audit_log = [event(0), event(60, "calmed")]
    shop.after = OrdersMeanwhile(10, 2, 2, None)
    (each,) = await update(recorder, shop, 61)
    assert each.phase == "settling"
    shop.after = OrdersMeanwhile(10, 2, 0, at(66))
    (each,) = await update(recorder, shop, 67)
    assert each.phase == "over"


async def test_bites_before_recording_began_are_not_counted(recorder, shop):
    shop.audit_log, shop.counted = [event(-100)], {"latency": 500}
    (each,) = await update(recorder, shop, 0)
    assert each.bites is None
    shop.counted = {"latency": 507}
    (each,) = await update(recorder, shop, 1)
    assert (each.bites, each.unseen_until) == (7, at(0))


async def test_a_gremlin_that_ended_before_recording_began_has_no_count(recorder, shop):
    shop.audit_log, shop.counted = [event(-100), event(-40, "calmed")], {"latency": 500}
    for now_s in (0, 1):
        (each,) = await update(recorder, shop, now_s)
        assert each.bites is None


async def test_bites_go_on_over_a_restart_and_belong_to_the_newest_of_its_name(recorder, shop):
    await update(recorder, shop, -5)
    shop.audit_log, shop.counted = [event(0)], {"latency": 5}
    await update(recorder, shop, 2)
    shop.counted = {"latency": 2}
    (each,) = await update(recorder, shop, 4)
    assert each.bites == 7
    shop.audit_log += [event(10, "calmed"), event(20)]
    shop.counted = {"latency": 9}
    first, second = await update(recorder, shop, 22)
    assert (first.bites, second.bites) == (7, 7)


async def test_the_lights_are_recorded_while_the_database_is_away(recorder, shop):
    await update(recorder, shop, -5)

    async def away():
        raise ConnectionRefusedError

    shop.audit, audit = away, shop.audit
    with pytest.raises(ConnectionRefusedError):
        await update(recorder, shop, 12, SLOW)
    shop.audit, shop.audit_log = audit, [event(0)]
    (each,) = await update(recorder, shop, 30, SLOW)
    assert each.first_red_at == at(12)


async def test_memory_is_bounded(recorder, shop):
    await update(recorder, shop, -5)
    for turn in range(3 * KEPT):
        shop.audit_log = [*shop.audit_log, event(10 * turn), event(10 * turn + 5, "calmed")][-100:]
        found = await update(recorder, shop, 10 * turn + 6)
    assert len(found) == KEPT
    # Orders and failures of every incident kept, bites of every gremlin in the audit log.
    assert recorder.size <= 2 * KEPT + 51


async def test_what_was_measured_is_known_after_a_restart_and_what_was_not_is_not(shop, tmp_path):
    async def restarted(now_s, traffic):
        recorder = IncidentRecorder(shop, shop, clock=shop.clock, kept=KeptReadings(tmp_path))
        return recorder, await update(recorder, shop, now_s, traffic)

    recorder, _ = await restarted(-5, FAST)
    shop.audit_log = [event(0)]
    await update(recorder, shop, 1)
    shop.counted = {"latency": 3}
    await update(recorder, shop, 14, SLOW)
    shop.audit_log.append(event(20, "calmed"))
    _, (each,) = await restarted(40, SLOW)
    assert (each.bites, each.failures, each.unseen_until) == (3, 4, None)
    # Red until it was last seen so, and again from when somebody looked: between is not known.
    assert [red.spans for red in each.reds if red.service == "inventory"] == [
        ((at(14), at(14)), (at(40), None))
    ]
