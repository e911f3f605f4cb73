"""Traces are found by what matters, the remarkable ones last longer, and all of it is bounded."""

import pytest

from observatory import limits
from observatory.limits import LossCounts
from observatory.store.model import Link, StoredSpan, pack
from observatory.store.slowest import MOST
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from observatory.store.traces import TraceStore
from tests.observatory.samples import TRACE, keep, line, span, trace_id


def found(memory: TelemetryStore, **query: object) -> list[str]:
    return [row.trace_id for row in memory.find(TraceQuery(**query))]


def answered(status: int, route: str = "/orders") -> tuple[tuple[str, str], ...]:
    return (("http.route", route), ("http.response.status_code", str(status)))


HOUR_MS = 3_600_000
BITTEN = (("valerix.gremlin.name", "sleepy"), ("valerix.gremlin.kind", "latency"))


@pytest.fixture
def shop(memory: TelemetryStore) -> dict[str, str]:
    """One trace of each kind; their ids by name."""
    ids = {name: trace_id() for name in ("plain", "slow", "slower", "failed", "bitten")}
    keep(
        memory,
        span(ids["plain"], attributes=answered(201)),
        span(ids["slow"], ms=(1, 1_500), attributes=answered(200, "/products")),
        span(ids["slower"], ms=(2, 2_500), service="payment-service"),
        span(ids["failed"], ms=(3, 4), failed=True, attributes=answered(503)),
        span(ids["bitten"], ms=(4, 5), attributes=(*answered(202), *BITTEN)),
    )
    return ids


def test_what_ended_before_a_moment_can_be_left_out(memory: TelemetryStore, shop: dict[str, str]):
    ends = {each.trace_id: each.end_ns for each in memory.traces.newest()}
    since = ends[shop["slow"]]
    assert found(memory, since_ns=since) == [shop["slower"], shop["slow"]]
    assert found(memory, kind="slowest", since_ns=since) == [shop["slower"], shop["slow"]]
    assert found(memory, kind="failed", since_ns=since) == []


def test_each_list_shows_its_own(memory: TelemetryStore, shop: dict[str, str]):
    assert found(memory) == list(reversed(shop.values()))
    assert found(memory, kind="slowest")[:2] == [shop["slower"], shop["slow"]]
    assert found(memory, kind="failed") == [shop["failed"]]
    assert found(memory, kind="bitten") == [shop["bitten"]]
    assert found(memory, limit=2) == [shop["bitten"], shop["failed"]]


def test_filters_can_be_combined(memory: TelemetryStore, shop: dict[str, str]):
    assert found(memory, service="payment-service") == [shop["slower"]]
    assert found(memory, route="/products") == [shop["slow"]]
    assert found(memory, outcome="5xx") == [shop["failed"]]
    assert found(memory, gremlin="sleepy") == [shop["bitten"]]
    assert found(memory, kind="bitten", outcome="2xx", route="/orders") == [shop["bitten"]]
    assert found(memory, kind="failed", gremlin="sleepy") == []
    assert found(memory, kind="slowest", service="order-service", limit=1) == [shop["slow"]]
    assert found(memory, service="nobody") == []


def test_the_choices_are_what_there_is(memory: TelemetryStore, shop: dict[str, str]):
    choices = memory.choices()
    assert choices.services == (("order-service", 4), ("payment-service", 1))
    assert dict(choices.outcomes) == {"2xx": 4, "5xx": 1}
    assert choices.gremlins == (("sleepy", 1),)
    assert ("/products", 1) in choices.routes


def test_a_trace_is_found_by_its_order_in_any_spelling(memory: TelemetryStore):
    order = "0B0E6F5E-1111-4222-8333-944455556666"
    keep(memory, span(attributes=(("valerix.order.id", order),)))
    other = trace_id()
    keep(memory, span(other), line(trace_id=other, attributes=(("order_id", order.lower()),)))
    assert set(found(memory, order_id=order.lower())) == {TRACE, other}
    assert found(memory, order_id=order) == found(memory, order_id=order.lower())


def test_the_first_request_stands_for_its_trace_in_whatever_order_spans_arrive(
    memory: TelemetryStore,
):
    root, call, served = (f"{number:016x}" for number in (1, 2, 3))
    spans = [
        span(span_id=served, parent_id=call, service="inventory-service", name="POST /reserve"),
        span(span_id=call, parent_id=root, kind=3, failed=True, ms=(0, 2_000)),
        span(span_id=root, ms=(0, 2_100), attributes=answered(202)),
    ]
    keep(memory, spans[0])
    assert memory.find(TraceQuery())[0].complete is False
    keep(memory, *spans[1:])
    row = memory.find(TraceQuery())[0]
    assert (row.name, row.status, row.outcome, row.duration_ms) == (
        "POST /orders",
        202,
        "2xx",
        2100,
    )
    assert (row.spans, row.errors, row.failed, row.slow, row.complete) == (3, 1, True, True, True)
    assert row.services == ("inventory-service", "order-service")


def test_work_after_the_answer_does_not_make_a_trace_slow(memory: TelemetryStore):
    keep(memory, span(span_id="1" * 16), span(parent_id="1" * 16, ms=(5, 3_000)))
    row = memory.find(TraceQuery())[0]
    assert (row.slow, row.duration_ms) == (False, 10)


