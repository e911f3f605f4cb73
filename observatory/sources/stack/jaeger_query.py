"""Chooses Jaeger's query for a list of traces: small enough to be quick, large enough; pure."""

from msgspec import Struct

from observatory.store.index import Key
from observatory.store.store import TelemetryStore, TraceQuery

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


def search_for(query: TraceQuery) -> JaegerSearch:
    """The one condition that leaves least: Jaeger would want several of them on one span, where
    our filters are about the whole trace. The others are applied to what it returns."""
    conditions = _conditions(query)
    slowest = query.kind == "slowest"
    if conditions:
        key, name = conditions[0]
        others = len(conditions) > 1 or slowest or bool(query.service or query.outcome)
        most = MOST if others else query.limit
        attributes = {name: _VALUES.get(key, key[1])}
        return JaegerSearch(most, attributes=attributes, key=key, since_ns=query.since_ns)
    most = MOST if query.outcome else query.limit
    least_s = _LEAST_S if slowest else (0.0,)
    return JaegerSearch(most, service=query.service, least_s=least_s, since_ns=query.since_ns)


# Values that Jaeger spells differently.
_VALUES: dict[Key, str] = {("class", "bitten"): "true", ("class", "failed"): "true"}


def _conditions(query: TraceQuery) -> list[tuple[Key, str]]:
    """What a matching trace has, each with Jaeger's attribute for it; the rarest first."""
    failed = query.kind == "failed" or query.outcome in ("5xx", "cut")
    found = [
        (("order", query.order_id.lower()), "valerix.order.id"),
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
