"""What is decoded in one step is read as it would be field by field."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.limits import VALUE_CHARS
from observatory.otlp import json
from observatory.otlp.normalize import Malformed, Normalizer, Resource
from tests.observatory.samples import NOW_NS, json_span

SENDER = Resource("order-service", "one")
# What a field may hold that does not belong there, beside what does.
odd = st.sampled_from(
    [None, 3, -1, 2.5, True, "", "007", "-5", "12x", "٣", [], {}, [3], "x\ny", 1 << 70]
)
texts = st.text(max_size=80)
values = st.one_of(
    st.builds(lambda text: {"stringValue": text}, texts),
    st.builds(lambda number: {"intValue": str(number)}, st.integers(-(1 << 65), 1 << 65)),
    st.builds(lambda number: {"intValue": number}, st.integers(-(1 << 65), 1 << 65)),
    st.builds(lambda truth: {"boolValue": truth}, st.booleans()),
    st.builds(lambda number: {"doubleValue": number}, st.floats(allow_nan=False, width=32)),
    st.builds(lambda word: {word: "3", "stringValue": None}, st.sampled_from(["intValue", "odd"])),
    st.just({"arrayValue": {"values": [{"stringValue": "a"}]}}),
    st.just({}),
    odd,
)
pairs = st.lists(
    st.builds(lambda key, value: {"key": key, "value": value}, texts, values), max_size=4
)
times = st.one_of(st.integers(NOW_NS - 10**12, NOW_NS + 10**12).map(str), odd)
spans = st.fixed_dictionaries(
    {},
    optional={
        "startTimeUnixNano": times,
        "endTimeUnixNano": times,
        "name": st.one_of(texts, odd),
        "kind": st.one_of(st.integers(0, 6), st.just("SPAN_KIND_CLIENT"), odd),
        "attributes": st.one_of(pairs, odd),
        "status": st.one_of(st.builds(lambda m: {"code": 2, "message": m}, texts), odd),
        "events": st.one_of(
            st.lists(st.builds(lambda a: {"timeUnixNano": str(NOW_NS), "attributes": a}, pairs)),
            odd,
        ),
        "links": st.one_of(st.just([{"traceId": "A" * 32, "spanId": "b" * 16}]), odd),
        "parentSpanId": st.one_of(st.just("c" * 16), odd),
        "flags": odd,
        "parent_span_id": odd,
    },
)
lines = st.fixed_dictionaries(
    {"body": values, "timeUnixNano": times},
    optional={
        "observedTimeUnixNano": times,
        "severityNumber": st.one_of(st.integers(-1, 30), odd),
        "attributes": st.one_of(pairs, odd),
        "traceId": st.one_of(st.just("d" * 32), odd),
        "severityText": odd,
    },
)


def outcome(read: Any, raw: bytes) -> object:
    """What a reader returns, refusals and counted clips included."""
    normalizer = Normalizer(NOW_NS)
    try:
        found = read(raw, SENDER, normalizer)
    except Malformed as malformed:
        return str(malformed)
    return found and (found, normalizer.clipper.clipped, normalizer.adjusted)


@settings(max_examples=200, deadline=None)
@given(change=spans)
def test_both_read_the_same_span(change: dict[str, Any]):
    raw = msgspec.json.encode(json_span(**change))
    quick = outcome(json.usual_span, raw)
    assert quick in (None, outcome(json.any_span, raw))


@settings(max_examples=200, deadline=None)
@given(it=lines)
def test_both_read_the_same_line(it: dict[str, Any]):
    raw = msgspec.json.encode(it)
    quick = outcome(json.usual_line, raw)
    assert quick in (None, outcome(json.any_line, raw))


@pytest.mark.parametrize("extra", [{}, {"flags": 257, "traceState": "", "droppedEventsCount": 0}])
def test_what_services_send_is_decoded_in_one_step(extra: dict[str, Any]):
    values = ({"stringValue": "a"}, {"intValue": "1"}, {"boolValue": True}, {"doubleValue": 1.5})
    attributes = [{"key": str(number), "value": value} for number, value in enumerate(values)]
    raw = msgspec.json.encode(json_span(attributes=attributes, **extra))
    assert json.usual_span(raw, SENDER, Normalizer(NOW_NS)) is not None


def test_what_is_clipped_is_counted_each_time_it_comes():
    normalizer = Normalizer(NOW_NS)
    attribute = {"key": "db.query.text", "value": {"stringValue": "x" * (VALUE_CHARS + 1)}}
    raw = msgspec.json.encode(json_span(attributes=[attribute]))
    for _ in range(3):
        json.span(raw, SENDER, normalizer)
    assert normalizer.clipper.clipped == 3
