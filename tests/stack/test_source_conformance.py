"""One suite for both sources of the dashboard: equal queries have equal results."""

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from fleet.programs import JAEGER, LOKI
from observatory.sources.down import Down
from observatory.store.logs import LogQuery
from observatory.store.span_tree import PlacedSpan
from observatory.store.trace_search import TraceQuery
from tests.stack.both import (
    MISSING,
    SLOW_MS,
    Shop,
    Watched,
    found,
    is_down,
    lights_agree,
    messages,
    until,
    watching,
    whole,
)
from topology import NAMES, SERVICES, find

# What an order by card goes through, and its events after it.
TAKE_PART = {NAMES[key] for key in ("order", *find("order").calls)} | {
    each.name for each in SERVICES if each.is_background
}
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)}"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(module_database):
    with tempfile.TemporaryDirectory(prefix="valerix-both-", ignore_cleanup_errors=True) as folder:
        async with watching(module_database, Path(folder)) as shop:
            yield shop


@pytest.fixture(params=["embedded", "stack"])
def watched(request, shop: Shop) -> Watched:
    return shop.watched[request.param]


# ---- metrics ------------------------------------------------------------------------------------


async def test_the_light_sees_orders(shop, watched):
    """The light reads the last 30 s, so this comes first."""

    async def counted():
        traffic = watched.source.traffic("order")
        return not isinstance(traffic, Down) and traffic.requests >= 1 and traffic

    for _ in range(3):
        assert (await shop.place())[0] == 201
    traffic = await until(counted)
    assert 0 < traffic.average_s < 4
    assert traffic.errors == 0


async def test_both_lights_agree(shop):
    # One slow order that is at an end of a window is in one of the two for up to four seconds.
    assert await until(lambda: lights_agree(shop), within_s=6)


async def test_stock_is_what_the_inventory_service_has(shop, watched):
    async def known():
        # Asked again and again: a confirmed order's units are sold a moment later.
        _, body = shop.fleet.ask("GET", "inventory", "/inventory/PROD-001")
        stock = watched.source.stock()
        units = {} if isinstance(stock, Down) else stock["PROD-001"]
        return stock if units and units == {key: body[key] for key in units} else None

    stock = await until(known)
    assert stock["PROD-001"]["sold"] >= len(shop.done.good) + 2
    assert set(stock) == {"PROD-001", "PROD-002", "PROD-003"}


async def test_bites_failures_and_charts_are_of_this_shop(shop, watched):
    assert watched.source.bites("inventory") == {"latency-here": 1}
    assert watched.source.bites("payment")["error-here"] >= 1
    assert watched.source.failures("payment", shop.done.began, time.time()) >= 1
    # Its one caller gave up on it.
    assert watched.source.failures("inventory", shop.done.began, time.time()) == 1
    assert watched.source.failures("wallet", shop.done.began, time.time()) == 0
    points = watched.source.points("order", [time.time() - 2])
    assert points[0].rate is not None
    assert [p for p in watched.source.points("order", range(int(shop.done.began), int(time.time())))
            if p.p50 is not None]  # fmt: skip


async def test_a_dot_on_a_chart_leads_to_a_trace_that_is_there(shop, watched):
    exemplars = watched.source.exemplars("order", shop.done.began - 10, time.time() + 10)
    assert exemplars
    for exemplar in exemplars:
        assert await until(partial(whole, watched, exemplar.trace_id))


# ---- traces -------------------------------------------------------------------------------------


async def test_lists_show_the_traces_of_their_kind(shop, watched):
    done = shop.done
    await until(partial(whole, watched, done.failed))
    recent = await found(watched, limit=200)
    assert {*done.good, done.bitten, done.failed} <= set(recent)
    assert recent.index(done.bitten) < recent.index(done.good[0])
    assert (await found(watched, kind="slowest", limit=1))[0] in await found(watched, kind="bitten")
    assert done.bitten in await found(watched, kind="bitten")
    assert done.failed in await found(watched, kind="failed")
    assert not set(done.good) & set(await found(watched, kind="failed"))


async def test_filters_find_matching_traces_only(shop, watched):
    done = shop.done
    for wanted, there, absent in (
        ({"order_id": done.bitten_order}, done.bitten, done.failed),
        ({"gremlin": "latency-here"}, done.bitten, done.failed),
        ({"gremlin": "error-here"}, done.failed, done.bitten),
        ({"service": "payment-service"}, done.good[0], done.bitten),
        ({"route": "/payments"}, done.good[0], done.bitten),
        ({"outcome": "2xx"}, done.good[0], "none"),
        ({"kind": "bitten", "service": "payment-service"}, done.failed, done.bitten),
        ({"kind": "failed", "route": "/orders"}, done.failed, done.good[0]),
        ({"trace_id": done.failed[:12]}, done.failed, done.bitten),
        ({"span_name": "post /payments"}, done.good[0], done.bitten),
        ({"attributes": (("valerix.gremlin.name", "latency-here"),)}, done.bitten, done.failed),
        (
            {"attributes": (("http.route", "/orders"), ("valerix.gremlin.kind", "error"))},
            done.failed,
            done.bitten,
        ),
    ):
        ids = await found(watched, limit=200, **wanted)
        assert there in ids, wanted
        assert absent not in ids, wanted
    assert await found(watched, order_id="none") == []
    assert await found(watched, service="nobody") == []
    assert (await watched.evidence.trace("ab" * 16)).waterfall is None


