"""Bad addresses, parameters and methods, on every service."""

from uuid import uuid4

import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("order", "inventory", "payment")
# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
# {} is where the order's id belongs, or its payment's.
BY_ORDER = [
    ("order", "GET", "/orders/{}", "order-not-found"),
    ("order", "GET", "/orders/{}/history", "order-not-found"),
    ("order", "POST", "/orders/{}/cancel", "order-not-found"),
    ("inventory", "GET", "/inventory/reservations/{}", "reservation-not-found"),
    ("payment", "GET", "/payments/{}", "payment-not-found"),
]
_NOT_A_UUID = (
    "1",
    "abc",
    _ID[:-1],
    f"{_ID}0",
    "%00",
    "%20",
    "null",
    "..%5c..",
    "%F0%9F%98%88",
    "*",
)


async def test_an_order_id_that_is_not_a_uuid_is_invalid_on_every_route(shop: Shop):
    async with shop.unchanged():
        for wrong in _NOT_A_UUID:
            answer = await shop.order.get(f"/orders/{wrong}")
            problem = assert_problem(answer, 400, "validation")
            assert problem["details"][0]["pointer"] == "/order_id"
        others = [
            ("payment", "POST", "/payments/{}/cancel", ""),
            ("payment", "GET", "/payments?order_id={}", ""),
        ]
        for service, method, path, _ in [*BY_ORDER, *others]:
            answer = await shop.door(service).request(method, path.format("abc"))
            assert_problem(answer, 400, "validation")


@pytest.mark.parametrize(("service", "method", "path", "code"), BY_ORDER)
async def test_an_unknown_order_is_not_found(
    shop: Shop, service: str, method: str, path: str, code: str
):
    async with shop.unchanged():
        answer = await shop.door(service).request(method, path.format(uuid4()))
        assert_problem(answer, 404, code)


@pytest.mark.parametrize(
    "product", ["PROD-999", "prod-001", "%00", "a%00b", "%F0%9F%98%88", "%ff", "'", "x" * 3000]
)
async def test_an_unknown_product_is_not_found(shop: Shop, product: str):
    async with shop.unchanged():
        answer = await shop.inventory.get(f"/inventory/{product}")
        assert_problem(answer, 404, "product-not-found")


@pytest.mark.parametrize(
    "name", ["nobody", "%00", "a%00b", "*", "%F0%9F%98%88", "x" * 3000, "A", "a%20b"]
)
async def test_a_gremlin_that_is_not_loose_cannot_be_ended(shop: Shop, name: str):
    async with shop.unchanged():
        answer = await shop.order.delete(f"/gremlins/{name}")
        assert_problem(answer, 404, "gremlin-not-found")


@pytest.mark.parametrize("name", ["%00", "A", "-a", "a-", "a%20b", "x" * 65, "*", "%C3%BC"])
async def test_a_gremlin_cannot_have_any_name(shop: Shop, name: str):
    async with shop.unchanged():
        answer = await shop.order.put(f"/gremlins/{name}", json={"kind": "error"})
        assert_problem(answer, 400, "validation")


@pytest.mark.parametrize("service", SERVICES)
async def test_an_unknown_address_is_not_found(shop: Shop, service: str):
    async with shop.unchanged():
        for path in ("/", "/nope", "/orders/a/b/c", "/../etc/passwd", "/%2e%2e/x", "/a//b", "/%"):
            assert_problem(await shop.door(service).get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("service", "path", "allowed"),
    [
        ("order", "/orders", {"GET", "POST"}),
        ("order", f"/orders/{_ID}", {"GET"}),
        ("inventory", "/inventory/reserve", {"POST"}),
        ("payment", "/payments", {"GET", "POST"}),
        ("payment", "/gremlins", {"GET", "DELETE"}),
        ("payment", "/metrics", {"GET"}),
        ("payment", "/health", {"GET"}),
    ],
)
async def test_a_method_that_does_not_fit_is_answered_with_those_that_do(
    shop: Shop, service: str, path: str, allowed: set[str]
):
    async with shop.unchanged():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            answer = await shop.door(service).request(method, path, json={})
            assert_problem(answer, 405, "method-not-allowed")
            allowed_now = {each.strip() for each in answer.headers["allow"].split(",")}
            assert allowed_now - {"OPTIONS", "HEAD"} == allowed


@pytest.mark.parametrize("method", ["BREW", "get", "TRACE", "CONNECT", "PROPFIND", "M-SEARCH"])
async def test_an_unknown_method_is_refused_as_such(shop: Shop, method: str):
    answer = await exchange(
        shop.urls["order"], f"{method} /orders HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    assert (answer.status_code, answer.json()["code"]) == (501, "unknown-method")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("limit", "expected"), [(10**9, 3), (10**30, 3), (2, 2)])
async def test_a_limit_that_is_too_large_is_the_largest(shop: Shop, limit: int, expected: int):
    while len((await shop.order.get("/orders")).json()["orders"]) < 3:
        await shop.place()
    answer = await shop.order.get("/orders", params={"limit": limit})
    assert answer.status_code == 200
    found = len(answer.json()["orders"])
    assert found == expected or (expected == 3 and found >= 3)


@pytest.mark.parametrize("limit", ["abc", "", "1.5", "0", "-5", "0x10", "٣", "1 OR 1=1", "null"])
async def test_a_limit_that_is_no_number_of_rows_is_invalid(shop: Shop, limit: str):
    answer = await shop.order.get("/orders", params={"limit": limit})
    assert_problem(answer, 400, "validation")


async def test_a_cursor_that_is_not_ours_is_invalid(shop: Shop):
    for cursor in ("", "%00", "A" * 8000):
        answer = await shop.order.get("/orders", params={"cursor": cursor})
        problem = assert_problem(answer, 400, "validation")
        assert problem["details"][0]["pointer"] == "/cursor"


async def test_every_changed_letter_of_a_cursor_is_refused(shop: Shop):
    for _ in range(2):
        await shop.place()
    cursor = (await shop.order.get("/orders", params={"limit": 1})).json()["next_cursor"]
    for place in range(len(cursor)):
        spoilt = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        answer = await shop.order.get("/orders", params={"cursor": spoilt, "limit": 1})
        assert_problem(answer, 400, "validation")


async def test_pages_show_every_order_once_newest_first(shop: Shop):
    placed = [(await shop.place()).json()["order_id"] for _ in range(4)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await shop.order.get("/orders", params=params)).json()
        seen += [order["order_id"] for order in page["orders"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:4] == placed[::-1]
    assert (
        len(seen)
        == len(set(seen))
        == await shop.eyes.fetchval("SELECT count(*) FROM orders.orders")
    )
