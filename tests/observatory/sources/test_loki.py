"""LogQL queries that no text breaks out of, and lines read back as they were written."""

import re

import msgspec
import pytest

from observatory.sources.stack.loki import logql, read_lines
from observatory.store.logs import LogQuery
from tests.observatory.samples import HOSTILE, NOW_NS

TRACE, SPAN = "0a" * 16, "0b" * 8


def test_every_filter_is_a_part_of_the_query():
    assert logql(LogQuery()) == '{service_name=~".+"}'
    query = logql(LogQuery("order-service", "WARNING", "gone", TRACE))
    assert query.startswith('{service_name="order-service"} | severity_number >= 13')
    assert f'| trace_id = "{TRACE}"' in query
    assert '| searched =~ "(?is).*gone.*" | drop searched' in query


@pytest.mark.parametrize(
    "text", ['"} | drop trace_id', "`", "\\", "a\nb", HOSTILE, ".*", "(?i", "\\Q", "a b-c#d", "é☃"]
)
def test_no_text_breaks_out_of_its_quotes(text):
    query = logql(LogQuery(text, "", text, text))
    quoted = r'("(?:[^"\\]|\\.)*")'
    service, trace, *wanted = (
        msgspec.json.decode(each)
        for before in ("service_name=", "trace_id = ", "searched =~ ")
        for each in re.findall(before + quoted, query)
    )
    assert service == trace == text
    assert all(re.fullmatch(each, f"before {text} after") for each in wanted)
    assert not all(re.fullmatch(each, "anything else") for each in wanted)


def test_a_field_with_its_value_is_one_term_and_several_must_all_hold():
    query = logql(LogQuery(text='status=503 valerix.order.id=ab-1 "no answer" level=error'))
    assert [part.strip().split(" or ")[0] for part in query.split(" | ")[2:]] == [
        'status =~ "(?is)503"',
        r'valerix_order_id =~ "(?is)ab\\-1"',
        r'searched =~ "(?is).*no\\ answer.*"',
        'severity_text =~ "(?is)error"',
        "drop searched",
    ]


def answered(*entries, stream=None):
    labels = {"service_name": "order-service", **(stream or {})}
    streams = [{"stream": labels, "values": list(entries)}]
    return msgspec.json.encode({"status": "success", "data": {"result": streams}})


def test_a_line_is_read_back_as_it_was_written():
    metadata = {
        "trace_id": TRACE, "span_id": SPAN, "severity_number": "13", "severity_text": "WARNING",
        "detected_level": "warn", "scope_name": "valerix", "order_id": "abc", "gremlin": "slow",
    }  # fmt: skip
    (line,) = read_lines(
        answered([str(NOW_NS), "handed over", {"structuredMetadata": metadata, "parsed": {}}])
    )
    assert (line.at_ns, line.message, line.level) == (NOW_NS, "handed over", "WARNING")
    assert (line.service, line.trace_id, line.span_id) == ("order-service", TRACE, SPAN)
    assert line.attributes == (("order_id", "abc"), ("gremlin", "slow"))


def test_lines_of_all_streams_are_in_the_order_of_time():
    first = answered([str(NOW_NS + 2), "c"], [str(NOW_NS), "a"])
    both = msgspec.json.decode(first)
    both["data"]["result"] += msgspec.json.decode(answered([str(NOW_NS + 1), "b"]))["data"][
        "result"
    ]
    assert [line.message for line in read_lines(msgspec.json.encode(both))] == ["a", "b", "c"]


def test_an_older_loki_puts_all_fields_into_the_stream():
    stream = {"trace_id": TRACE, "detected_level": "warn", "order_id": "abc"}
    (line,) = read_lines(answered([str(NOW_NS), "x"], stream=stream))
    assert (line.level, line.trace_id) == ("WARNING", TRACE)
    assert line.attributes == (("order_id", "abc"),)


def test_an_invalid_line_is_left_out_and_a_hostile_one_is_clipped():
    lines = read_lines(
        answered(
            ["yesterday", "no time"],
            [str(NOW_NS), HOSTILE * 500, {"structuredMetadata": {HOSTILE: HOSTILE}}],
        )
    )
    assert len(lines) == 1
    assert len(lines[0].message) <= 2000
    assert "\x1b" not in lines[0].message + str(lines[0].attributes)


def test_an_invalid_trace_id_is_left_out():
    metadata = {
        "structuredMetadata": {"trace_id": "<script>", "span_id": SPAN, "severity_number": "x"}
    }
    (line,) = read_lines(answered([str(NOW_NS), "x", metadata]))
    assert (line.trace_id, line.span_id, line.level) == ("", "", "INFO")
