"""The summary has what was measured, and a dash where nothing was."""

from datetime import timedelta

from msgspec.structs import replace

from observatory.timeline.fault_windows import FaultWindow
from observatory.timeline.incident import Incident, OrdersMeanwhile, RedPeriods
from scenarios.console_log import summary_lines
from scenarios.recording import Outage, Recording
from scenarios.summary import Measurements, summarize
from tests.scenarios.arranged import COUNTS, FIGURES, NOW, WELL

ACTOR = "act short"
RED = {**WELL.lights, "order": "red"}


def at(seconds: float):
    return NOW + timedelta(seconds=seconds)


def window(actor: str = ACTOR, on: float = 3, off: float | None = 15) -> FaultWindow:
    ends = None if off is None else at(off)
    return FaultWindow("inventory", "latency", "latency", "3 s", actor, at(on), None, ends)


def figures_of(incident: Incident, recording: Recording | None = None, **more: object):
    """The figures by their labels."""
    measurements = Measurements((incident,), COUNTS, 0, 0)
    made = summarize(ACTOR, NOW, recording or Recording(), replace(measurements, **more))
    return made, {each.label: each for each in made.figures}


def test_the_times_are_those_of_the_timeline():
    reds = (RedPeriods("order", ((at(9), at(21)),)),)
    orders = OrdersMeanwhile(40, 3, 0, at(19))
    recording = Recording()
    recording.add(replace(WELL, at=at(1)))
    recording.add(replace(WELL, at=at(10), lights=RED, firing=frozenset({"SlaLightRed"})))
    made, figures = figures_of(Incident((window(),), reds, True, orders=orders), recording)
    assert made.faults == ("Slow request 3 s on inventory",)
    assert {name: each.seconds for name, each in figures.items() if each.seconds is not None} == {
        "fault on": 3.0, "red after": 6.0, "alert after": 7.0, "calm after": 12.0,
        "green after": 6.0, "settled after": 4.0,
    }  # fmt: skip
    assert figures["orders"].count == 9
    assert (figures["lost"].count, figures["lost"].tone) == (0, "good")


def test_what_was_not_measured_is_a_dash():
    made, figures = figures_of(Incident((window(off=None),)), lost=None, charged_twice=None)
    assert figures["red after"].seconds is None
    assert "calm after" not in figures
    assert figures["lost"].tone == "none"
    assert any(line.split() == ["lost", "-", "orders", "that", "were", "promised"]
               for line in summary_lines(made))  # fmt: skip


def test_a_gremlin_of_somebody_else_is_left_out():
    made, figures = figures_of(Incident((window(actor="dashboard"),)))
    assert made.faults == ()
    assert "red after" not in figures


def test_what_was_lost_or_taken_twice_is_red():
    _, figures = figures_of(Incident((window(),)), lost=2, charged_twice=1)
    assert (figures["lost"].tone, figures["charged twice"].tone) == ("failed", "failed")


def test_the_times_of_a_killed_process_are_those_of_its_dot():
    recording = Recording()
    ill = {"order": "healthy", "inventory": "down"}
    open_orders = replace(COUNTS, orders={"open": 4})
    settled = replace(COUNTS, orders={"open": 0}, payments={"open": 0})
    recording.add(replace(WELL, at=at(1)))
    recording.outages.append(Outage("inventory-service killed", at(2)))
    recording.add(replace(WELL, at=at(4), services=ill, counts=open_orders))
    recording.add(replace(WELL, at=at(11), counts=open_orders))
    recording.add(replace(WELL, at=at(13), counts=settled))
    made = summarize(ACTOR, NOW, recording, Measurements((), settled, 0, 0))
    figures = {each.label: each.seconds for each in made.figures}
    assert made.faults == ("inventory-service killed",)
    assert figures["red after"] == 2.0
    assert figures["green after"] == 9.0
    assert figures["settled after"] == 11.0


def test_a_service_that_never_recovers_has_no_green_time():
    recording = Recording()
    recording.outages.append(Outage("inventory-service killed", at(2)))
    recording.add(replace(WELL, at=at(4), services={"inventory": "down"}))
    made = summarize(ACTOR, NOW, recording, Measurements((), None, None, None))
    assert {each.label: each.seconds for each in made.figures}["green after"] is None


def test_the_recording_keeps_changes_only():
    recording = Recording()
    for second in range(10_000):
        recording.add(replace(WELL, at=at(second)))
    assert recording.first(at(5), lambda _: True) is None
    assert recording.first(at(0), lambda _: True) == at(0)


def test_services_that_are_not_calm_are_listed():
    made = summarize(ACTOR, NOW, Recording(), Measurements((), None, 0, 0, ("inventory-service",)))
    assert any("NOT CALM: inventory-service" in line for line in summary_lines(made))


def test_an_act_without_orders_counts_payments():
    counts = replace(
        COUNTS, orders={"placed": 0}, payments={"made": 5, "succeeded": 4, "in_part": 1}
    )
    recording = Recording()
    recording.accounts += ["the account bravo declines every card"] * 2
    made = summarize(ACTOR, NOW, recording, Measurements((), counts, 0, 0))
    assert made.faults == ("the account bravo declines every card",)
    assert {each.label: (each.count, each.tone) for each in made.figures} == {
        "payments": (5, "none"), "taken": (4, "good"), "in part": (1, "failed"),
        "lost": (0, "good"), "charged twice": (0, "good"),
    }  # fmt: skip


def test_an_act_about_a_wallet_alone_counts_what_was_paid_from_it():
    counts = replace(COUNTS, orders={"placed": 0}, payments={"made": 0})
    made = summarize(ACTOR, NOW, Recording(), Measurements((), counts, 0, 0))
    assert {each.label: (each.count, each.tone) for each in made.figures} == {
        "paid": (50, "good"), "lost": (0, "good"), "charged twice": (0, "good"),
    }  # fmt: skip


def test_a_twin_is_a_second_column():
    made = summarize(ACTOR, NOW, Recording(), Measurements((), COUNTS, 0, 0, figures=FIGURES))
    lines = [line.split() for line in summary_lines(made)]
    assert ["ours", "twin", "(unsafe)"] in lines
    assert ["charged", "twice", "0", "4"] in lines
    assert ["units", "leaked", "0", "2"] in lines
