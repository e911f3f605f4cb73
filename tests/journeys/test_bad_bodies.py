"""No body whatever makes a service change anything, fall over, or talk about its insides."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
_LIMIT = 65_536
# Every endpoint that reads a body: service, method, path, a body that is right, its headers.
DOORS = {
    "orders": ("order", "POST", "/orders", b'{"product_id":"PROD-001","quantity":1}', {}),
    "payments": (
        "payment",
        "POST",
        "/payments",
        b'{"order_id":"%b","amount_minor":9999,"currency":"EUR"}' % _ID.encode(),
        {"Idempotency-Key": "a-key-of-16-chars-or-more"},
    ),
    "cancel a payment": (
        "payment", "POST", f"/payments/{_ID}/cancel", b'{"reason":"REFUND"}', {},
    ),
    "reserve": (
        "inventory",
        "POST",
        "/inventory/reserve",
        b'{"order_id":"%b","product_id":"PROD-001","quantity":1}' % _ID.encode(),
        {},
    ),
    "release": (
        "inventory", "POST", "/inventory/release", b'{"order_id":"%b"}' % _ID.encode(), {},
    ),
    "commit": ("inventory", "POST", "/inventory/commit", b'{"order_id":"%b"}' % _ID.encode(), {}),
    "restock": (
        "inventory", "POST", "/inventory/restock", b'{"product_id":"PROD-001","quantity":5}', {},
    ),
    "put a gremlin": ("order", "PUT", "/gremlins/g", b'{"kind":"error"}', {}),
    "latency shorthand": ("inventory", "POST", "/gremlin/latency", b'{"enabled":true}', {}),
}  # fmt: skip


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


async def _send(
    shop: Shop, door: str, body: bytes | AsyncIterator[bytes], media_type: str = "application/json"
) -> httpx.Response:
    service, method, path, _, headers = DOORS[door]
    return await shop.door(service).request(
        method, path, content=body, headers={"Content-Type": media_type, **headers}
    )


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 4096


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_not_plain_json_is_malformed(
    shop: Shop, door: str, subtests: pytest.Subtests
):
    async with shop.unchanged():
        for wrong, spoil in MALFORMED.items():
            with subtests.test(wrong):
                answer = await _send(shop, door, spoil(DOORS[door][3]))
                assert_problem(answer, 400, "malformed")


@pytest.mark.parametrize("door", DOORS)
async def test_json_that_is_no_object_fails_validation(
    shop: Shop, door: str, subtests: pytest.Subtests
):
    async with shop.unchanged():
        for body in (b"[]", b"null", b"1", b'"text"', b"true", b"[{}]"):
            with subtests.test(body.decode()):
                problem = assert_problem(await _send(shop, door, body), 400, "validation")
                assert problem["details"][0]["pointer"] == ""


@pytest.mark.parametrize("door", [door for door in DOORS if door != "cancel a payment"])
async def test_an_empty_body_is_malformed(shop: Shop, door: str):
    async with shop.unchanged():
        for body in (b"", b" \r\n\t "):
            assert_problem(await _send(shop, door, body), 400, "malformed")


@pytest.mark.parametrize("door", DOORS)
async def test_another_media_type_is_refused_whatever_the_body(
    shop: Shop, door: str, subtests: pytest.Subtests
):
    async with shop.unchanged():
        for media_type in OTHER_MEDIA_TYPES:
            with subtests.test(media_type[:40]):
                answer = await _send(shop, door, DOORS[door][3], media_type)
                problem = assert_problem(answer, 415, "unsupported-media-type")
                assert len(problem["detail"]) < 200


@pytest.mark.parametrize(
    "media_type",
    [None, "application/json", "APPLICATION/JSON; charset=utf-8", "application/merge-patch+json",
     "application/x-www-form-urlencoded"],
)  # fmt: skip
async def test_json_is_read_under_its_own_names_and_as_curl_sends_it(
    shop: Shop, media_type: str | None
):
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await shop.order.post(
        "/orders", content=b'{"product_id":"PROD-001","quantity":1}', headers=headers
    )
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("door", DOORS)
async def test_more_than_64_kib_is_too_large_by_its_content_length(shop: Shop, door: str):
    async with shop.unchanged():
        for size in (_LIMIT + 1, 2 * _LIMIT):
            answer = await _send(shop, door, DOORS[door][3].ljust(size))
            assert_problem(answer, 413, "too-large")


@pytest.mark.parametrize("door", DOORS)
async def test_more_than_64_kib_is_too_large_in_chunks(shop: Shop, door: str):
    async with shop.unchanged():
        answer = await _send(shop, door, _chunks(20))
        assert_problem(answer, 413, "too-large")


async def test_a_body_of_exactly_64_kib_is_read(shop: Shop):
    answer = await shop.order.post(
        "/orders", content=b'{"product_id":"PROD-001","quantity":1}'.ljust(_LIMIT)
    )
    assert answer.status_code == 201


async def test_a_content_length_that_lies_far_beyond_the_limit_is_refused_before_the_body(
    shop: Shop,
):
    request = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n"
    async with shop.unchanged():
        assert_problem(await exchange(shop.urls["order"], request), 413, "too-large")


async def test_the_limit_holds_while_a_gremlin_reads_the_body_first(shop: Shop):
    await shop.let_loose("order", "latency", "/orders", delay_ms=1)
    async with shop.unchanged():
        assert_problem(await _send(shop, "orders", _chunks(64)), 413, "too-large")
