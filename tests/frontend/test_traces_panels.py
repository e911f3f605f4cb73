"""Lists of traces, waterfalls and tails: every state, to scale, and foreign text never runs."""

import asyncio
import html
import re
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from frontend.logs.panels import logs_panel, logs_view
from frontend.logs.view_models import LogFilter
from frontend.orders.panels import find_traces, order_traces, order_traces_panel
from frontend.traces.panels import trace_panel, traces_panel, traces_view
from frontend.traces.presenter import trace_lines
from frontend.traces.view_models import NoTrace, TraceFilter, TracesView
from frontend.traces.waterfall import waterfall
from frontend.web.formatting import utc_now
from frontend.web.gaps import silence
from frontend.web.sse import Hub
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.sources.embedded_traces import EmbeddedTraces
from observatory.store.model import moment
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.frontend.recorded_telemetry import (
    EVIL_TRACE,
    ORDER_ID,
    ORDER_TRACE,
    RECONCILER_TRACE,
    recorded,
)
from tests.frontend.samples import DOWN, FixedSource, show
from tests.observatory.samples import NOW_NS, keep, span

NOW = moment(NOW_NS) + timedelta(seconds=5)


class State:
    """The part of the dashboard's state that these panels read."""

    def __init__(self, traffic=DOWN):
        self.source = FixedSource(traffic)


BUSY = Traffic(9, 0, 1.0, 0.1)


def show_traces(memory, state=None, **wanted):
    wanted = TraceFilter(**wanted)
    view = asyncio.run(traces_view(EmbeddedTraces(memory, Hub().nudge), state or State(), wanted))
    return show(traces_panel(wanted, view), now=NOW)


def show_trace(memory, trace_id):
    kept = memory.trace(trace_id)
    view = waterfall(kept, NOW) if kept else NoTrace(trace_id, len(memory.traces))
    return show(trace_panel(trace_id, view), now=NOW)


def show_logs(memory):
    view = asyncio.run(logs_view(EmbeddedTraces(memory, Hub().nudge), State(), LogFilter()))
    return show(logs_panel(LogFilter(), view), now=NOW)


def show_order_traces(memory):
    telemetry = EmbeddedTraces(memory, Hub().nudge)
    found = asyncio.run(find_traces(telemetry, UUID(ORDER_ID), None))
    view = order_traces(telemetry, None, found)
    return show(order_traces_panel(UUID(ORDER_ID), view), now=NOW)


EVERY_STATE = {
    "traces": lambda: show_traces(recorded()),
    "slowest": lambda: show_traces(recorded(), kind="slowest"),
    "bitten": lambda: show_traces(recorded(), kind="bitten"),
    "first visit": lambda: show_traces(TelemetryStore()),
    "nothing fits": lambda: show_traces(recorded(), order="none"),
    "order": lambda: show_trace(recorded(), ORDER_TRACE),
    "evil": lambda: show_trace(recorded(), EVIL_TRACE),
    "unknown": lambda: show_trace(recorded(), "ab" * 16),
    "order's": lambda: show_order_traces(recorded()),
    "order's none": lambda: show_order_traces(TelemetryStore()),
    "logs": lambda: show_logs(recorded()),
    "no logs": lambda: show_logs(TelemetryStore()),
    "traces down": lambda: show(traces_panel(TraceFilter(), DOWN)),
    "trace down": lambda: show(trace_panel(ORDER_TRACE, DOWN)),
    "logs down": lambda: show(logs_panel(LogFilter(), DOWN)),
    "order's down": lambda: show(order_traces_panel(UUID(ORDER_ID), DOWN)),
}


@pytest.mark.parametrize("state", EVERY_STATE)
def test_every_state_is_rendered_and_foreign_text_never_runs(state):
    page = EVERY_STATE[state]()
    assert page.count('id="panel-') == 1
    assert 'hx-get="/panels/' in page
    assert "<script" not in page
    assert not re.search(r"<[^>]*\s(style|on\w+)=", page)
    assert "</text></svg>'" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("state", [state for state in EVERY_STATE if state.endswith("down")])
def test_a_panel_without_its_source_shows_since_when(state):
    assert "11:59:30" in EVERY_STATE[state]()


def test_what_a_stranger_wrote_is_shown_as_text():
    for page in (EVERY_STATE["evil"](), EVERY_STATE["traces"](), EVERY_STATE["logs"]()):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_long_values_are_cut():
    page = EVERY_STATE["evil"]()
    assert "x" * 100 in page
    assert "x" * 900 not in page
    assert "…" in page


def bar(page, span_id):
    found = re.search(
        rf'id="span-{span_id}" class="([^"]+)".*?<rect class="bar-of" x="([\d.]+)%" '
        r'width="([\d.]+)%"',
        page,
        re.DOTALL,
    )
    return found[1].split(), float(found[2]), float(found[3])


def test_the_waterfall_is_to_scale():
    page = EVERY_STATE["order"]()
    _, x, width = bar(page, "1" * 16)
    assert (x, width) == (0, 100)
    _, x, width = bar(page, "2" * 16)
    assert x == pytest.approx(100 * 20 / 2050, abs=0.01)
    assert width == pytest.approx(100 * 2000 / 2050, abs=0.01)


