"""An event that was lost is published again, less and less often while its consumer is away."""

from uuid import UUID

from services.events.relay.watermarks import Redeliveries

LOST, OTHER = UUID(int=1), UUID(int=2)


def test_the_pause_doubles():
    redeliveries = Redeliveries(30)
    at_s = [now_s for now_s in range(0, 1000, 2) if redeliveries.due([LOST], now_s)]
    assert at_s == [0, 30, 90, 210, 450, 930]


def test_what_has_arrived_is_forgotten_and_another_is_due_at_once():
    redeliveries = Redeliveries(30)
    assert redeliveries.due([LOST], 0) == {LOST}
    assert redeliveries.due([LOST, OTHER], 2) == {OTHER}
    assert redeliveries.due([], 4) == set()
    assert redeliveries.due([LOST], 6) == {LOST}
