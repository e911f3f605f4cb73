"""Headers that make no sense are ignored, never believed and never echoed."""

from uuid import uuid4

import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
TRACEPARENTS = {
    "garbage": "garbage",
    "empty": "",
    "all zero": f"00-{'0' * 32}-{'1' * 16}-01",
    "no parent": f"00-{'a' * 32}-{'0' * 16}-01",
    "upper case": f"00-{'A' * 32}-{'1' * 16}-01",
    "version ff": f"ff-{'a' * 32}-{'1' * 16}-01",
    "too long": f"00-{'a' * 32}-{'1' * 16}-01-x",
    "very long": "0" * 8000,
    "not hex": f"00-{'g' * 32}-{'1' * 16}-01",
}


@pytest.mark.parametrize("wrong", TRACEPARENTS)
async def test_a_malformed_traceparent_is_ignored_and_made_anew(shop: Shop, wrong: str):
    sent = TRACEPARENTS[wrong]
    answer = await shop.order.get("/products", headers={"traceparent": sent})
    assert answer.status_code == 200
    trace_id = answer.headers["x-trace-id"]
    assert len(trace_id) == 32
    assert trace_id not in ("0" * 32, "a" * 32, "A" * 32, "g" * 32)


async def test_a_traceparent_is_taken_up_and_stored_with_the_order(shop: Shop):
    trace_id = uuid4().hex
    answer = await shop.order.post(
        "/orders",
        json={"product_id": "PROD-001", "quantity": 1},
        headers={"traceparent": f"00-{trace_id}-{'1' * 16}-01"},
    )
    assert answer.headers["x-trace-id"] == answer.json()["trace_id"] == trace_id
    row = await shop.row(answer.json()["order_id"])
    assert row["traceparent"].split("-")[1] == trace_id


async def test_a_request_id_of_a_guest_is_never_echoed(shop: Shop):
    odd = bytes(b for b in range(1, 256) if b not in b"\r\n\x7f" and b >= 32) * 36
    for path in ("/nope", "/products"):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-ID: ".encode()
        answer = await exchange(shop.urls["order"], head + odd[:8192] + b"\r\n\r\n")
        assert answer.status_code in (200, 404)
        assert odd[:64] not in answer.content
        assert "x-request-id" not in answer.headers
        if answer.status_code == 404:
            assert_problem(answer, 404)


async def test_a_header_with_a_line_break_cannot_split_an_answer(shop: Shop):
    request = (
        b"GET /nope HTTP/1.1\r\nHost: x\r\n"
        b"X-Request-ID: a\r\n\tSet-Cookie: b=c\r\nX-Valerix-Actor: \x00\r\n\r\n"
    )
    answer = await exchange(shop.urls["order"], request)
    assert answer.status_code in (400, 404)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("wrong", ["", "abc", "-1", "1e3", "99999999999999", "0.5", "\xb2"])
async def test_a_time_limit_that_makes_no_sense_is_no_limit(shop: Shop, wrong: str):
    answer = await shop.order.post(
        "/orders",
        json={"product_id": "PROD-001", "quantity": 1},
        headers={"X-Timeout-Ms": wrong.encode("latin-1")},
    )
    assert answer.status_code == 201


async def test_a_caller_without_any_time_gets_a_promise_and_no_work(shop: Shop):
    answer = await shop.order.post(
        "/orders", json={"product_id": "PROD-001", "quantity": 1}, headers={"X-Timeout-Ms": "0"}
    )
    assert answer.status_code == 202
    assert answer.json()["status"] == "PENDING"
    async with shop.unchanged():
        answer = await shop.inventory.post(
            "/inventory/reserve",
            json={"order_id": _ID, "product_id": "PROD-001", "quantity": 1},
            headers={"X-Timeout-Ms": "0"},
        )
        assert_problem(answer, 504, "caller-gone")