def test_the_critical_path_stands_out_and_every_span_has_its_service():
    page = EVERY_STATE["order"]()
    place, call, reserve, insert = (bar(page, digit * 16)[0] for digit in "1234")
    assert "critical" in place
    assert "critical" in call
    assert "critical" in reserve
    assert "hue-order" in place
    assert "hue-inventory" in reserve
    assert {"depth-1"} <= set(insert)


def test_a_bite_is_violet_and_names_the_gremlin():
    page = EVERY_STATE["order"]()
    classes, _, _ = bar(page, "3" * 16)
    assert "is-bitten" in classes
    assert re.search(r'href="#mark-gremlin"/></svg>latency', page)
    assert 'class="bite-at"' in page
    assert "is-bitten" not in bar(page, "4" * 16)[0]


def test_an_error_shows_its_message_in_place():
    page = EVERY_STATE["order"]()
    assert "failed-span" in bar(page, "2" * 16)[0]
    after = page[page.index(f'id="span-{"2" * 16}"') :]
    assert after.index('<p class="error">timeout</p>') < after.index('id="span-', 9)


def test_lines_stand_under_their_span():
    page = EVERY_STATE["order"]()
    reserve = page[page.index(f'id="span-{"3" * 16}"') :].split("</li>\n      <li")[0]
    assert "POST /inventory/reserve" in reserve
    assert "status=499" in html.unescape(reserve)
    assert f"/logs?trace={ORDER_TRACE}#line-1" in reserve


def test_a_trace_leads_to_its_order_and_to_what_belongs_to_it():
    page = EVERY_STATE["order"]()
    assert f'href="/orders/{ORDER_ID}"' in page
    assert f'href="/traces/{RECONCILER_TRACE}"' in page
    assert f'href="/traces/{ORDER_TRACE}"' in show_trace(recorded(), RECONCILER_TRACE)


def test_an_order_s_traces_stand_where_they_were_in_time():
    page = EVERY_STATE["order's"]()
    bars = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%"', page)
    (first, placed), (later, reconciled) = ((float(x), float(width)) for x, width in bars)
    assert first == 0
    assert placed == pytest.approx(100 * 2050 / 4200, abs=0.1)
    assert later == pytest.approx(100 * 4000 / 4200, abs=0.1)
    assert later + reconciled == pytest.approx(100, abs=0.1)


def test_only_an_order_s_own_id_becomes_a_link_to_an_order():
    assert "/orders/" not in EVERY_STATE["evil"]()


def test_a_trace_that_is_over_asks_no_more():
    view = waterfall(recorded().trace(ORDER_TRACE), NOW + timedelta(minutes=5))
    assert "hx-get" not in show(trace_panel(ORDER_TRACE, view))


def test_a_trace_that_is_not_here_yet_goes_on_asking():
    page = EVERY_STATE["unknown"]()
    assert "Not here yet" in page
    assert "hx-get" in page


def test_a_page_holds_a_thousand_spans_but_not_all_they_carry():
    memory = TelemetryStore()
    heavy = tuple((f"key.{number}", "v" * 1500) for number in range(8))
    keep(memory, *(span(ORDER_TRACE, attributes=heavy) for _ in range(1000)))
    page = show_trace(memory, ORDER_TRACE)
    assert page.count('<rect class="bar-of"') == 1000
    assert "this page is full" in page
    assert len(page) < 4_000_000


def test_what_was_dropped_is_shown():
    memory = recorded()
    assert "Not here" not in show_traces(memory)
    memory.losses.traces_evicted = 1234
    memory.losses.lines_evicted = 5
    assert "1\u202f234 older traces were deleted to make room" in show_traces(memory)
    assert "5 older lines were deleted to make room" in show_logs(memory)


def test_too_many_traces_are_counted_and_bounded():
    memory = TelemetryStore()
    keep(memory, *(span(f"{number:032x}") for number in range(1, 80)))
    page = show_traces(memory)
    assert page.count('<li id="trace-') == 50
    assert "The newest 50 of 79 kept" in page


def test_a_busy_shop_without_telemetry_is_not_shown_as_a_quiet_one():
    assert "no telemetry" not in show_traces(TelemetryStore(), State(Traffic(0, 0, 0.0, None)))
    assert "send no telemetry here" in show_traces(TelemetryStore(), State(BUSY))
    telemetry = EmbeddedTraces(TelemetryStore(), Hub().nudge)
    telemetry.last_arrival["traces"] = utc_now() - timedelta(seconds=60)
    busy = silence(telemetry, FixedSource(BUSY))
    assert isinstance(busy, Down)
    assert busy.reason == "No telemetry arrives"
    telemetry.last_arrival["traces"] = utc_now()
    assert silence(telemetry, FixedSource(BUSY)) is None


def test_retries_that_are_all_there_is_are_not_folded():
    rows = recorded().find(TraceQuery())
    lines = trace_lines(rows)
    some = TracesView(
        lines[:1], "failed", filtered=True, kept=2, more=False, lost="", silent=None,
        retries=lines[1:],
    )  # fmt: skip
    alone = replace(some, rows=(), retries=lines)
    assert show(traces_panel(TraceFilter(), some), now=NOW).count("<details>") == 1
    shown = show(traces_panel(TraceFilter(), alone), now=NOW)
    assert "<details>" not in shown
    assert f"{len(lines)} retries of orders placed before" in shown
    assert all(f'id="trace-{line.trace_id}"' in shown for line in lines)
