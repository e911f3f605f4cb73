"""A body is JSON that means one thing, of the declared shape, or it is refused with a pointer."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.http.json_body import parse_json, read_body
from chassis.http.problems import Problem

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A shape with a nested one."""

    name: str
    lines: list["Line"] = []


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One of several."""

    count: int


def _refusal(raw: bytes, content_type: str = "application/json") -> Problem:
    with pytest.raises(Problem) as refused:
        read_body(raw, content_type, Order)
    return refused.value


@settings(max_examples=150, deadline=None)
@given(_JSON, st.booleans())
@example(value={"C:\\u0000": "\\\\u0000"}, escaped=True)
def test_whatever_is_json_is_read_as_it_was_meant(value: Any, escaped: bool):
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | _TEXT.map(str.encode))
def test_no_bytes_whatever_raise_anything_but_a_problem(raw: bytes):
    for read in (lambda: parse_json(raw), lambda: read_body(raw, "application/json", Order)):
        try:
            read()
        except Problem as problem:
            assert problem.status == 400  # noqa: PT017 - an answer is as good as a refusal


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_TEXT, st.integers(), min_size=1, max_size=4))
def test_a_key_that_stands_twice_is_always_refused(value: dict[str, int]):
    whole = json.dumps(value)
    name = json.dumps(next(iter(value)))
    with pytest.raises(Problem, match="twice"):
        parse_json(f"{whole[:-1]}, {name}: 0}}".encode())


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"{}", "/name"),
        (b'{"name":1}', "/name"),
        (b'{"name":"x","lines":3}', "/lines"),
        (b'{"name":"x","lines":[{"count":1},{"count":"2"}]}', "/lines/1/count"),
        (b'{"name":"x","lines":[{}]}', "/lines/0/count"),
        (b'{"name":"x","a/b~c":1}', "/a~1b~0c"),
        (b'{"name":"x","":1}', "/"),
    ],
)
def test_what_does_not_fit_is_pointed_at(raw: bytes, pointer: str):
    problem = _refusal(raw)
    (detail,) = problem.details  # type: ignore[misc]
    assert (problem.code, detail["pointer"]) == ("validation", pointer)


def test_a_guests_own_words_come_back_short():
    problem = _refusal(json.dumps({"name": "x", "y" * 60_000: 1}).encode())
    assert len(problem.body()) < 2000


def test_the_content_type_is_looked_at_first():
    assert _refusal(b"", "text/plain").status == 415
    assert _refusal(b"", "application/json; charset=latin-1").code == "malformed"
    assert read_body(b'{"name":"x"}', "application/x-www-form-urlencoded", Order).name == "x"