def test_a_request_of_somebody_else_s_trace_took_as_long_as_its_own_answer(memory: TelemetryStore):
    caller = "9" * 16  # sends its spans nowhere
    keep(
        memory,
        span(span_id="1" * 16, parent_id=caller, ms=(0, 10), attributes=answered(202)),
        span(parent_id="1" * 16, ms=(5, 3_000)),
    )
    row = memory.find(TraceQuery())[0]
    assert (row.slow, row.duration_ms) == (False, 10)


def test_a_cut_connection_is_an_outcome_of_its_own(memory: TelemetryStore):
    keep(memory, span(attributes=answered(0), failed=True))
    assert found(memory, outcome="cut") == [TRACE]


def test_a_span_sent_twice_counts_once(memory: TelemetryStore):
    twice = span(failed=True)
    keep(memory, twice, twice)
    assert (memory.find(TraceQuery())[0].errors, memory.losses.duplicates) == (1, 1)


def test_linked_traces_and_those_of_the_same_order_are_related(memory: TelemetryStore):
    reconciled, earlier, other = trace_id(), trace_id(), trace_id()
    order = (("valerix.order.id", "an-order"),)
    keep(
        memory,
        span(TRACE, attributes=order),
        span(reconciled, name="reconcile order", links=(Link(TRACE, "1" * 16),), ms=(50, 60)),
        span(earlier, attributes=order, ms=(-9, -8)),
        span(other),
    )
    assert [row.trace_id for row in memory.trace(TRACE).related] == [earlier, reconciled]
    assert [row.trace_id for row in memory.trace(reconciled).related] == [TRACE]
    assert memory.trace(other).related == ()


def test_an_unknown_trace_is_none(memory: TelemetryStore):
    assert memory.trace("0" * 32) is None
    assert memory.trace("<script>") is None


def fill(store: TraceStore, count: int, **fields: object) -> list[StoredSpan]:
    spans = [span(trace_id(), **fields) for _ in range(count)]
    for made in spans:
        store.add(made, pack(made))
    return spans


def test_ordinary_traces_push_out_only_each_other():
    losses = LossCounts()
    store = TraceStore(losses, limit=200_000)
    remarkable = [
        fill(store, 1, failed=True)[0],
        fill(store, 1, ms=(0, 1_001))[0],
        fill(store, 1, attributes=BITTEN)[0],
    ]
    ordinary = fill(store, 1, ms=(0, 5)) + fill(store, 999)
    assert store.used_bytes <= 200_000
    assert all(store.get(made.trace_id) for made in remarkable)
    assert store.get(ordinary[0].trace_id) is None
    assert store.get(ordinary[-1].trace_id) is not None
    assert losses.traces_evicted == losses.spans_evicted == 1_003 - len(store)


def test_the_slowest_of_each_hour_and_first_request_stay_when_all_are_slow():
    store = TraceStore(LossCounts(), limit=500_000)
    early, late = (0, 3_000), (HOUR_MS, HOUR_MS + 2_000)
    slowest = [fill(store, MOST, name=name, ms=ms) for name in "ab" for ms in (early, late)]
    displaced = fill(store, 1, ms=(0, 1_800))[0]
    fill(store, MOST, ms=(0, 1_900))
    fill(store, 1_000, ms=(2 * HOUR_MS, 2 * HOUR_MS + 1_500))
    assert store.used_bytes <= 500_000
    assert all(store.get(made.trace_id) for group in slowest for made in group)
    assert store.get(displaced.trace_id) is None


def test_what_was_broken_on_purpose_pushes_out_nothing_that_broke_by_itself():
    store = TraceStore(LossCounts(), limit=200_000)
    genuine = fill(store, 1, failed=True)[0]
    fill(store, 1_000, failed=True, attributes=BITTEN)
    assert store.get(genuine.trace_id) is not None


def test_what_is_evicted_is_found_nowhere_any_more():
    store = TraceStore(LossCounts(), limit=100_000)
    for number in range(500):
        fill(store, 1, service=f"service-{number}", ms=(0, number))
    kept = {trace.trace_id for trace in store.newest()}
    assert {trace.trace_id for trace in store.slowest()} == kept
    assert sum(count for _, count in store.choices("service", 1_000)) == len(kept)


def test_a_trace_without_end_is_cut_and_says_so(memory: TelemetryStore):
    for _ in range(limits.SPANS_PER_TRACE + 5):
        keep(memory, span())
    view = memory.trace(TRACE)
    assert (len(view.spans), view.left_out) == (limits.SPANS_PER_TRACE, 5)
    assert memory.losses.spans_over_trace == 5


def test_a_trace_of_a_thousand_orders_is_found_by_the_first_of_them(memory: TelemetryStore):
    for number in range(1_000):
        keep(memory, span(attributes=(("valerix.order.id", f"order-{number}"),)))
    assert len(memory.trace(TRACE).head.orders) < limits.KEYS_PER_TRACE
    assert found(memory, order_id="order-0") == [TRACE]
    assert memory.losses.clipped > 900
