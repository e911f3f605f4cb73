"""Telemetry that does not come here: sent to a collector instead, or not sent at all."""

from uuid import UUID

import pytest

from fleet.settings import load
from frontend.logs.panels import logs_panel, logs_view
from frontend.logs.view_models import LogFilter
from frontend.orders.panels import find_traces, order_traces, order_traces_panel
from frontend.traces.panels import trace_panel, trace_view, traces_panel, traces_view
from frontend.traces.view_models import TraceFilter
from frontend.web.sse import Hub
from observatory.sources.embedded_traces import EmbeddedTraces, sent_to
from observatory.store.store import TelemetryStore
from tests.frontend.recorded_telemetry import ORDER_ID, ORDER_TRACE, recorded
from tests.frontend.samples import show
from tests.frontend.test_traces_panels import BUSY, State
from tests.observatory.samples import keep, span


async def test_what_the_services_could_not_send_is_shown():
    async def page(dropped):
        telemetry = EmbeddedTraces(recorded(), Hub(), dropped=lambda: dropped)
        view = await traces_view(telemetry, State(), TraceFilter())
        return show(traces_panel(TraceFilter(), view))

    assert "could not be sent" not in await page({})
    assert "could not be sent" not in await page({"order": 0})
    html = await page({"payment": 3, "order": 1200})
    assert "could not be sent: 1\u202f200 by order-service, 3 by payment-service" in html


async def panels_without_telemetry():
    """Every panel that waits for telemetry, at a shop that sends it to a collector."""
    telemetry = EmbeddedTraces(TelemetryStore(), Hub(), sent_to="http://collector:4318")
    state, order_id = State(BUSY), UUID(ORDER_ID)
    traces, logs = TraceFilter(), LogFilter()
    return (
        traces_panel(traces, await traces_view(telemetry, state, traces)),
        logs_panel(logs, await logs_view(telemetry, state, logs)),
        trace_panel(ORDER_TRACE, await trace_view(telemetry, "ab" * 16)),
        order_traces_panel(
            order_id, order_traces(telemetry, None, await find_traces(telemetry, order_id, None))
        ),
    )


async def test_telemetry_that_goes_elsewhere_is_not_promised_here():
    for panel in await panels_without_telemetry():
        html = show(panel)
        assert "http://collector:4318" in html, panel.name
        for promise in ("second later", "yet", "Place an order", "send no telemetry"):
            assert promise not in html, (panel.name, promise)


async def test_what_came_here_all_the_same_is_shown():
    memory = TelemetryStore()
    telemetry = EmbeddedTraces(memory, Hub(), sent_to="http://collector:4318")
    keep(memory, span())
    memory.changed("traces")
    view = await traces_view(telemetry, State(), TraceFilter())
    assert (len(view.rows), view.elsewhere) == (1, "")


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("", ""),
        ("http://127.0.0.1:8080", ""),
        ("http://localhost:8080/", ""),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("http://[::1]:4318/x", "http://[::1]:4318"),
        ("https://me:secret@otel.example/in?key=secret", "https://otel.example"),
    ],
)
def test_where_telemetry_goes_is_shown_without_its_secrets(endpoint, shown):
    assert sent_to(load("dashboard", {}, otlp_endpoint=endpoint)) == shown
