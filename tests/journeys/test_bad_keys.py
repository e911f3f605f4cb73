"""What counts as an Idempotency-Key: one header of 16 to 255 visible ASCII characters."""

import json
from uuid import uuid4

import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/orders", "/payments"])
async def test_a_bad_key_is_invalid_and_changes_nothing(shop: Shop, path: str):
    service, body = _right(path)
    request = _raw(path, body, [b"k" * 15])
    async with shop.unchanged():
        answer = await exchange(shop.urls[service], request)
        assert_problem(answer, 400, "idempotency-key-invalid")
        assert 'rel="describedby"' in answer.headers["link"]


@pytest.mark.parametrize("control", [b"\x00", b"\x01", b"\x1b", b"\x7f"])
async def test_a_control_character_in_a_key_never_reaches_the_shop(shop: Shop, control: bytes):
    request = _raw("/orders", _right("/orders")[1], [b"k" * 16 + control])
    async with shop.unchanged():
        answer = await exchange(shop.urls["order"], request)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "malformed"


@pytest.mark.parametrize("path", ["/orders", "/payments"])
async def test_two_keys_are_invalid_even_when_they_are_the_same(shop: Shop, path: str):
    service, body = _right(path)
    key = f"key-{uuid4()}".encode()
    async with shop.unchanged():
        for keys in ([key, key], [key, f"key-{uuid4()}".encode()], [key, b""]):
            answer = await exchange(shop.urls[service], _raw(path, body, keys))
            assert_problem(answer, 400, "idempotency-key-invalid")


async def test_a_payment_needs_a_key_and_an_order_does_not(shop: Shop):
    _, body = _right("/payments")
    async with shop.unchanged():
        answer = await shop.payment.post("/payments", content=body)
        assert_problem(answer, 400, "idempotency-key-missing")
    assert (await shop.place()).status_code == 201


def _right(path: str) -> tuple[str, bytes]:
    if path == "/orders":
        return "order", b'{"product_id":"PROD-001","quantity":1}'
    body = {"order_id": str(uuid4()), "amount_minor": 500, "currency": "EUR"}
    return "payment", json.dumps(body).encode()


def _raw(path: str, body: bytes, keys: list[bytes]) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode()
    return head + b"".join(b"Idempotency-Key: " + key + b"\r\n" for key in keys) + b"\r\n" + body
