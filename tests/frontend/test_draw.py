"""From facts to views: the light's limit, what is pending, what an order's life looks like."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.gremlins import presenter as draw_gremlins
from frontend.overview import presenter
from frontend.queries import RECENT
from observatory.metrics.counter_window import Traffic
from observatory.sources.down import Down
from observatory.sources.health import Health
from tests.frontend.arranged import DOWN, FIGURES, GREMLIN, NOW, ORDER, STORY


def light(average_s, **more):
    traffic = Traffic(**{"requests": 20, "errors": 0, "per_second": 2, **more}, average_s=average_s)
    return presenter.lights(lambda _: traffic, ()).lights[0]


@pytest.mark.parametrize(
    ("average_s", "state", "figure"),
    [
        (0.0004, "good", "0 ms"),
        (0.25, "good", "250 ms"),
        (0.99999, "good", "999 ms"),
        (1.0, "failed", "1.00 s"),
        (2.004, "failed", "2.00 s"),
        (12.34, "failed", "12.3 s"),
    ],
)
def test_the_light_is_green_under_one_second_and_red_from_it(average_s, state, figure):
    shown = light(average_s)
    assert (shown.state, f"{shown.figure} {shown.unit}") == (state, figure)


def test_no_traffic_is_grey_not_green():
    shown = light(None, requests=0)
    assert (shown.state, shown.word, shown.figure) == ("none", "No traffic", None)


def test_a_light_without_a_source_is_grey_and_says_since_when():
    shown = presenter.lights(lambda _: DOWN, ()).lights[0]
    assert (shown.state, shown.word, shown.down) == ("none", "No signal", DOWN)


def test_one_source_may_be_down_while_the_others_shine():
    well = Traffic(20, 0, 2.0, 0.1)
    said = presenter.lights(lambda key: DOWN if key == "payment" else well, DOWN)
    assert [each.state for each in said.lights] == ["good", "good", "none"]


def test_a_light_shows_that_its_service_is_bitten():
    said = presenter.lights(lambda _: Traffic(20, 0, 2.0, 0.1), (GREMLIN,))
    assert [each.bitten_by for each in said.lights] == [(), ("Slow start",), ()]


def test_few_requests_are_counted_and_many_are_a_rate():
    assert light(0.1, requests=1).rate == "1 request"
    assert light(0.1, requests=4).rate == "4 requests"
    assert light(0.1, requests=120, per_second=4.04).rate == "4.0/s"


def test_health_is_degraded_when_a_dependency_is_not_well():
    said = (
        Health("order", (("database", True, "connected"), ("payment-service", False, "timeout"))),
        Health("inventory", (("database", True, "connected"),)),
        Health("payment", problem="not running"),
    )
    shown = presenter.health(said)
    assert not isinstance(shown, Down)
    assert [each.dot.state for each in shown.services] == ["degraded", "good", "failed"]
    assert shown.services[2].dot.word == "not running"


def test_every_order_is_in_exactly_one_figure():
    shown = presenter.figures(FIGURES)
    assert shown.confirmed + shown.pending + shown.refused + shown.failed == shown.placed


def test_a_business_no_is_told_from_a_failure_of_ours():
    declined = presenter.order_row(replace(ORDER, status="FAILED", reason="PAYMENT_DECLINED"))
    broken = presenter.order_row(replace(ORDER, status="FAILED", reason="PAYMENT_TIMEOUT"))
    assert (declined.state, broken.state) == ("refused", "failed")


def test_an_open_order_has_no_latency_yet():
    row = presenter.order_row(replace(ORDER, status="PENDING_PAYMENT", settled_at=None))
    assert (row.state, row.latency_ms) == ("degraded", None)


def test_too_many_orders_show_the_newest_and_say_so():
    said = presenter.orders(tuple(ORDER for _ in range(RECENT + 1)))
    assert (len(said.rows), said.more) == (RECENT, True)


def test_repeated_tries_are_one_step_with_a_count():
    life = presenter.story(STORY).steps
    assert [(step.word, step.times) for step in life] == [
        ("Placed", 1),
        ("Stock unclear", 2),
        ("Confirmed", 1),
    ]
    assert (life[1].after_ms, life[1].last_ms) == (2000, 3000)


@pytest.mark.parametrize(
    ("status", "allowed"),
    [("PENDING", True), ("PENDING_PAYMENT", True), ("CANCELLING", False), ("CONFIRMED", False)],
)
def test_an_order_can_be_cancelled_until_it_is_decided(status, allowed):
    said = replace(STORY, order=replace(ORDER, status=status))
    assert presenter.story(said).cancellable is allowed


def test_a_gremlin_whose_time_is_up_is_not_shown():
    over = replace(GREMLIN, expires_at=NOW - timedelta(seconds=1))
    assert draw_gremlins.bar((over,), NOW).gremlins == ()
    assert draw_gremlins.board((over,), NOW).active == 0


def test_two_gremlins_of_one_kind_share_a_switch_that_shows_the_last_to_end():
    longer = replace(GREMLIN, name="b", expires_at=NOW + timedelta(seconds=200))
    board = draw_gremlins.board((longer, GREMLIN), NOW)
    (cell,) = [
        cell for row in board.rows if row.kind == "latency" for cell in row.cells if cell.gremlin
    ]
    assert (cell.key, cell.gremlin.remaining_s, board.active) == ("inventory", 200, 1)
