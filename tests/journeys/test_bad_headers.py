"""Headers that are not valid are ignored, never believed and never echoed."""

from uuid import uuid4

import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"


async def test_a_malformed_traceparent_is_ignored_and_made_anew(shop: Shop):
    """What is malformed is tested against the parser, tests/chassis/test_context.py."""
    for sent in ("garbage", f"00-{'0' * 32}-{'1' * 16}-01", "0" * 8000):
        answer = await shop.order.get("/products", headers={"traceparent": sent})
        assert answer.status_code == 200
        trace_id = answer.headers["x-trace-id"]
        assert len(trace_id) == 32
        assert trace_id != "0" * 32


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


async def test_a_clients_request_id_is_never_echoed(shop: Shop):
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


async def test_a_time_limit_that_is_not_valid_is_no_limit(shop: Shop):
    answer = await shop.order.post(
        "/orders",
        json={"product_id": "PROD-001", "quantity": 1},
        headers={"X-Timeout-Ms": "1e3"},
    )
    assert answer.status_code == 201


async def test_a_caller_without_any_time_is_answered_202_and_nothing_is_begun(shop: Shop):
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
