"""The dots and the lights: the limit between green and red, and what is degraded."""

import pytest

from frontend.overview import presenter
from frontend.overview.map_presenter import Readings, nodes
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.sources.health import Health
from tests.frontend.samples import DOWN, FIGURES, GREMLIN, NOW
from topology import LIT


def light(average_s, **more):
    traffic = Traffic(**{"requests": 20, "errors": 0, "per_second": 2, **more}, average_s=average_s)
    return presenter.lights(lambda _: traffic, (), NOW).lights[0]


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
    view = light(average_s)
    assert (view.state, f"{view.figure} {view.unit}") == (state, figure)


@pytest.mark.parametrize(
    ("counted", "looks"),
    [
        ({"errors": 1}, ("good", "good", "Fast")),
        ({"errors": 2}, ("failed", "failing", "Failing")),
        ({"errors": 20}, ("failed", "failing", "Failing")),
        ({"pending": 1}, ("good", "good", "Fast")),
        ({"pending": 2}, ("degraded", "degraded", "Degraded")),
        ({"pending": 9, "errors": 9}, ("failed", "failing", "Failing")),
    ],
)
def test_more_than_one_in_twenty_failed_is_red_and_undecided_is_amber(counted, looks):
    view = light(0.006, **counted)
    assert (view.state, view.mark, view.word) == looks


def test_a_service_that_is_slow_and_fails_is_called_too_slow():
    view = light(2.0, errors=20)
    assert (view.state, view.mark, view.word) == ("failed", "failed", "Too slow")


@pytest.mark.parametrize(
    ("average_s", "errors", "kind"), [(2.0, 0, "slowest"), (0.1, 9, "failed"), (0.1, 0, "slowest")]
)
def test_a_light_leads_to_the_traces_of_its_window_that_show_why(average_s, errors, kind):
    view = light(average_s, errors=errors)
    assert (view.kind, view.since) == (kind, int(NOW.timestamp()) - 30)


def test_no_traffic_is_grey_not_green():
    view = light(None, requests=0)
    assert (view.state, view.word, view.figure) == ("none", "No traffic", None)


def test_a_light_without_a_source_is_grey_and_says_since_when():
    view = presenter.lights(lambda _: DOWN, (), NOW).lights[0]
    assert (view.state, view.word, view.down) == ("none", "No signal", DOWN)


def test_one_source_may_be_down_while_the_others_shine():
    well = Traffic(20, 0, 2.0, 0.1)
    view = presenter.lights(lambda key: DOWN if key == "payment" else well, DOWN, NOW)
    expected = ["none" if each.key == "payment" else "good" for each in LIT]
    assert [each.state for each in view.lights] == expected


def test_a_light_shows_that_its_service_is_bitten():
    view = presenter.lights(lambda _: Traffic(20, 0, 2.0, 0.1), (GREMLIN,), NOW)
    expected = [("Slow request",) if each.key == "inventory" else () for each in LIT]
    assert [each.bitten_by for each in view.lights] == expected


def test_few_requests_are_counted_and_many_are_a_rate():
    assert light(0.1, requests=1).rate == "1 request"
    assert light(0.1, requests=4).rate == "4 requests"
    assert light(0.1, requests=120, per_second=4.04).rate == "4.0/s"


def test_health_is_degraded_when_a_dependency_is_not_well():
    answers = (
        Health("order", (("database", True, "connected"), ("payment-service", False, "timeout"))),
        Health("inventory", (("database", True, "connected"),)),
        Health("payment", problem="not running"),
    )
    view = presenter.health(answers)
    assert not isinstance(view, Down)
    assert [each.dot.state for each in view.services] == ["degraded", "good", "failed"]
    assert view.services[2].dot.word == "not running"
    assert view.well == 1
    assert [(each.name, each.word) for each in view.troubles] == [
        ("Orders", "degraded"),
        ("Payments", "not running"),
    ]


def test_the_header_says_of_a_process_what_the_map_says_of_it():
    answers = (
        Health("order", (("inventory-service", False, "timeout"),)),
        Health("payment", (("wallet-service", False, "timeout"),)),
    )
    slow = {"order": Traffic(20, 0, 2.0, 1.5)}
    read = Readings(
        traffic=lambda key: slow.get(key, Traffic(20, 0, 2.0, 0.1)),
        p99_s=lambda _: None,
        breakers=lambda _: {},
        health=answers,
    )
    map_says = {each.key: (each.state, each.word) for each in nodes(read, NOW)}
    view = presenter.health(answers, nodes(read, NOW))
    assert not isinstance(view, Down)
    header_says = {each.key: (each.dot.state, each.dot.word) for each in view.services}
    assert header_says == {"order": ("failed", "Too slow"), "payment": ("degraded", "degraded")}
    assert header_says.items() <= map_says.items()


def test_one_trouble_names_two_processes_and_counts_more():
    def name(*keys):
        view = presenter.health(tuple(Health(key, problem="not running") for key in keys))
        return [each.name for each in view.troubles]

    assert name("order", "inventory") == ["Orders, Inventory"]
    assert name("order", "inventory", "payment") == ["3 processes"]


def test_every_order_is_in_exactly_one_figure():
    counted = FIGURES.confirmed + FIGURES.pending + FIGURES.refused + FIGURES.failed
    assert counted == FIGURES.placed
