"""Each panel draws every state it can be in, and escapes what it is given."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.gremlins import presenter as draw_gremlins
from frontend.overview import presenter
from frontend.overview.proof_presenter import proof
from frontend.timeline import narrative
from frontend.web.panels import AUDIT, PANELS, TIMELINE, paint_view, story_panel
from frontend.web.templating import TEMPLATES
from observatory.metrics.counter_window import Traffic
from observatory.sources.down import Down
from observatory.timeline.fault_windows import fault_windows
from observatory.timeline.incident import incidents
from observatory.timeline.light_log import LightPeriod
from proof import invariants
from proof.evaluate import Finding, Reach, Report
from tests.frontend.arranged import (
    DIARY,
    DOWN,
    FIGURES,
    GREMLIN,
    HOSTILE,
    LOCKED,
    NOW,
    ORDER,
    PRODUCT,
    STORY,
    VISITOR,
)

ALL = {**PANELS, "audit": AUDIT, "timeline": TIMELINE, "story": story_panel(ORDER.order_id)}
PROMISES = invariants()
REPORT = Report(
    NOW,
    "violated",
    (
        Finding(PROMISES[0], "violated", 2, rows=({"product_id": HOSTILE, "_total": 2},)),
        Finding(PROMISES[1], "holds"),
        Finding(PROMISES[2], "settling", 3),
        Finding(PROMISES[3], "unknown", reason=HOSTILE),
    ),
)
INCIDENTS = incidents(
    fault_windows([DIARY], NOW + timedelta(seconds=9)),
    {
        "order": [
            LightPeriod("good", NOW, NOW),
            LightPeriod("failed", NOW + timedelta(seconds=5), None),
        ]
    },
    NOW,
)
VIEWS = [
    ("bar", draw_gremlins.bar((GREMLIN,) * 6, NOW)),
    ("bar", draw_gremlins.bar((), NOW)),
    ("lights", presenter.lights(lambda _: Traffic(20, 3, 1.0, 2.5), (GREMLIN,))),
    ("lights", presenter.lights(lambda _: Traffic(0, 0, 0.0, None), ())),
    ("figures", presenter.figures(FIGURES)),
    ("board", draw_gremlins.board((GREMLIN,), NOW)),
    ("products", presenter.products((PRODUCT,))),
    ("products", presenter.products(())),
    ("orders", presenter.orders((ORDER,))),
    ("orders", presenter.orders(())),
    ("proof", proof(REPORT)),
    ("audit", draw_gremlins.audit((DIARY,))),
    ("audit", draw_gremlins.audit(())),
    ("story", presenter.story(STORY)),
    ("timeline", narrative.timeline(INCIDENTS, NOW)),
    ("timeline", narrative.timeline((), NOW)),
    ("reaction", narrative.reaction(INCIDENTS)),
    ("reaction", narrative.reaction(())),
]
# Each light has a source of its own, so it is down by itself.
LIGHTS_DOWN = presenter.lights(lambda _: DOWN, DOWN)
# The rail is read from memory: it has no source to lose.
DOWNS = [(name, LIGHTS_DOWN if name == "lights" else DOWN) for name in ALL if name != "rail"]


def paint(name, view, visitor=VISITOR):
    return paint_view(ALL[name], view, visitor, NOW)


@pytest.mark.parametrize(("name", "view"), VIEWS + DOWNS)
@pytest.mark.parametrize("visitor", [VISITOR, LOCKED], ids=["free", "locked"])
def test_every_state_is_drawn_and_nothing_foreign_runs(name, view, visitor):
    html = paint(name, view, visitor)
    assert f'id="panel-{name}"' in html
    assert html.count('id="panel-') == 1
    assert "<script" not in html
    assert not re.search(r"\s(style|on\w+)=", html)
    assert re.findall(r'\bid="([^"]+)"', html) == list(
        dict.fromkeys(re.findall(r'\bid="([^"]+)"', html))
    )


@pytest.mark.parametrize(("name", "view"), DOWNS)
def test_a_panel_without_its_source_says_since_when(name, view):
    assert "11:59:30" in paint(name, view)


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_a_colour_never_comes_without_its_shape(name, view):
    for state in re.findall(
        r'<svg class="mark (\w+)"[^>]*><use href="#mark-(\w+)"', paint(name, view)
    ):
        assert state[0] == state[1]


@pytest.mark.parametrize("name", ALL)
def test_a_panel_fetches_itself(name):
    view = presenter.story(STORY) if name == "story" else DOWN
    html = paint(name, DOWN if name != "lights" else presenter.lights(lambda _: DOWN, ()))
    assert f'hx-get="{ALL[name].url}"' in html
    assert "every 5s" in html
    assert view is not None


def test_a_settled_order_asks_no_more():
    assert "hx-get" not in paint("story", presenter.story(STORY))


def test_the_first_visit_teaches_the_next_click():
    assert "Place the first one" in paint("orders", presenter.orders(()))
    assert "Flip a switch" in paint("audit", draw_gremlins.audit(()))


def test_a_locked_board_asks_for_the_token_and_its_switches_do_nothing():
    html = paint("board", draw_gremlins.board((), NOW), LOCKED)
    assert 'action="/operator/sign-in"' in html
    assert html.count("disabled") == 24


def test_a_broken_promise_shows_its_rows_and_its_sql():
    html = paint("proof", proof(REPORT))
    assert "1 promise is broken" in html
    assert "&lt;script&gt;" in html
    assert "_total" not in html


def test_what_does_not_hold_stands_on_top():
    shown = proof(REPORT)
    assert not isinstance(shown, Down)
    assert [each.state for each in shown.findings] == ["failed", "none", "degraded", "good"]


def test_a_proof_that_cannot_be_judged_is_neither_good_nor_bad():
    shown = proof(Report(NOW, "unknown", (Finding(PROMISES[0], "unknown", reason="timeout"),)))
    assert not isinstance(shown, Down)
    assert shown.state == "none"


def test_a_proof_says_what_it_rests_on_and_what_it_looked_at():
    whole = Report(NOW, "holds", (Finding(PROMISES[0], "holds"),), reach=Reach(12345, why="asked"))
    since = Reach(213, before=NOW - timedelta(minutes=1), proven=1_000_000)
    assert "all 12\u202f345 orders read" in paint("proof", proof(whole))
    html = paint("proof", proof(replace(whole, reach=since)))
    assert "1\u202f000\u202f000 proven · 213 since" in html
    assert "proven up to 2026-" in html


def test_every_panel_template_is_a_panel():
    templates = {path.stem for path in (TEMPLATES / "panels").iterdir()}
    # Those of telemetry are drawn in test_evidence_panels.py, those of acts in test_act_panels.py.
    elsewhere = {"traces", "trace", "order_traces", "logs", "act", "notes"}
    assert templates == {*ALL, *elsewhere, "toast"}
