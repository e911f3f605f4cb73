"""What counts as an Idempotency-Key, and how the first answer under it is replayed."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from chassis.http.problems import Problem
from chassis.idempotency import Key, StoredKey, key_of, request_hash

BAD_KEYS = {
    "empty": b"",
    "15 characters": b"k" * 15,
    "256 characters": b"k" * 256,
    "a space inside": b"k" * 10 + b" " + b"k" * 10,
    "a tab inside": b"k" * 10 + b"\t" + b"k" * 10,
    "latin-1": b"k" * 16 + b"\xfc",
    "UTF-8": b"k" * 16 + "ü".encode(),
    "a control character": b"k" * 16 + b"\x01",
    "a trailing blank": b"k" * 16 + b" ",
}


class Command(msgspec.Struct):
    """Something that is asked for."""

    name: str
    count: int = 1


def _scope(*keys: bytes) -> dict[str, Any]:
    return {"headers": [(b"host", b"x"), *((b"idempotency-key", key) for key in keys)]}


def _refused(status: int, code: str, keys: tuple[bytes, ...], *, required: bool = True) -> None:
    with pytest.raises(Problem) as refused:
        key_of(_scope(*keys), required=required)
    problem = refused.value
    assert (problem.status, problem.code) == (status, code)
    assert 'rel="describedby"' in problem.headers["Link"]


@pytest.mark.parametrize("wrong", BAD_KEYS)
def test_a_bad_key_is_invalid_whether_required_or_not(wrong: str):
    for required in (True, False):
        _refused(400, "idempotency-key-invalid", (BAD_KEYS[wrong],), required=required)


def test_two_keys_are_invalid_even_when_they_are_the_same():
    for keys in ((b"k" * 16, b"k" * 16), (b"k" * 16, b"l" * 16), (b"k" * 16, b"")):
        _refused(400, "idempotency-key-invalid", keys)


def test_a_missing_key_is_refused_only_where_it_is_required():
    _refused(400, "idempotency-key-missing", ())
    assert key_of(_scope(), required=False) is None


@pytest.mark.parametrize("key", [b"k" * 16, b"k" * 255, bytes(range(0x21, 0x7F))])
def test_16_to_255_visible_characters_are_a_key(key: bytes):
    assert key_of(_scope(key), required=True) == key.decode()


def test_requests_are_the_same_when_method_route_caller_and_command_are():
    first = request_hash("POST", "/x", "a", Command("n"))
    assert first == request_hash("POST", "/x", "a", Command("n", 1))
    others = [
        request_hash("PUT", "/x", "a", Command("n")),
        request_hash("POST", "/y", "a", Command("n")),
        request_hash("POST", "/x", "b", Command("n")),
        request_hash("POST", "/x", "a", Command("m")),
    ]
    assert len({first, *others}) == 5
    assert len(first) == 32


def _stored(**more: Any) -> StoredKey:
    found = {"request_hash": b"h", "entity_id": uuid4(), "status_code": 201, "response": b"{}",
             "locked": False}  # fmt: skip
    return StoredKey(Key("POST /x", "k" * 16, b"h"), **{**found, **more})


def test_a_finished_request_is_replayed_byte_for_byte():
    assert _stored().replay() == (201, b"{}")
    assert _stored(locked=True).replay() == (201, b"{}")
    assert _stored(entity_id=None, status_code=404).replay() == (404, b"{}")


def test_another_request_under_the_key_is_refused_in_every_state():
    for more in ({}, {"locked": True}, {"status_code": None, "response": None}):
        with pytest.raises(Problem) as refused:
            _stored(request_hash=b"other", **more).replay()
        assert (refused.value.status, refused.value.code) == (422, "idempotency-key-reused")


def test_a_request_that_is_still_running_asks_for_patience():
    for more in ({"locked": True}, {"entity_id": None}):
        with pytest.raises(Problem) as refused:
            _stored(status_code=None, response=None, **more).replay()
        problem = refused.value
        assert (problem.status, problem.code) == (409, "idempotency-in-progress")
        assert (problem.retryable, problem.headers["Retry-After"]) == (True, "1")


def test_a_request_that_died_half_way_leads_to_what_it_made():
    entity_id = uuid4()
    assert _stored(entity_id=entity_id, status_code=None, response=None).replay() == entity_id
