"""The trace a request arrives with: taken up when it is one, ignored when it is not."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.telemetry import recording
from chassis.telemetry.context import (
    SERVER,
    Span,
    deadline_now,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    remaining_s,
    span_now,
)

# W3C Trace Context level 2, written down a second time and differently.
_V00 = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_LATER = re.compile(
    r"(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.S,
)
_HEX = "0123456789abcdef"


def _hex(size: int) -> st.SearchStrategy[str]:
    return st.text(_HEX, min_size=size, max_size=size) | st.just("0" * size)


_NEARLY = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["00", "01", "fe", "ff", "0", "0F"]),
    st.sampled_from(["-", "_", ""]),
    _hex(32) | st.text(max_size=33),
    st.sampled_from(["-", ""]),
    _hex(16) | _hex(15),
    st.sampled_from(["-", ""]),
    _hex(2) | st.text(max_size=3),
    st.sampled_from(["", "-", "-later", " ", "\n", "x" * 80]),
)


@given(_NEARLY | st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_the_parser_agrees_with_the_standard_about_every_header(header: str):
    found = parse_traceparent(header)
    expected = _V00.fullmatch(header) or _LATER.fullmatch(header)
    if expected is None or len(header) > 128:
        assert found is None
    else:
        trace_id, parent_id, flags = expected.groups()[:3]
        assert found == (trace_id, parent_id, bool(int(flags, 16) & 1))


@given(_hex(32), _hex(16), st.booleans())
def test_what_we_send_we_read(trace_id: str, span_id: str, sampled: bool):
    span = Span(trace_id, span_id, "x", SERVER, sampled=sampled)
    valid = set(trace_id) != {"0"} and set(span_id) != {"0"}
    assert parse_traceparent(span.traceparent) == ((trace_id, span_id, sampled) if valid else None)


def test_new_ids_are_ids():
    for _ in range(50):
        assert parse_traceparent(f"00-{new_trace_id()}-{new_span_id()}-00") is not None


@pytest.mark.parametrize("header", [None, "", "nonsense"])
def test_without_a_parent_a_trace_begins(header: str | None):
    first, second = recording.begin("a", SERVER, header), recording.begin("b", SERVER, header)
    assert first.trace_id != second.trace_id
    assert first.parent_id == ""
    assert first.sampled


def test_a_span_inside_another_is_its_child_and_the_remote_parent_wins():
    remote = f"00-{'a' * 32}-{'b' * 16}-00"
    outer = recording.begin("outer", SERVER, remote)
    assert (outer.trace_id, outer.parent_id, outer.sampled) == ("a" * 32, "b" * 16, False)
    token = span_now.set(outer)
    try:
        with recording.span("inner", link=f"00-{'c' * 32}-{'d' * 16}-01") as inner:
            assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
            assert inner.links == [("c" * 32, "d" * 16)]
            assert span_now.get() is inner
        assert span_now.get() is outer
        assert inner.end_ns >= inner.start_ns
    finally:
        span_now.reset(token)


def test_a_span_remembers_what_broke_it():
    def have_a_bug() -> None:
        with recording.span("broken") as work:
            spans.append(work)
            raise ZeroDivisionError

    spans: list[Span] = []
    with pytest.raises(ZeroDivisionError):
        have_a_bug()
    assert spans[0].error == "ZeroDivisionError"


def test_time_left_is_what_the_caller_allows():
    assert remaining_s() is None
    token = deadline_now.set(0.0)
    try:
        left = remaining_s()
        assert left is not None
        assert left < 0
    finally:
        deadline_now.reset(token)


def test_a_forked_process_gives_ids_of_its_own():
    answer, printed = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(printed, new_trace_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(answer, 32).decode() != new_trace_id()
    for end in (answer, printed):
        os.close(end)
