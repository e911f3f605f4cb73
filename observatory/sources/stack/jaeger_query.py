"""Chooses Jaeger's query for a list of traces: small enough to be quick, large enough; pure."""

from msgspec import Struct

from observatory.store.index import Key
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery

# A filter that Jaeger cannot apply is applied here to this many: 4 MiB, read in 0.1 s.
MOST = 200
# Jaeger does not sort by duration: the newest that took at least so long, from each class.
_LEAST_S = (0.0, 0.05, 0.25, 1.0, 2.5)


class JaegerSearch(Struct, frozen=True):
    """One condition for Jaeger; each trace found has `key` if Jaeger applies attributes. With
    several `least_s`, one query each."""

    most: int
    service: str = ""
    attributes: dict[str, str] = {}
    key: Key | None = None
    least_s: tuple[float, ...] = (0.0,)
    since_ns: int = 0
    until_ns: int = 0


def search_for(query: TraceQuery) -> JaegerSearch:
    """The one condition that leaves least: Jaeger would want several of them on one span, where
    our filters are about the whole trace. The others are applied to what it returns."""
    conditions = _conditions(query)
    slowest = query.kind == "slowest"
    since_ns, until_ns = query.since_ns, query.until_ns
    if conditions:
        key, name = conditions[0]
        others = len(conditions) > 1 or slowest or bool(query.service or query.outcome)
        most = MOST if others or is_read_here(query) else query.limit
        attributes = {name: _VALUES.get(key, key[1])}
        return JaegerSearch(
            most,
            attributes=attributes,
            # What a trace is found by here has no attributes of any name.
            key=None if key[0] == _ANY else key,
            least_s=(query.least_ns / 1e9,),
            since_ns=since_ns,
            until_ns=until_ns,
        )
    most = MOST if query.outcome or is_read_here(query) else query.limit
    least_s = tuple(sorted({max(each, query.least_ns / 1e9) for each in _LEAST_S}))
    return JaegerSearch(
        most,
        service=query.service,
        least_s=least_s if slowest else least_s[:1],
        since_ns=since_ns,
        until_ns=until_ns,
    )


def is_read_here(query: TraceQuery) -> bool:
    """Whether the query has what Jaeger does not know: a part of a name or of an id, and how long
    the trace took, where it looks at each span."""
    return bool(query.span_name or query.trace_id or query.least_ns)


_ANY = "attribute"
# Values that Jaeger spells differently.
_VALUES: dict[Key, str] = {("class", "bitten"): "true", ("class", "failed"): "true"}


def _conditions(query: TraceQuery) -> list[tuple[Key, str]]:
    """What a matching trace has, each with Jaeger's attribute for it; the rarest first."""
    failed = query.kind == "failed" or query.outcome in ("5xx", "cut")
    found = [
        (("order", query.order_id.lower()), "valerix.order.id"),
        *(((_ANY, value), name) for name, value in query.attributes),
        (("gremlin", query.gremlin), "valerix.gremlin.name"),
        (("class", "bitten" if query.kind == "bitten" else ""), "valerix.gremlin.bit"),
        (("class", "failed" if failed else ""), "error"),
        (("route", query.route), "http.route"),
    ]
    return [each for each in found if each[0][1]]


def ignored_attributes(search: JaegerSearch, store: TelemetryStore) -> bool:
    """Whether Jaeger returned traces that do not match, because it ignored the attributes."""
    key = search.key
    return key is not None and any(key not in trace.keys for trace in store.traces.newest())
