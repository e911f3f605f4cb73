"""Every action that asked a service anything ends in a toast that leads to its trace."""

import asyncio
import re

import asyncpg
import pytest
import pytest_asyncio

from chassis.outcome import CallResult, Outcome
from tests.frontend.dashboards import text, token
from tests.frontend.test_pages import ORDERED

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER_ID = "0b0e6f5e-1111-4222-8333-944455556666"
TRACE = "ab" * 16
DONE = CallResult(Outcome.OK, 200, body=b'{"calmed":0}', trace_id=TRACE)
REFUSED = CallResult(Outcome.DEFINITE_NO, 409, "state-conflict", b"{}", trace_id=TRACE)
BROKEN = CallResult(Outcome.UNKNOWN, 500, "internal", b"{}", trace_id=TRACE)
SILENT = CallResult(Outcome.UNKNOWN, 0, "timeout")
NOBODY = CallResult(Outcome.NOT_SENT, 0, "connect-failed")
LOOSE = (
    "INSERT INTO inventory.gremlins (name, kind, routes, probability, delay_ms, jitter_ms, status,"
    " started_by, expires_at)"
    " VALUES ('latency', 'latency', '{*}', 1, 9, 0, 503, 'me', now() + interval '1 hour')"
)
ACTIONS = {
    "order": {"key": "k" * 32, "quantity": "1", "product_id": "PROD-001"},
    "cancel": {"order_id": ORDER_ID},
    "gremlin": {"switch": "on:inventory:latency"},
    "gremlin off": {"switch": "off:inventory:latency"},
    "calm": {},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def loose(module_database):
    """A gremlin to call off."""
    connection = await asyncpg.connect(module_database)
    await connection.execute(LOOSE)
    await connection.close()


@pytest.fixture
def toast_of(browser, wire):
    """`await toast_of(action, answer)`: the toast, and the id of the dashboard's own trace."""

    async def act(action, answer):
        wire.begin(answer)
        for panel, known in (("bar", "Slow request"), ("products", "Glass lantern")):
            while known not in await text(browser, f"/panels/{panel}"):
                await asyncio.sleep(0.05)
        form = {**ACTIONS[action], "csrf": await token(browser)}
        async with browser.post(f"/actions/{action.split()[0]}", data=form) as response:
            assert response.status == 200
            assert wire.asked
            return await response.text(), response.headers["X-Trace-Id"]

    return act


def link(toast):
    found = re.search(r'href="/traces/([0-9a-f]{32})"', toast)
    return found[1] if found else None


@pytest.mark.parametrize("answer", [DONE, REFUSED, BROKEN], ids=["done", "refused", "broken"])
@pytest.mark.parametrize("action", ACTIONS)
async def test_a_toast_leads_to_the_trace_of_its_action(toast_of, action, answer):
    toast, _ = await toast_of(action, answer)
    assert link(toast) == TRACE


@pytest.mark.parametrize("action", ACTIONS)
async def test_without_a_response_it_leads_to_the_trace_that_was_sent_to_the_service(
    toast_of, action
):
    toast, own = await toast_of(action, SILENT)
    assert link(toast) == own


async def test_a_request_that_was_never_sent_has_no_trace_to_lead_to(toast_of):
    toast, _ = await toast_of("order", NOBODY)
    assert "Nothing was done" in toast
    assert link(toast) is None


async def test_an_order_s_toast_leads_to_the_order_too(toast_of):
    placed = CallResult(Outcome.OK, 201, body=ORDERED, trace_id=TRACE)
    toast, _ = await toast_of("order", placed)
    assert f'href="/orders/{ORDER_ID}"' in toast
    assert "1 × Glass lantern, 99.99" in toast  # noqa: RUF001 - as the page writes it
