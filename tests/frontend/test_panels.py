"""Each panel of the overview renders every state it can be in, and escapes what it is given."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chassis.faults.kinds import BY_NAME, KINDS
from frontend.gremlins import presenter as gremlins
from frontend.gremlins.panels import audit_panel, faults_panel
from frontend.logs.presenter import log_row
from frontend.orders import presenter as orders
from frontend.orders.panels import story_panel
from frontend.overview import presenter
from frontend.overview.map_presenter import Readings, service_map
from frontend.overview.proof_presenter import proof
from frontend.overview.view_models import Dot, FiguresView
from frontend.processes.panels import evidence_panel
from frontend.processes.view_models import EvidenceView, ProcessView
from frontend.query_results import ShopSnapshot
from frontend.timeline import narrative
from frontend.traces.presenter import trace_lines
from frontend.web.panels import Panel
from frontend.web.templating import TEMPLATES
from observatory.metrics.call_graph import CallStats
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.store.logs import LogQuery
from observatory.store.trace_search import TraceQuery
from observatory.timeline.fault_windows import fault_windows
from observatory.timeline.incident import incidents
from observatory.timeline.light_log import LightPeriod
from proof import invariants
from proof.evaluate import Reach, Report
from proof.finding import Finding
from tests.frontend.recorded_telemetry import recorded
from tests.frontend.samples import (
    AUDIT_ENTRY,
    DETAILS,
    DOWN,
    FIGURES,
    GREMLIN,
    HOSTILE,
    LOCKED,
    NOW,
    ORDER,
    PANELS,
    PRODUCT,
    VISITOR,
    show,
)
from topology import SERVICES, find

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
    fault_windows([AUDIT_ENTRY], NOW + timedelta(seconds=9)),
    {
        "order": [
            LightPeriod("good", NOW, NOW),
            LightPeriod("slow", NOW + timedelta(seconds=5), None),
        ]
    },
    NOW,
)


def lights(traffic, active):
    return presenter.lights(lambda _: traffic, active, NOW)


def shown_map(traffic, active=(), **more):
    read = Readings(lambda _: traffic, lambda _: 0.034, lambda _: {HOSTILE: True}, active=active)
    return service_map(replace(read, **more), NOW)


def process(key, now):
    return replace(faults_panel(None, key), view=lambda _: gremlins.board(now, NOW, (find(key),)))


def about(view):
    return Panel("processes/about.html", ("metrics",), lambda _: view, "/panels/about/order")


CALLS = {("order-service", "payment-service"): CallStats(2.0, 0.5, 0.1)}
NODE = shown_map(Traffic(20, 3, 1.0, 2.5), (GREMLIN,), calls=CALLS).nodes[0]
TELEMETRY = recorded()
ROWS = trace_lines(TELEMETRY.find(TraceQuery()))
LINES = tuple(map(log_row, TELEMETRY.tail(LogQuery()).lines))
SHOP_THEN = ShopSnapshot((), FIGURES, (PRODUCT,))


def with_view(name, view):
    return replace(PANELS[name], view=lambda _: view)


STATES = [
    with_view("bar", gremlins.bar((GREMLIN,) * 6, NOW)),
    with_view("bar", gremlins.bar((), NOW)),
    with_view("lights", lights(Traffic(20, 3, 1.0, 2.5), (GREMLIN,))),
    with_view("lights", lights(Traffic(0, 0, 0.0, None), ())),
    with_view("map", shown_map(Traffic(20, 3, 1.0, 2.5), (GREMLIN,), calls=CALLS)),
    with_view("map", shown_map(Traffic(0, 0, 0.0, None), calls={})),
    process("audit_consumer", (GREMLIN,)),
    evidence_panel("order", EvidenceView("order", "order-service", ROWS, (), LINES)),
    about(
        ProcessView(NODE, HOSTILE, (Dot("database", "database", "failed", HOSTILE),), ("Orders",))
    ),
    with_view("figures", FiguresView(FIGURES)),
    with_view("board", gremlins.board((GREMLIN,), NOW)),
    with_view("products", orders.products(DOWN, SHOP_THEN)),
    with_view("products", (PRODUCT,)),
    with_view("products", ()),
    with_view("orders", orders.orders((ORDER,))),
    with_view("orders", orders.orders(())),
    with_view("proof", proof(REPORT)),
    with_view("timeline", narrative.timeline(INCIDENTS, NOW)),
    with_view("timeline", narrative.timeline((), NOW)),
    with_view("reaction", narrative.reaction(INCIDENTS)),
    with_view("reaction", narrative.reaction(())),
    audit_panel(gremlins.audit((AUDIT_ENTRY,))),
    audit_panel(gremlins.audit(())),
    story_panel(ORDER.order_id, DETAILS),
]
# Each light has a source of its own, so it is down by itself; the switches are always there. The
# rail and the traffic switch are read from memory: they have no source to lose. On the map each
# process says so for itself.
NEVER_DOWN = ("rail", "traffic", "map")
PARTLY_DOWN = {
    "lights": lights(DOWN, DOWN),
    "board": gremlins.board(DOWN, NOW),
    "map": shown_map(DOWN, DOWN, health=DOWN, progress=DOWN),
}
DOWNS = [
    *(with_view(name, PARTLY_DOWN.get(name, DOWN)) for name in PANELS if name not in NEVER_DOWN),
    process("order", DOWN),
    evidence_panel("order", EvidenceView("order", "order-service", DOWN, DOWN, DOWN)),
    with_view("figures", presenter.figures(DOWN, SHOP_THEN)),
    audit_panel(DOWN),
    story_panel(ORDER.order_id, DOWN),
]


@pytest.mark.parametrize("panel", STATES + DOWNS, ids=lambda panel: panel.name)
@pytest.mark.parametrize("visitor", [VISITOR, LOCKED], ids=["free", "locked"])
def test_every_state_is_rendered_and_foreign_text_never_runs(panel, visitor):
    html = show(panel, visitor=visitor)
    assert f'id="panel-{panel.name}"' in html
    assert html.count('id="panel-') == 1
    assert "<script" not in html
    assert not re.search(r"\s(style|on\w+)=", html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    # A colour never comes without its shape.
    for state, shape in re.findall(r'<svg class="mark (\w+)"[^>]*><use href="#mark-(\w+)"', html):
        assert state == shape


def test_a_panel_without_its_source_shows_since_when_and_goes_on_asking():
    for panel in DOWNS:
        html = show(panel)
        assert "11:59:30" in html, panel.name
        assert f'hx-get="{panel.url}"' in html, panel.name
        assert "every 5s" in html, panel.name


# Only a process that takes events has a switch for those kinds that bite events; the gateway has
# those that Envoy can be.
POSSIBLE = [
    (process, kind)
    for process in SERVICES
    for kind in KINDS
    if process.takes_events or not kind.on_delivery
    if kind.kind in (process.gremlin_kinds or BY_NAME)
]


def test_every_switch_can_be_pressed_while_nobody_knows_what_is_loose():
    html = show("board", gremlins.board(DOWN, NOW))
    pressed = set(re.findall(r'<button class="switch[^>]*value="(\w+:\w+:\w+)"', html))
    assert pressed == {f"on:{process.key}:{kind.kind}" for process, kind in POSSIBLE}
    assert "disabled" not in html
    # It would be a claim that all of them are off.
    assert "aria-checked" not in html


def test_the_last_figures_stay_grey_with_their_age_while_the_shop_cannot_be_read():
    html = show("figures", presenter.figures(DOWN, SHOP_THEN))
    shown = re.findall(r'<p class="big none[^>]*>([^<]+)<', html)
    assert shown == ["9", "3", "12\u202f345.67\u202f€"]
    assert html.count("as of 11:59:30, 30\u202fs ago") == 3


def test_what_was_on_the_shelf_can_be_ordered_while_the_shop_cannot_be_read():
    html = show("products", orders.products(DOWN, SHOP_THEN))
    assert '<option value="PROD-001">' in html
    assert "stock unknown" in html


def test_an_order_s_row_leads_to_its_trace():
    html = show("orders", orders.orders((ORDER,)))
    assert f'href="/traces/{ORDER.trace_id}"' in html


def test_a_settled_order_asks_no_more():
    assert "hx-get" not in show(story_panel(ORDER.order_id, DETAILS))


def test_the_first_visit_teaches_the_next_click():
    assert "Place the first one" in show("orders", orders.orders(()))
    assert "Flip a switch" in show(audit_panel(gremlins.audit(())))


def test_a_locked_board_asks_for_the_token_and_its_switches_do_nothing():
    html = show("board", gremlins.board((), NOW), LOCKED)
    assert 'href="/login?back=/gremlins"' in html
    assert html.count("disabled") == len(POSSIBLE)


def test_a_broken_promise_shows_its_rows_and_its_sql():
    html = show("proof", proof(REPORT))
    assert "1 promise is broken" in html
    assert "&lt;script&gt;" in html
    assert "_total" not in html


def test_what_does_not_hold_stands_on_top():
    view = proof(REPORT)
    assert not isinstance(view, Down)
    assert [each.state for each in view.findings] == ["failed", "none", "degraded", "good"]


def test_a_proof_that_cannot_be_judged_is_neither_good_nor_bad():
    view = proof(Report(NOW, "unknown", (Finding(PROMISES[0], "unknown", reason="timeout"),)))
    assert not isinstance(view, Down)
    assert view.state == "none"


def test_a_proof_shows_how_many_orders_it_rests_on_and_how_many_it_read():
    whole = Report(
        NOW,
        "holds",
        (Finding(PROMISES[0], "holds"),),
        reach=Reach(12345, why="asked", in_all=12345),
    )
    since = Reach(213, before=NOW - timedelta(minutes=1), proven=1_000_000, in_all=1_000_200)
    assert "All 12\u202f345 were read." in show("proof", proof(whole))
    html = show("proof", proof(replace(whole, reach=since)))
    assert "1\u202f000\u202f200 orders" in html
    assert "1\u202f000\u202f000 were proven up to 2026-" in html
    assert "213 changed since and were read again" in html


def test_a_promise_that_settles_is_not_taken_for_a_broken_one():
    findings = (Finding(PROMISES[0], "holds"), Finding(PROMISES[1], "settling", 3))
    html = show(
        "proof", proof(Report(NOW, "settling", findings, reach=Reach(1, why="asked", in_all=1)))
    )
    assert "2 promises hold so far · 1 settling" in html
    assert ">1 order<" in html
    assert 'class="mark none"' in html.partition("</summary>")[0]


def test_the_proof_is_one_line_while_all_holds_and_unfolds_to_what_does_not():
    holds = Report(NOW, "holds", tuple(Finding(each, "holds") for each in PROMISES[:3]))
    html = show("proof", proof(holds))
    assert "3 promises hold" in html
    _, _, below = html.partition('class="findings"')
    assert "<details" not in below
    _, _, below = show("proof", proof(REPORT)).partition('class="findings"')
    assert below.count("<details") == 3


# Their forms fetch panels.
FETCH_PANELS = ("wallets/wallet_page.html", "reports/page.html")
_OF_EVENTS = ("tail", "parked", "gapless", "flow", "audited", "webhooks")


def test_every_template_of_a_panel_is_a_panel_that_is_tested():
    panels = {
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.glob("*/*.html")
        if "hx-trigger" in (text := path.read_text()) or "wire(panel" in text
    } - {"web/marks.html", *FETCH_PANELS}
    tested = {panel.template for panel in [*PANELS.values(), *STATES]}
    # Those of traces and logs are tested in test_traces_panels.py, of acts in test_acts_panels.py,
    # of payments in test_payment_presenter.py and the pages beside it, of reports in
    # test_report_pages.py, of events in test_event_pages.py and test_webhook_panel.py.
    tested |= {"traces/traces.html", "traces/trace.html", "orders/order_traces.html"}
    tested |= {"logs/logs.html", "acts/act.html", "acts/notes.html"}
    tested |= {"payments/payments.html", "payments/payment.html", "providers/providers.html"}
    tested |= {"policies/merchants.html", "policies/versions.html"}
    tested |= {f"events/{name}.html" for name in _OF_EVENTS}
    tested |= {"reports/reports.html", "reports/contracts.html", "reports/capacity.html"}
    # In test_load_pages.py.
    tested |= {"load/load.html", "load/runs.html"}
    # In test_charts_page.py.
    tested |= {"charts/charts.html"}
    # In test_wallet_pages.py.
    tested |= {f"wallets/{name}.html" for name in ("wallets", "moment", "history")}
    assert panels == tested
