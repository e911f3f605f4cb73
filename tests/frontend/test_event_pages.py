"""The pages of events: what waits, what was put aside and why, the gapless proof, the replay."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from chassis.outcome import CallResult, Outcome
from frontend.events import presenter
from frontend.events.panels import (
    audited_panel,
    flow_panel,
    gapless_panel,
    parked_panel,
    tail_panel,
)
from frontend.events.view_models import EventFilter
from observatory.sources.event_progress import ConsumerProgress, EventProgress
from services.events.audit_consumer.contract import AuditLine, AuditPage
from services.events.relay.contract import (
    EventPage,
    EventView,
    Gap,
    GaplessProof,
    LagView,
    ParkedList,
    ParkedView,
)
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import DOWN, HOSTILE, LOCKED, NOW, show

# Beside these are tests that are not async.
with_the_module = pytest.mark.asyncio(loop_scope="module")

ORDER, EVENT = UUID(int=7), UUID(int=8)
PLACED = EventView(
    event_id=EVENT,
    type="order.failed",
    source="order-service",
    aggregate="order",
    aggregate_id=str(ORDER),
    aggregate_seq=2,
    at=NOW - timedelta(seconds=5),
    trace_id="ab" * 16,
    position=1234,
    confirmed_at=NOW - timedelta(seconds=4.75),
    data={"amount_minor": 9999, "currency": "EUR", "reason": HOSTILE},
)
LAG = LagView(
    transport="rabbitmq",
    leader="here:1",
    since=NOW,
    leads_here=True,
    trouble="",
    position=1234,
    unpublished=3,
    oldest_unpublished_at=NOW,
    consumers=[],
)
READER = ConsumerProgress("audit-consumer", 2, is_ordered=True, oldest_s=9)
PROGRESS = EventProgress(1234, "here:1", NOW, 3, 1, 1, (READER,))
FAILED = ParkedView(
    consumer="audit-consumer",
    event_id=EVENT,
    kind="failed",
    reason=HOSTILE,
    type=HOSTILE,
    aggregate="order",
    aggregate_id=str(ORDER),
    aggregate_seq=2,
    at=NOW,
    retry_at=None,
    message=HOSTILE,
)
WAITING = msgspec.structs.replace(FAILED, kind="waiting", event_id=UUID(int=9))


def test_an_event_leads_to_its_order_and_its_trace():
    view = presenter.tail(EventPage([PLACED], "more"), EventFilter(type="order.failed"))
    (row,) = view.rows
    assert (row.took_ms, row.about.url) == (250, f"/orders/{ORDER}")
    assert view.older == "/events?type=order.failed&cursor=more"
    html = show(tail_panel(EventFilter(), view))
    assert f'href="/orders/{ORDER}"' in html
    assert f'href="/traces/{"ab" * 16}"' in html
    assert "99.99\u202f€" in html
    assert "order.<wbr>failed" in html
    assert "<script>" not in html


def test_an_event_that_is_not_published_waits():
    waiting = msgspec.structs.replace(PLACED, position=None, confirmed_at=None)
    html = show(
        tail_panel(EventFilter(), presenter.tail(EventPage([waiting], None), EventFilter()))
    )
    assert "waiting" in html


@pytest.mark.parametrize(
    ("aggregate", "url"),
    [("payment", "/payments/x"), ("stock", "/orders/x"), ("gremlin", "/gremlins"), ("new", "")],
)
def test_what_an_event_is_about_has_its_own_page(aggregate, url):
    assert presenter.about(aggregate, "x").url == url


def test_the_way_of_an_event_names_the_bus_the_leader_and_who_is_behind():
    view = presenter.flow(PROGRESS, LAG)
    assert (view.outboxes.figure, view.bus.label, view.relay.word) == ("3", "RabbitMQ", "here:1")
    assert [(each.state, each.figure) for each in view.consumers] == [("degraded", "2")]
    assert "Audit log" in show(flow_panel(view))


def test_what_waits_is_shown_while_the_relay_is_gone():
    view = presenter.flow(PROGRESS, DOWN)
    assert (view.outboxes.figure, view.relay.state, view.relay.figure) == ("3", "failed", "gone")


def test_a_bus_that_takes_nothing_is_named():
    view = presenter.flow(PROGRESS, msgspec.structs.replace(LAG, trouble=HOSTILE))
    assert (view.relay.state, view.relay.note) == ("degraded", HOSTILE)


def test_a_parked_event_has_its_reason_and_a_replay_and_one_that_waits_has_none():
    view = presenter.parked(ParkedList([FAILED, WAITING]))
    html = show(parked_panel(view))
    assert html.count(">Replay<") == 1
    assert "<script>" not in html
    assert "disabled" in show(parked_panel(view), visitor=LOCKED)
    asked = msgspec.structs.replace(FAILED, retry_at=NOW)
    html = show(parked_panel(presenter.parked(ParkedList([asked]))))
    assert "being tried again" in html
    assert ">Replay<" not in html


def test_the_gapless_proof_names_the_aggregates_that_differ():
    gap = Gap(
        aggregate="order",
        aggregate_id=str(ORDER),
        last=2,
        committed=2,
        positioned=2,
        confirmed=1,
        consumed={"audit-consumer": 1},
    )
    found = GaplessProof(
        is_gapless=False,
        aggregates=5,
        aggregates_with_gaps=60,
        committed=10,
        positioned=10,
        confirmed=9,
        consumed={"audit-consumer": 9},
        gaps=[gap],
    )
    lost = msgspec.structs.replace(found, is_at_fault=True)
    assert presenter.gapless(lost, NOW).state == "failed"
    view = presenter.gapless(found, NOW)
    assert view.state == "degraded"
    assert view.places == (
        ("committed", 10), ("positioned", 10), ("confirmed", 9), ("audit log", 9)
    )  # fmt: skip
    assert (view.gaps[0].counts, view.more) == ((2, 2, 1, 1), 59)
    html = show(gapless_panel(view))
    assert html.count('class="differs"') == 2
    # Minutes later it still says when it was asked.
    assert f"as of {NOW:%H:%M:%S}" in html
    assert f'href="/orders/{ORDER}"' in html


def test_a_line_of_the_audit_log_has_its_number_and_its_hash():
    line = AuditLine(
        n=12,
        subject="alice",
        event_id=EVENT,
        type="order.failed",
        source="/order-service",
        aggregate="order",
        aggregate_id=str(ORDER),
        aggregate_seq=2,
        happened_at=NOW,
        at=NOW,
        trace_id=None,
        data={},
        hash="cd" * 32,
    )
    html = show(
        audited_panel(EventFilter(), presenter.audit(AuditPage([line], None), EventFilter()))
    )
    assert "cd" * 32 in html
    assert "Orders" in html


@with_the_module
async def test_the_pages_stand_while_neither_the_relay_nor_the_log_answers(module_database):
    gone = CallResult(Outcome.NOT_SENT, code="connect-failed")
    async with dashboard(module_database, gone) as (browser, wire):
        assert "It is not running" in await text(browser, "/events")
        assert "It is not running" in await text(browser, "/events/audit?check=yes")
        wire.asked.clear()
        await text(browser, "/panels/tail?type=order.created&search=%00x&cursor=y")
        assert wire.asked[0][1] == "/events?limit=30&type=order.created&aggregate_id=x&cursor=y"


@with_the_module
@pytest.mark.parametrize(
    ("action", "given", "wanted", "wrong"),
    [
        (
            "replay",
            {"consumer": "audit-consumer", "event_id": str(EVENT)},
            f"/events/parked/audit-consumer/{EVENT}/replay",
            {"event_id": "x"},
        ),
        ("replay-webhook", {"delivery_id": "5"}, "/deliveries/5/replay", {"delivery_id": "x"}),
    ],
)
async def test_a_replay_is_the_operators_and_names_what(
    module_database, action, given, wanted, wrong
):
    form = dict(given)
    done = CallResult(Outcome.OK, 202)
    async with dashboard(module_database, done, operator_token=TOKEN) as (browser, wire):
        form["csrf"] = await token(browser)
        wire.begin(done)
        async with browser.post(f"/actions/{action}", data=form) as response:
            assert "waits for an operator" in await response.text()
        assert wire.asked == []
        signed = {"csrf": form["csrf"], "token": TOKEN}
        async with browser.post("/login", data=signed) as response:
            assert response.status == 200
        form["csrf"] = await token(browser)
        wire.begin(done)
        async with browser.post(f"/actions/{action}", data=form) as response:
            assert "It is tried again" in await response.text()
        ((method, path, headers),) = wire.asked
        assert (method, path) == ("POST", wanted)
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        async with browser.post(f"/actions/{action}", data={**form, **wrong}) as response:
            assert "It is tried again" not in await response.text()
