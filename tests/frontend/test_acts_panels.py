"""The rail, the act and the notes render every state of a performance, and escape its text."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.acts import presenter
from frontend.acts.panels import act_panel, notes_panel
from frontend.acts.view_models import RailView
from frontend.web.templating import render
from scenarios import progress
from scenarios.conditions import ConditionCheck
from scenarios.loader import BadAct, parse
from scenarios.lock import LockHolder
from scenarios.progress import Activity
from scenarios.recording import Recording
from scenarios.summary import Measurements, Summary, SummaryFigure, summarize
from tests.frontend.samples import HOSTILE, LOCKED, NOW, VISITOR, show
from tests.scenarios.arranged import FIGURES as BESIDE
from tests.scenarios.arranged import TEXT

SCENARIO = parse(
    TEXT.replace("the first thing", '"<script>alert(1)</script>"').replace("One", "'<b>One</b>'"),
    "short",
    "short.yaml",
)
LATER = NOW + timedelta(seconds=7)
READY = progress.begin(SCENARIO, "the dashboard", NOW)
WORKING = progress.do(
    progress.go(READY, NOW),
    Activity(
        "wait",
        NOW,
        10.0,
        (ConditionCheck(HOSTILE, "green", False), ConditionCheck("well", "holds", True)),
    ),
)
SEEN = progress.done(progress.note(WORKING, HOSTILE), LATER)
MISSED = progress.done(progress.note(WORKING, HOSTILE, "missed"), LATER)
SKIPPED = progress.done(progress.note(WORKING, HOSTILE, "skipped"), LATER)
ENDING = progress.stop(WORKING, HOSTILE, LATER)
FIGURES = (
    SummaryFigure("fault on", "gremlin", 3.0), SummaryFigure("red after", "failed", None),
    SummaryFigure("lost", "good", count=0), SummaryFigure("charged twice", "none"),
)  # fmt: skip
OVER = progress.over(ENDING, Summary((HOSTILE,), FIGURES, ("inventory-service",)), LATER)
BARE = progress.over(
    ENDING, summarize("x", NOW, Recording(), Measurements((), None, None, None)), LATER
)
STATES = {
    "ready": READY, "working": WORKING, "seen": SEEN, "missed": MISSED, "skipped": SKIPPED,
    "ending": ENDING, "over": OVER, "bare": BARE,
}  # fmt: skip


def shown(panel: str, view, visitor=VISITOR) -> str:
    """One of the three panels around an act."""
    if panel == "rail":
        return show("rail", RailView(view), visitor, LATER)
    made = {"act": act_panel, "notes": notes_panel}[panel]("short", lambda _: view)
    return show(made, visitor=visitor, now=LATER)


@pytest.mark.parametrize("visitor", [VISITOR, LOCKED], ids=["free", "locked"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("panel", ["rail", "act", "notes"])
def test_every_state_is_rendered_and_foreign_text_never_runs(panel, state, visitor):
    html = shown(panel, presenter.act(STATES[state], LATER), visitor)
    assert f'id="panel-{panel}"' in html
    assert "<script" not in html
    assert "<b>" not in html
    assert not re.search(r"\s(style|on\w+)=", html)
    for mark in re.findall(r'<svg class="mark (\w+)"[^>]*><use href="#mark-(\w+)"', html):
        assert mark[0] == mark[1]
    if visitor.locked:
        assert html.count("<button") == html.count("disabled") + html.count('class="strong">Unlock')


@pytest.mark.parametrize("panel", ["act", "notes"])
def test_an_act_that_is_not_on_names_the_one_that_is(panel):
    free = shown(panel, presenter.idle(SCENARIO, None, None))
    assert "Begin" in free
    assert "disabled" not in free
    held = LockHolder("last-units", "a terminal (pid 7)", NOW)
    taken = shown(panel, presenter.idle(SCENARIO, None, held))
    assert "last-units is being played by a terminal (pid 7) since 12:00:00 UTC" in taken
    assert "disabled" in taken
    here = shown(panel, presenter.idle(SCENARIO, READY, None))
    assert "is being played here" in here


def test_next_is_pressed_only_where_it_does_something():
    for state, html in {
        s: shown("act", presenter.act(p, LATER)) for s, p in STATES.items()
    }.items():
        pressable = re.search(r"<button[^>]*data-next(?![^>]*disabled)", html) is not None
        assert pressable == (state in ("ready", "seen", "missed", "skipped")), state


def test_the_rail_points_where_the_step_says_and_nowhere_afterwards():
    assert 'data-look="lights"' in shown("rail", presenter.act(WORKING, LATER))
    assert "data-look" not in shown("rail", presenter.act(READY, LATER))
    assert "data-look" not in shown("rail", presenter.act(OVER, LATER))
    nothing = show("rail", presenter.rail(None, NOW))
    assert "hidden" in nothing
    assert "<button" not in nothing


def test_the_notes_show_the_text_of_this_step_and_of_the_next():
    html = shown("notes", presenter.act(SEEN, LATER))
    assert "&lt;script&gt;" in html
    assert "the second thing" in html
    assert "wait until the light of orders is red, 10s at most" in html


def test_the_audience_does_not_see_the_notes():
    assert "the second thing" not in shown("act", presenter.act(SEEN, LATER))


def test_a_card_has_a_dash_for_what_was_not_measured_and_names_what_is_not_calm():
    html = shown("act", presenter.act(OVER, LATER))
    assert 'aria-label="not measured"' in html
    assert "Not calm: inventory-service" in html


def test_a_twin_is_a_second_column_in_red():
    played = replace(WORKING, scenario=parse(f"twin: naive\n{TEXT}", "short", "short.yaml"))
    assert "is not there yet" in shown("act", presenter.act(played, LATER))
    html = shown("act", presenter.act(replace(played, figures=BESIDE), LATER))
    cells = re.findall(r"<td[^>]*>.*?</td>", html)
    assert sum('class="failed"' in cell for cell in cells) == 0  # ours
    # What is not over yet is no fault while the act is on.
    assert sum('class="unsafe failed"' in cell for cell in cells) == 3
    assert "not over yet" in html
    ended = replace(OVER, scenario=played.scenario, figures=BESIDE)
    assert shown("act", presenter.act(ended, LATER)).count('class="unsafe failed"') == 4
    listed = presenter.act_list([played.scenario], None, None).acts[0]
    assert listed.twin == "naive"


def test_the_list_has_every_act_and_every_mistake():
    bad = BadAct("scenarios/bad.yaml", 3, "there is no verb `clam` <b>")
    slip = parse(TEXT.replace("- calm", "- kill: {service: order, away: 3s}"), "slip", "slip.yaml")
    view = presenter.act_list([SCENARIO, slip, bad], replace(READY), None)
    assert [each.is_on for each in view.acts] == [True, False, False]
    assert view.acts[1].process_faults == ("order-service killed",)
    html = render(
        "acts/page.html", view=view, panel=lambda _: "", visitor=VISITOR, here="/acts", now=NOW
    )
    assert "scenarios/bad.yaml:3: there is no verb `clam` &lt;b&gt;" in html
    assert "on stage now" in html
    assert presenter.act_list([], None, LockHolder("x", "y", NOW)).elsewhere == "x is played by y"
