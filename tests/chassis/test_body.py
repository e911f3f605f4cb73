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
def test_all_json_is_read_as_it_was_written(value: Any, escaped: bool):
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | _TEXT.map(str.encode))
def test_any_bytes_raise_nothing_but_a_problem(raw: bytes):
    for read in (lambda: parse_json(raw), lambda: read_body(raw, "application/json", Order)):
        try:
            read()
        except Problem as problem:
            assert problem.status == 400  # noqa: PT017 - an answer is as good as a refusal


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_TEXT, st.integers(), min_size=1, max_size=4))
def test_a_duplicate_key_is_always_refused(value: dict[str, int]):
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


def test_a_clients_own_text_is_cut_short_in_the_answer():
    problem = _refusal(json.dumps({"name": "x", "y" * 60_000: 1}).encode())
    assert len(problem.body()) < 2000


def test_the_content_type_is_looked_at_first():
    assert _refusal(b"", "text/plain").status == 415
    assert _refusal(b"", "application/json; charset=latin-1").code == "malformed"
    assert read_body(b'{"name":"x"}', "application/x-www-form-urlencoded", Order).name == "x"


_RIGHT = b'{"name":"x"}'


def _with(right: bytes, extra: bytes) -> bytes:
    return right[:-1] + b"," + extra + b"}"


# What is done to a right body, so that only this one thing is wrong with it.
MALFORMED = {
    "cut short": lambda right: right[:-1],
    "not JSON": lambda right: b"quantity=1&product_id=PROD-001",
    "two values": lambda right: right + right,
    "a trailing comma": lambda right: right[:-1] + b",}",
    "the same key twice": lambda right: _with(right, right[1:-1]),
    "the same key twice, deep inside": lambda right: _with(right, b'"x":{"a":1,"a":2}'),
    "NaN": lambda right: _with(right, b'"x":NaN'),
    "Infinity": lambda right: _with(right, b'"x":-Infinity'),
    "a byte order mark": lambda right: b"\xef\xbb\xbf" + right,
    "UTF-16": lambda right: right.decode().encode("utf-16"),
    "ten thousand brackets": lambda right: b"[" * 10_000 + b"]" * 10_000,
    "ten thousand open brackets": lambda right: _with(right, b'"x":' + b"[" * 10_000),
    "ten thousand nested objects": lambda right: b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "wrong UTF-8": lambda right: _with(right, b'"x":"\xff\xfe"'),
    "overlong UTF-8": lambda right: _with(right, b'"x":"\xc0\xaf"'),
    "a surrogate in UTF-8": lambda right: _with(right, b'"x":"\xed\xa0\x80"'),
    "a lone surrogate": lambda right: _with(right, rb'"x":"\ud800"'),
    "surrogates the wrong way round": lambda right: _with(right, rb'"x":"\udc00\ud800"'),
    "a lone surrogate as a key": lambda right: _with(right, rb'"\ud800":1'),
    "an escaped NUL": lambda right: _with(right, rb'"x":"\u0000"'),
    "a raw NUL": lambda right: _with(right, b'"x":"\x00"'),
    "a raw line break": lambda right: _with(right, b'"x":"a\nb"'),
    "a number of five thousand digits": lambda right: _with(right, b'"x":' + b"9" * 5000),
}
OTHER_MEDIA_TYPES = (
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/jsonx",
    "application/octet-stream",
    "json",
    "a" * 5000 + "/x",
    "text/plain; application/json",
)


@pytest.mark.parametrize("wrong", MALFORMED)
def test_what_is_not_plain_json_is_malformed(wrong: str):
    problem = _refusal(MALFORMED[wrong](_RIGHT))
    assert (problem.status, problem.code) == (400, "malformed")


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"text"', b"true", b"[{}]"])
def test_json_that_is_not_an_object_fails_validation(raw: bytes):
    problem = _refusal(raw)
    (detail,) = problem.details  # type: ignore[misc]
    assert (problem.status, problem.code, detail["pointer"]) == (400, "validation", "")


@pytest.mark.parametrize("raw", [b"", b" \r\n\t "])
def test_an_empty_body_is_malformed(raw: bytes):
    assert _refusal(raw).code == "malformed"


@pytest.mark.parametrize("media_type", OTHER_MEDIA_TYPES, ids=lambda media_type: media_type[:40])
def test_another_media_type_is_refused_whatever_the_body(media_type: str):
    problem = _refusal(_RIGHT, media_type)
    assert (problem.status, problem.code) == (415, "unsupported-media-type")
    assert len(problem.detail) < 200


@pytest.mark.parametrize(
    "media_type",
    ["", "application/json", "APPLICATION/JSON; charset=utf-8", "application/merge-patch+json",
     "application/x-www-form-urlencoded"],
)  # fmt: skip
def test_json_is_read_under_its_own_names_and_as_curl_sends_it(media_type: str):
    assert read_body(_RIGHT, media_type, Order).name == "x"
