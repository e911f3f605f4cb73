"""What is asked of the list of traces: the same fields on the page, in the API and in a command."""

import re
from datetime import datetime

from chassis.http.problems import Problem, invalid_parameter, one_of
from frontend.traces.view_models import TraceFilter
from frontend.web.filters import bounds_of, field
from frontend.web.pages import HttpRequest
from observatory.otlp.normalize import is_id
from observatory.store.model import Pairs
from observatory.store.trace_search import TraceQuery
from topology import NAMES

KINDS = ("recent", "slowest", "failed", "bitten")
OUTCOMES = {
    "2xx": "2xx good",
    "4xx": "4xx refused",
    "5xx": "5xx failed",
    "cut": "cut off",
    "none": "no HTTP",
}
MOST_TRACES = 50
# Behind a light: a customer's request and some retries of it, for as many requests.
_MOST_BEHIND_A_LIGHT = 4 * MOST_TRACES
# More than this a search reads for nothing: they are all conditions on one trace.
_MOST_ATTRIBUTES = 10
_ATTRIBUTE = re.compile(r'([^\s="]+)=(?:"([^"]*)"|([^\s"]\S*))(?:\s+|$)')
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(us|ms|s|m)?")
_NS = {"us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_ID = re.compile(r"[0-9a-f]{4,32}")


def trace_filter(request: HttpRequest) -> TraceFilter:
    """The fields of the address as they are written."""
    given = {name: field(request, name) for name in TraceFilter.__struct_fields__}
    given["service"] = NAMES.get(given["service"], given["service"])
    given["kind"], given["trace"] = given["kind"] or KINDS[0], given["trace"].lower()
    return TraceFilter(**given)


def trace_query(wanted: TraceFilter, now: datetime) -> TraceQuery:
    """The query of these fields; raises `Problem` (400) for one that cannot be read."""
    one_of("kind", wanted.kind, KINDS)
    if wanted.outcome:
        one_of("outcome", wanted.outcome, OUTCOMES)
    if wanted.trace and not _ID.fullmatch(wanted.trace):
        raise invalid_parameter("trace", "must be a trace's id or its first four digits, 0 to f")
    since, until = bounds_of(wanted.time, now)
    return TraceQuery(
        kind=wanted.kind,  # type: ignore[arg-type]  # one of KINDS
        service=wanted.service,
        route=wanted.route,
        outcome=wanted.outcome,
        gremlin=wanted.gremlin,
        order_id=wanted.order,
        limit=_MOST_BEHIND_A_LIGHT if wanted.is_of_light else MOST_TRACES,
        since_ns=_ns(since),
        until_ns=_ns(until),
        trace_id=wanted.trace,
        span_name=wanted.name,
        least_ns=_duration(wanted.min),
        attributes=_attributes(wanted.attribute),
    )


def known_id(text: str) -> str:
    """A whole trace id as it is kept; raises `Problem` (404)."""
    if not is_id(text.lower(), 32):
        raise Problem(404, "not-found", "A trace's id is 32 digits from 0 to f, not all 0.")
    return text.lower()


def _ns(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1e9)


def _duration(text: str) -> int:
    """Nanoseconds; a number without a unit is milliseconds."""
    if not text:
        return 0
    found = _DURATION.fullmatch(text.replace(" ", ""))
    if found is None:
        raise invalid_parameter("min", "must be a length of time, such as 250ms, 1.5s or 2m")
    return int(float(found[1]) * _NS[found[2] or "ms"])


def _attributes(text: str) -> Pairs:
    """`key=value other="two words"`, all of which must be there."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        pair = _ATTRIBUTE.match(text, at)
        if pair is None or len(found) == _MOST_ATTRIBUTES:
            raise invalid_parameter(
                "attribute",
                f'must be key=value or key="a value", at most {_MOST_ATTRIBUTES} of them',
            )
        found.append((pair[1], pair[2] if pair[2] is not None else pair[3]))
        at = pair.end()
    return tuple(found)
