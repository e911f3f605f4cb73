"""The map: where processes stand, for as many as there are, and what is said of each."""

import re
from datetime import timedelta
from itertools import combinations

import pytest
from msgspec.structs import replace

from frontend.overview.map_layout import Spot, lay_out
from frontend.overview.map_presenter import Readings, rate, service_map
from observatory.metrics.call_graph import EVENTS, CallStats
from observatory.sla import Traffic
from observatory.sources.event_progress import ConsumerProgress, EventProgress
from observatory.sources.health import Health
from tests.frontend.samples import DOWN, GREMLIN, NOW
from topology import NAMES, SERVICES, Process

WELL = Traffic(60, 0, 2.0, 0.1)
QUIET = Readings(lambda _: WELL, lambda _: 0.0344, lambda _: {}, calls={})


def more_processes() -> tuple[Process, ...]:
    """As many as there will be soon, one of which everybody's requests go through."""
    first = SERVICES[0]
    gateway = first._replace(
        key="gateway",
        label="Gateway",
        calls=("order", "inventory", "payment", "wallet", "identity"),
    )
    identity = first._replace(key="identity", label="Identity", calls=())
    extra = [first._replace(key=f"more{n}", calls=("payment",)) for n in range(2)]
    lane = SERVICES[-2]._replace(key="fourth_consumer")
    return (gateway, identity, *SERVICES, *extra, lane)


@pytest.mark.parametrize("processes", [SERVICES, more_processes()], ids=["today", "fourteen"])
def test_nobody_stands_on_another_and_calls_go_to_the_right(processes):
    layout = lay_out(processes)
    assert set(layout.spots) == {each.key for each in processes}
    for (one, here), (other, there) in combinations(layout.spots.items(), 2):
        apart = abs(here.row - there.row) >= 2
        assert here.column != there.column or apart, (one, other)
    for line in layout.lines:
        if line.kind == "call":
            assert layout.spots[line.caller].column < layout.spots[line.callee].column
    for each in processes:
        spot = layout.spots[each.key]
        assert 0 <= spot.column < layout.columns
        assert 0 <= spot.row <= layout.rows - 2
    calls = {(line.caller, line.callee) for line in layout.lines if line.kind == "call"}
    assert calls == {(each.key, callee) for each in processes for callee in each.calls}


@pytest.mark.parametrize("processes", [SERVICES, more_processes()], ids=["today", "fourteen"])
def test_no_line_runs_behind_a_process_that_it_is_not_of(processes):
    layout = lay_out(processes)
    offences = []
    for line in layout.lines:
        if line.kind != "call":
            continue
        # Between its ends a line is level where it crosses a column.
        for x, y in re.findall(r"C\S+ \S+ \S+ \S+ (\S+) ([\d.]+)H", line.path):
            offences += [
                (line.caller, line.callee, key)
                for key, spot in layout.spots.items()
                if key not in (line.caller, line.callee) and crosses(spot, float(x), float(y))
            ]
    assert offences == []


def crosses(spot: Spot, x: float, y: float) -> bool:
    """Whether a level line that enters a column at x, y runs behind this process."""
    return spot.left - 0.5 < x < spot.left + 0.5 and spot.row < y < spot.row + 2


def test_processes_that_call_each_other_have_a_place_too():
    one, other = SERVICES[0], SERVICES[1]
    layout = lay_out((one._replace(calls=(other.key,)), other._replace(calls=(one.key,))))
    assert len(layout.spots) == 2


def test_a_line_has_the_width_of_its_calls_and_a_red_part():
    calls = {
        ("order-service", "payment-service"): CallStats(7.0, 0.25, 0.123),
        (EVENTS, "audit-consumer"): CallStats(12.3, 0.0, 0.002),
    }
    edges = {edge.key: edge for edge in service_map(replace(QUIET, calls=calls), NOW).edges}
    busy = edges["order-payment"]
    assert (busy.above, busy.below, busy.width) == ("7.0/s", "123\u202fms", "4.5")
    assert busy.red == "1.5"
    assert busy.title == "Orders to Payments: 7.0/s, p99 123\u202fms, 25\u202f% failed"
    assert edges["order-inventory"].above == ""
    assert edges["relay-audit_consumer"].above == "12/s"


