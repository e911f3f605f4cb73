"""The small parser reads what prometheus_client writes, as prometheus_client reads it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest as as_text
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from observatory.metrics.prometheus_text import Series, parse, parse_exemplars

NAMES = frozenset({"requests_total", "seconds_sum", "seconds_count", "plain"})
labels = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(labels, st.floats(0, 1e12)), max_size=5))
def test_it_agrees_with_the_library_on_any_label_value(samples):
    registry = CollectorRegistry()
    counter = Counter("requests", "R.", ["path"], registry=registry)
    for path, value in samples:
        counter.labels(path).inc(value)
    page = as_openmetrics(registry).decode()
    theirs = {
        (sample.name, sample.labels["path"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "requests_total"
    }
    ours = {(s.name, s.label("path")): v for s, v in parse(page, NAMES).items()}
    assert ours == theirs


@pytest.mark.parametrize("write", [as_text, as_openmetrics])
def test_exemplars_and_both_formats_are_read(write):
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "S.", ["path"], registry=registry)
    seconds.labels("/orders").observe(1.5, {"trace_id": "a" * 32})
    Gauge("plain", "No labels.", registry=registry).set(7)
    assert parse(write(registry).decode(), NAMES) == {
        Series("seconds_sum", (("path", "/orders"),)): 1.5,
        Series("seconds_count", (("path", "/orders"),)): 1.0,
        Series("plain", ()): 7.0,
    }


def test_an_invalid_line_is_left_out():
    page = 'plain nonsense\nplain\nrequests_total{path="/a"}\nrequests_total{oops} 1\nother 3\n'
    assert parse(page, NAMES) == {}


def test_a_brace_inside_a_label_does_not_end_the_labels():
    page = 'requests_total{path="/x\\"} 9",code="1"} 5\n'
    (series,) = parse(page, NAMES)
    assert series.label("path") == '/x"} 9'
    assert parse(page, NAMES)[series] == 5


def test_not_a_number_stays_not_a_number():
    assert math.isnan(parse("plain NaN\n", NAMES)[Series("plain", ())])


def test_an_exemplar_leads_from_a_bucket_to_its_trace():
    registry = CollectorRegistry()
    seconds = Histogram("seconds", "S.", ["path"], buckets=(1, 2), registry=registry)
    seconds.labels('/a"} # {').observe(1.5, {"trace_id": "a" * 32})
    seconds.labels("/b").observe(0.5, {"other": "x"})
    found = parse_exemplars(as_openmetrics(registry).decode(), "seconds_bucket")
    ((series, (trace_id, value, at)),) = found.items()
    assert (series.label("path"), series.label("le")) == ('/a"} # {', "2.0")
    assert (trace_id, value) == ("a" * 32, 1.5)
    assert at is not None
    assert parse_exemplars(as_text(registry).decode(), "seconds_bucket") == {}


def test_an_invalid_exemplar_is_left_out():
    page = (
        's{le="1"} 1 # {trace_id="zz"} 1\ns{le="1"} 1 # {trace_id="' + "a" * 32 + '"} x\ns{} # {\n'
    )
    assert parse_exemplars(page, "s") == {}
