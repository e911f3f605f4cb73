"""An order names its traces; one that nobody keeps any more is said to be gone, not linked."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from frontend.orders.panels import gone_traces, story_panel
from frontend.web.formatting import utc_now
from observatory.sources.down import Down
from observatory.sources.protocols import TraceList
from observatory.store.results import TraceRow
from tests.frontend.samples import DETAILS, show

AGO = timedelta(minutes=10)
OLD = replace(
    DETAILS,
    order=replace(DETAILS.order, created_at=utc_now() - AGO, trace_id="t1"),
    steps=tuple(replace(step, at=utc_now() - AGO) for step in DETAILS.steps),
)


def kept(*trace_ids: str) -> TraceList:
    """A list with these traces."""
    at = datetime.now(UTC)
    return TraceList(
        tuple(
            TraceRow(
                each,
                at,
                1.0,
                "order-service",
                "POST /orders",
                "/orders",
                201,
                "confirmed",
                spans=1,
                errors=0,
                services=("order-service",),
                failed=False,
                slow=False,
                gremlins=(),
                orders=(),
                complete=True,
                broken=False,
            )
            for each in trace_ids
        )
    )


def test_a_trace_that_is_not_kept_is_gone():
    assert gone_traces(OLD, kept("t1", "t3")) == {"t2"}


def test_of_a_young_order_nothing_is_gone_yet():
    young = replace(OLD, steps=tuple(replace(step, at=utc_now()) for step in OLD.steps))
    assert gone_traces(young, kept()) == frozenset()


def test_of_a_source_that_is_down_nothing_is_known():
    assert gone_traces(OLD, Down("away", utc_now(), "")) == frozenset()
    assert gone_traces(Down("away", utc_now(), ""), kept()) == frozenset()


def test_the_page_says_so_in_place_of_a_link():
    html = show(story_panel(UUID(OLD.order.order_id), OLD, frozenset({"t2"})))
    assert "t2, no longer kept" in html
    assert 'href="/traces/t2"' not in html
    assert 'href="/traces/t1"' in html
