"""One condition for Jaeger, the one that leaves least; the rest is picked out here."""

import pytest

from observatory.sources.stack.jaeger_query import MOST, ignored_attributes, search_for
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.samples import keep, span


@pytest.mark.parametrize(
    ("wanted", "attributes", "service", "most"),
    [
        ({}, {}, "", 50),
        ({"service": "order-service"}, {}, "order-service", 50),
        ({"outcome": "4xx"}, {}, "", MOST),
        ({"order_id": "ABC"}, {"valerix.order.id": "abc"}, "", 50),
        ({"gremlin": "slow"}, {"valerix.gremlin.name": "slow"}, "", 50),
        ({"kind": "bitten"}, {"valerix.gremlin.bit": "true"}, "", 50),
        ({"kind": "failed"}, {"error": "true"}, "", 50),
        ({"outcome": "5xx"}, {"error": "true"}, "", MOST),
        ({"outcome": "cut"}, {"error": "true"}, "", MOST),
        ({"route": "/orders"}, {"http.route": "/orders"}, "", 50),
        ({"route": "/orders", "service": "a"}, {"http.route": "/orders"}, "", MOST),
        ({"kind": "bitten", "order_id": "abc"}, {"valerix.order.id": "abc"}, "", MOST),
        ({"kind": "failed", "gremlin": "slow"}, {"valerix.gremlin.name": "slow"}, "", MOST),
        ({"kind": "slowest", "route": "/orders"}, {"http.route": "/orders"}, "", MOST),
    ],
)
def test_the_rarest_condition_is_asked_for(wanted, attributes, service, most):
    search = search_for(TraceQuery(**wanted))
    assert (search.attributes, search.service, search.most) == (attributes, service, most)
    assert search.least_s == (0.0,)


def test_the_slowest_are_looked_for_from_each_class_of_time():
    search = search_for(TraceQuery(kind="slowest", service="payment-service"))
    assert search.service == "payment-service"
    assert len(search.least_s) > 1
    assert {0.0, 1.0} <= set(search.least_s)


def test_what_was_not_asked_for_shows_that_jaeger_overlooked_the_question():
    order = (("valerix.order.id", "abc"),)
    memory = TelemetryStore()
    keep(memory, span("0a" * 16, attributes=order), span("0b" * 16, attributes=order))
    search = search_for(TraceQuery(order_id="abc"))
    assert not ignored_attributes(search, memory)
    keep(memory, span("0c" * 16))
    assert ignored_attributes(search, memory)
    assert not ignored_attributes(search_for(TraceQuery()), memory)
    assert not ignored_attributes(search, TelemetryStore())
