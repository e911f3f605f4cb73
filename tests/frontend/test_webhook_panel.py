"""The panel of webhooks: endpoints, what is dead there and why, and the replay."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from frontend.events import presenter
from frontend.events.panels import webhooks_panel
from services.events.webhook_sender.contract import (
    DeliveryPage,
    DeliveryView,
    EndpointList,
    EndpointView,
)
from tests.frontend.samples import DOWN, HOSTILE, LOCKED, NOW, show

PAYMENT = UUID(int=7)
ENDPOINT = EndpointView(
    endpoint_id=UUID(int=8),
    merchant_id="m1",
    url=f"http://x.y/{HOSTILE}",
    types=["payment.failed"],
    created_at=NOW,
    disabled_at=None,
    disabled_because=None,
    waiting=1,
    failing=0,
    failing_because=None,
    sent=1234,
    dead=1,
)
DEAD = DeliveryView(
    delivery_id=5,
    endpoint_id=UUID(int=8),
    merchant_id="m1",
    url=ENDPOINT.url,
    is_disabled=False,
    event_id=UUID(int=9),
    payment_id=PAYMENT,
    type="payment.failed",
    state="DEAD",
    attempts=31,
    next_attempt_at=None,
    last_status=500,
    last_reason=HOSTILE,
    created_at=NOW,
    ended_at=NOW - timedelta(hours=1),
    trace_id=None,
)


def test_a_dead_delivery_has_its_reason_its_payment_and_a_replay():
    view = presenter.webhooks(EndpointList([ENDPOINT]), DeliveryPage([DEAD], None))
    html = show(webhooks_panel(view))
    assert f'href="/payments/{PAYMENT}"' in html
    assert "after 31 attempts" in html
    assert html.count(">Replay<") == 1
    assert "<script>" not in html
    assert "disabled" in show(webhooks_panel(view), visitor=LOCKED)


def test_what_nobody_wants_any_more_has_no_replay():
    gone = msgspec.structs.replace(ENDPOINT, disabled_at=NOW, disabled_because="it was removed")
    dead = msgspec.structs.replace(DEAD, is_disabled=True)
    html = show(
        webhooks_panel(presenter.webhooks(EndpointList([gone]), DeliveryPage([dead], None)))
    )
    assert "it was removed" in html
    assert ">Replay<" not in html


@pytest.mark.parametrize(
    ("counts", "state", "word"),
    [
        ({"sent": 3, "waiting": 1}, "good", ""),
        ({"waiting": 6}, "none", "nothing was sent yet"),
        ({"waiting": 6, "failing": 6}, "failed", "fails: connect-failed"),
        ({"sent": 3, "waiting": 2, "failing": 1}, "degraded", "fails: connect-failed"),
        ({"sent": 3, "dead": 1}, "degraded", ""),
        ({"dead": 1}, "failed", ""),
    ],
)
def test_an_endpoint_is_good_where_something_arrives_and_nothing_fails(
    counts: dict[str, int], state: str, word: str
):
    whole = {"sent": 0, "waiting": 0, "dead": 0, **counts}
    found = msgspec.structs.replace(
        ENDPOINT, failing_because="connect-failed" if counts.get("failing") else None, **whole
    )
    (row,) = presenter.webhooks(EndpointList([found]), DeliveryPage([], None)).endpoints
    assert (row.state, row.word) == (state, word)


def test_without_endpoints_the_panel_shows_how_to_begin():
    empty = presenter.webhooks(EndpointList([]), DeliveryPage([], None))
    assert "valerix webhooks add" in show(webhooks_panel(empty))
    assert DOWN.reason in show(webhooks_panel(DOWN))