def test_a_call_that_a_fault_bites_is_known_from_the_others():
    called = CallStats(1.0, 0.0, 0.01)
    calls = {("order-service", name): called for name in NAMES.values()}
    view = service_map(replace(QUIET, calls=calls, active=(GREMLIN,)), NOW)
    assert [edge.key for edge in view.edges if edge.is_bitten] == ["order-inventory"]
    bitten = {node.key: node.remaining_s for node in view.nodes if node.bitten_by}
    assert bitten == {"inventory": 90}
    later = NOW + timedelta(seconds=91)
    assert not any(
        node.bitten_by for node in service_map(replace(QUIET, active=(GREMLIN,)), later).nodes
    )


def test_a_node_says_how_it_is_and_what_it_has_to_do():
    failing = Traffic(60, 6, 2.0, 0.1)
    read = replace(QUIET, traffic=lambda key: failing if key == "payment" else WELL)
    nodes = {node.key: node for node in service_map(read, NOW).nodes}
    payment = nodes["payment"]
    assert (payment.state, payment.mark, payment.word) == ("failed", "failing", "Failing")
    assert payment.figures == ("2.0/s", "34\u202fms")
    assert payment.failing == "10\u202f% fail"
    # The shop promises nothing in the name of somebody outside.
    assert (nodes["acquirer"].state, nodes["acquirer"].word) == ("good", "Answers")


def test_a_process_that_is_not_there_is_red_whatever_its_last_numbers():
    gone = (Health("wallet", problem="not running"),)
    read = replace(QUIET, traffic=lambda key: DOWN if key == "wallet" else WELL, health=gone)
    nodes = {node.key: node for node in service_map(read, NOW).nodes}
    assert (nodes["wallet"].state, nodes["wallet"].word) == ("failed", "not running")
    assert nodes["order"].state == "good"


def test_an_open_breaker_is_named():
    read = replace(
        QUIET, breakers=lambda key: {"alfa": True, "bravo": False} if key == "payment" else {}
    )
    nodes = {node.key: node for node in service_map(read, NOW).nodes}
    assert (nodes["payment"].breaker, nodes["payment"].is_open) == ("breaker open: alfa", True)
    assert nodes["order"].breaker == ""


def test_a_process_in_the_background_is_shown_by_how_far_behind_it_is():
    reader = ConsumerProgress("audit-consumer", 1200, is_ordered=True, oldest_s=7)
    found = EventProgress(5, "here:1", NOW, 3, 1, 0, (reader,))
    health = (Health("metrics_consumer", problem="not running"),)
    view = service_map(replace(QUIET, progress=found, health=health), NOW)
    shown = {node.key: (node.state, node.word) for node in view.nodes if node.is_background}
    assert shown == {
        "relay": ("good", "3 behind"),
        "metrics_consumer": ("failed", "not running"),
        "audit_consumer": ("degraded", "1\u202f200 behind"),
        "webhook_sender": ("good", "3 behind"),
    }
    view = service_map(replace(QUIET, progress=DOWN), NOW)
    assert {node.word for node in view.nodes if node.is_background} == {"not known"}


def test_the_database_is_as_those_see_it_who_need_it():
    well = Health("order", (("database", True, "connected"),))
    lost = Health("payment", (("database", False, "timeout"),))
    assert service_map(replace(QUIET, health=(well,)), NOW).database.state == "good"
    view = service_map(replace(QUIET, health=(well, lost)), NOW)
    assert (view.database.state, view.database.word) == ("failed", "1 of 2 processes: timeout")


def test_where_spans_are_kept_elsewhere_the_map_says_that_no_call_is_counted():
    view = service_map(replace(QUIET, calls=None), NOW)
    assert "not counted" in view.note
    assert not any(edge.above for edge in view.edges)


@pytest.mark.parametrize(
    ("per_second", "text"), [(0.033, "0.03/s"), (3.14, "3.1/s"), (9.96, "10/s"), (1234, "1.2k/s")]
)
def test_a_rate_is_short(per_second, text):
    assert rate(per_second) == text