async def test_a_trace_is_whole_with_its_lines_in_place(shop, watched):
    view = await until(partial(whole, watched, shop.done.good[0], spans=8))
    assert view.head.name == "POST /orders"
    assert view.head.outcome == "2xx"
    assert set(view.head.services) == TAKE_PART
    assert view.spans[0].depth == 0

    async def with_lines():
        view = await whole(watched, shop.done.good[0], spans=8)
        return (
            view
            if ("order CONFIRMED", view.spans[0].span.span_id)
            in [(line.message, line.span_id) for line in view.lines]
            else None
        )

    view = await until(with_lines)
    assert "reconcile order" in {row.name for row in view.related}


async def test_a_bite_is_marked_where_it_was(shop, watched):
    view = await until(partial(whole, watched, shop.done.bitten, spans=4))
    bitten = [placed.span for placed in view.spans if placed.span.gremlins]
    assert [(span.service, span.gremlins) for span in bitten] == [
        ("inventory-service", ("latency-here",))
    ]
    assert "gremlin bite" in [event.name for event in bitten[0].events]
    assert view.head.orders == (shop.done.bitten_order,)
    assert SLOW_MS > view.head.duration_ms > 1000


async def test_both_show_the_same_waterfall(shop):
    one, other = [
        await until(partial(whole, watched, shop.done.good[0], spans=8))
        for watched in shop.watched.values()
    ]
    assert (one.head.spans, one.head.name, one.end_ns - one.start_ns) == (
        other.head.spans, other.head.name, other.end_ns - other.start_ns
    )  # fmt: skip
    for placed, same in zip(one.spans, other.spans, strict=True):
        assert sorted(placed.span.attributes) == sorted(same.span.attributes)
        assert row_of(placed) == row_of(same)
    shown, also = (
        sorted((line.span_id, line.message) for line in each.lines) for each in (one, other)
    )
    assert shown == also


def row_of(placed: PlacedSpan) -> tuple[object, ...]:
    """Everything that a row shows, but for the order of its attributes."""
    span = replace(placed.span, attributes=(), links=())
    return span, placed.depth, placed.mark, placed.self_ns, placed.critical


# ---- logs ---------------------------------------------------------------------------------------


async def test_the_tail_finds_lines_by_everything(shop, watched):
    done = shop.done
    await until(partial(messages, watched, text="payment SUCCEEDED"))
    for wanted, there, absent in (
        ({"service": "payment-service"}, "payment SUCCEEDED", "order CONFIRMED"),
        ({"text": "order confirmed"}, "order CONFIRMED", "payment SUCCEEDED"),
        ({"text": done.bitten_order}, "order CONFIRMED", "GET /inventory/{product_id}"),
        ({"text": "latency-here"}, "gremlin started", "payment SUCCEEDED"),
        ({"level": "WARNING"}, "gremlin started", "order CONFIRMED"),
        ({"text": "gremlin=latency-here started"}, "gremlin started", "order CONFIRMED"),
        ({"trace_id": done.good[0]}, "order CONFIRMED", "gremlin started"),
    ):
        lines = await messages(watched, **wanted)
        assert there in lines, wanted
        assert absent not in lines, wanted
    assert await messages(watched, text="no such text anywhere") == []
    assert await messages(watched, trace_id="ab" * 16) == []


async def test_lines_come_in_order_with_numbers_that_the_trace_s_page_knows(shop, watched):
    view = await until(partial(whole, watched, shop.done.good[0], spans=8))
    tail = await watched.evidence.tail(LogQuery(trace_id=shop.done.good[0]))
    assert [line.sequence for line in tail.lines] == sorted(line.sequence for line in tail.lines)
    in_place = {line.sequence: line.message for line in view.lines}
    assert {line.sequence: line.message for line in tail.lines} == in_place


async def test_what_can_be_chosen_is_what_there_is(watched):
    choices = await watched.evidence.choices()
    assert TAKE_PART <= {name for name, _ in choices.services} <= set(NAMES.values())
    assert "/orders" in dict(choices.routes)
    assert {"latency-here", "error-here"} <= set(dict(choices.gremlins))
    writers = {name for name, _ in await watched.evidence.writers()}
    # A consumer has nothing to say of an event that it took.
    assert {NAMES["order"], NAMES["payment"]} <= writers <= set(NAMES.values())


# ---- when something is gone ---------------------------------------------------------------------


async def test_a_store_that_hangs_is_down_and_comes_back(shop):
    evidence = shop.watched["stack"].evidence
    for program, ask in (
        (JAEGER, lambda: evidence.find(TraceQuery(limit=7))),
        (LOKI, lambda: evidence.tail(LogQuery(limit=7))),
    ):
        shop.stores.pause(program)
        try:
            began = time.monotonic()
            down = await ask()
            assert time.monotonic() - began < 2.5
            assert isinstance(down, Down)
            assert down.reason == f"{program.key.capitalize()} does not answer in time"
        finally:
            shop.stores.resume(program)

        while isinstance(await ask(), Down):
            await asyncio.sleep(0.2)


async def test_a_service_that_is_gone_is_down_and_no_old_number_is_shown(shop):
    shop.fleet.kill("payment")

    for watched in shop.watched.values():
        await until(partial(is_down, watched), within_s=12)
        assert not isinstance(watched.source.traffic("order"), Down)
        assert watched.source.points("payment", [time.time()])[0].rate is None

    shop.fleet.start("payment")
    for watched in shop.watched.values():
        while await is_down(watched):
            await asyncio.sleep(0.2)
