"""Telemetry that does not come here: sent to a collector instead, or not sent at all."""

from uuid import UUID

import pytest

from fleet.settings import load
from frontend.traces import panels as evidence_panels
from frontend.traces.view_models import LogFilter, TraceFilter
from frontend.web.sse import Hub
from observatory.metrics.counter_window import Traffic
from observatory.sources.embedded_traces import EmbeddedTraces, sent_to
from observatory.store.store import TelemetryStore
from tests.frontend.recorded import ORDER_ID, ORDER_TRACE, recorded
from tests.frontend.test_evidence_panels import Watching, paint
from tests.observatory.samples import keep, span


async def test_what_the_services_could_not_send_is_said():
    async def page(dropped):
        evidence = EmbeddedTraces(recorded(), Hub(), dropped=lambda: dropped)
        wanted = TraceFilter()
        view = await evidence_panels.traces_view(evidence, Watching(), wanted)
        return paint(evidence_panels.traces_panel(wanted), view)

    assert "could not be sent" not in await page({})
    assert "could not be sent" not in await page({"order": 0})
    said = await page({"payment": 3, "order": 1200})
    assert "could not be sent: 1\u202f200 by order-service, 3 by payment-service" in said


async def elsewhere_pages(memory):
    """Every page that waits for telemetry, at a shop that sends it to a collector."""
    evidence = EmbeddedTraces(memory, Hub().nudge, sent_to="http://collector:4318")
    busy = Watching(Traffic(9, 0, 1.0, 0.1))
    panels = evidence_panels
    traces, logs, order = TraceFilter(), LogFilter(), UUID(ORDER_ID)
    yield panels.traces_panel(traces), await panels.traces_view(evidence, busy, traces)
    yield panels.logs_panel(logs), await panels.logs_view(evidence, busy, logs)
    yield panels.trace_panel(ORDER_TRACE), await panels.trace_view(evidence, "ab" * 16)
    yield panels.order_panel(order), await panels.order_view(evidence, order)


async def test_telemetry_that_goes_elsewhere_is_not_promised_here():
    async for panel, view in elsewhere_pages(TelemetryStore()):
        page = paint(panel, view)
        assert "http://collector:4318" in page, panel.name
        for promise in ("second later", "yet", "Place an order", "send no telemetry"):
            assert promise not in page, (panel.name, promise)


async def test_what_came_here_all_the_same_is_shown():
    memory = TelemetryStore()
    evidence = EmbeddedTraces(memory, Hub().nudge, sent_to="http://collector:4318")
    keep(memory, span())
    memory.changed("traces")
    view = await evidence_panels.traces_view(evidence, Watching(), TraceFilter())
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
def test_where_telemetry_goes_is_told_without_its_secrets(endpoint, shown):
    assert sent_to(load("dashboard", {}, otlp_endpoint=endpoint)) == shown
