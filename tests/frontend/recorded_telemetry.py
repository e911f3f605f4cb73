"""A memory of what services sent: an order that a gremlin bit, and a trace of hostile text."""

from observatory.store.model import Event, Link
from observatory.store.store import TelemetryStore
from tests.observatory.samples import MS, NOW_NS, keep, line, span

ORDER_TRACE, RECONCILER_TRACE, EVIL_TRACE = "0a" * 16, "0b" * 16, "0c" * 16
ORDER_ID = "75fd3bcd-6421-4ae4-9636-73f8a98ff710"
EVIL = "<script>alert(1)</script>'\"&\x1b[31m\u202e</text></svg>"
PLACE, CALL, RESERVE = "1" * 16, "2" * 16, "3" * 16
BITE = (("valerix.gremlin.name", "latency"), ("valerix.gremlin.kind", "latency"))


def recorded() -> TelemetryStore:
    """Both traces, and the reconciler's."""
    memory = TelemetryStore()
    keep(memory, *_order(), *_order_lines(), *_reconciler(), *_evil())
    return memory


def _order():
    about = ("valerix.order.id", ORDER_ID)
    yield span(
        ORDER_TRACE,
        span_id=PLACE,
        parent_id="f" * 16,
        ms=(0, 2050),
        attributes=(("http.route", "/orders"), ("http.response.status_code", "202"), about),
    )
    yield span(
        ORDER_TRACE,
        span_id=CALL,
        parent_id=PLACE,
        ms=(20, 2020),
        kind=3,
        name="POST /inventory/reserve",
        failed=True,
        error="timeout",
    )
    yield span(
        ORDER_TRACE,
        span_id=RESERVE,
        parent_id=CALL,
        ms=(30, 2020),
        service="inventory-service",
        name="POST /inventory/reserve",
        attributes=(("http.response.status_code", "499"), *BITE),
        events=(Event(NOW_NS + 31 * MS, "gremlin bite", (("kind", "latency"),)),),
    )
    yield span(
        ORDER_TRACE,
        span_id="4" * 16,
        parent_id=PLACE,
        ms=(5, 12),
        kind=3,
        name="INSERT orders.orders",
        attributes=(("db.query.text", "INSERT INTO orders.orders"),),
    )


def _order_lines():
    yield line(
        "POST /inventory/reserve",
        trace_id=ORDER_TRACE,
        span_id=RESERVE,
        at_ns=NOW_NS + 2020 * MS,
        service="inventory-service",
        attributes=(("service", "inventory-service"), ("status", "499"), ("gremlin", "latency")),
    )
    yield line(
        "handed over to the reconciler",
        trace_id=ORDER_TRACE,
        span_id=PLACE,
        at_ns=NOW_NS + 2030 * MS,
        level="WARNING",
        severity=13,
    )


def _reconciler():
    yield span(
        RECONCILER_TRACE,
        ms=(4000, 4200),
        name="reconcile order",
        kind=1,
        attributes=(("valerix.order.id", ORDER_ID),),
        links=(Link(ORDER_TRACE, PLACE),),
    )


def _evil():
    yield span(
        EVIL_TRACE,
        span_id="5" * 16,
        ms=(0, 3),
        service=EVIL,
        instance=EVIL,
        name=EVIL,
        failed=True,
        error=EVIL,
        attributes=(
            ("http.route", EVIL),
            ("valerix.order.id", EVIL),
            ("valerix.gremlin.name", EVIL),
            (EVIL, EVIL + "x" * 5000),
        ),
        events=(Event(NOW_NS, "gremlin" + EVIL, ((EVIL, EVIL),)),),
        marks=(EVIL,),
        resource=((EVIL, EVIL),),
    )
    yield line(
        EVIL,
        trace_id=EVIL_TRACE,
        span_id="5" * 16,
        service=EVIL,
        level="ERROR",
        severity=17,
        attributes=(("exception", EVIL), ("gremlin", EVIL), (EVIL, EVIL)),
    )
