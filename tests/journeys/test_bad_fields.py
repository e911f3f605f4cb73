"""Each field, given what it must not be: a 400 that points at it, and nothing has changed."""

import json
from typing import Any

import pytest

from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
_NO_WHOLE_NUMBER: list[Any] = ["1", 1.0, 1.5, 1e400, True, None, [1], {"value": 1}]
_NO_QUANTITY = [0, -1, 1001, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400, *_NO_WHOLE_NUMBER]
_NO_PRODUCT = ["", "prod-001", "PROD 001", "PROD-001\n", "-PROD", "P" * 65, "PRÖD", 1, None, True]
_NO_ID = ["", "1", _ID[:-1], f"{_ID}0", _ID.replace("-", "_"), 1, None, [_ID]]
_NO_AMOUNT = [0, -1, 2**53 + 1, 2**63, 99.99, *_NO_WHOLE_NUMBER]
_NO_CURRENCY = ["eur", "EURO", "XXX", "", "EUR ", "€", 978, None]

_RESERVE = {"order_id": _ID, "product_id": "PROD-001", "quantity": 1}
_PAY = {"order_id": _ID, "amount_minor": 9999, "currency": "EUR"}
_GREMLIN = {"kind": "latency", "delay_ms": 5}

# service, method, path, a body that is right, the field, what it must not be.
FIELDS: list[tuple[str, str, str, dict[str, Any], str, list[Any]]] = [
    ("order", "POST", "/orders", {"product_id": "PROD-001", "quantity": 1}, field, wrong)
    for field, wrong in (("quantity", _NO_QUANTITY), ("product_id", _NO_PRODUCT))
]
FIELDS += [
    ("inventory", "POST", "/inventory/reserve", _RESERVE, field, wrong)
    for field, wrong in (
        ("quantity", _NO_QUANTITY),
        ("product_id", _NO_PRODUCT),
        ("order_id", _NO_ID),
    )
]
FIELDS += [
    ("inventory", "POST", path, {"order_id": _ID}, "order_id", _NO_ID)
    for path in ("/inventory/release", "/inventory/commit")
]
FIELDS += [
    ("inventory", "POST", "/inventory/restock", {"product_id": "PROD-001", "quantity": 1}, *rest)
    for rest in (
        ("quantity", [0, -1, 1_000_001, 2**31, 2**63, *_NO_WHOLE_NUMBER]),
        ("product_id", _NO_PRODUCT),
    )
]
FIELDS += [
    ("payment", "POST", "/payments", _PAY, field, wrong)
    for field, wrong in (
        ("amount_minor", _NO_AMOUNT),
        ("currency", _NO_CURRENCY),
        ("order_id", _NO_ID),
    )
]
FIELDS += [
    ("payment", "POST", f"/payments/{_ID}/cancel", {"reason": "REFUND"}, "reason",
     ["", "refund", "A" * 41, "A B", 1, None]),
]  # fmt: skip
FIELDS += [
    ("inventory", "PUT", "/gremlins/g", _GREMLIN, field, wrong)
    for field, wrong in (
        ("kind", ["", "LATENCY", "meteor", 1, None]),
        ("probability", [0, -0.1, 1.01, 1e400, "1", None, True]),
        ("delay_ms", [-1, 60_001, 0, 2**63, "5", 5.5, True]),
        ("jitter_ms", [-1, 60_001, 2**63, "5", None]),
        ("status", [200, 418, 501, "503", None]),
        ("ttl_s", [0, -1, 3601, 2**63, 0.5, "60", True]),
        ("routes", [[], ["/nowhere"], ["DELETE"], [""], "*", [1], ["*"] * 33, None]),
        ("routes", [["/metrics"], ["/health/live"], ["/gremlins"], ["x" * 201]]),
    )
]
FIELDS += [
    ("inventory", "POST", "/gremlin/latency", {"enabled": True, "delay_ms": 5}, field, wrong)
    for field, wrong in (
        ("enabled", ["true", 1, 0, None]),
        ("delay_ms", [-1, 60_001, 0, "5", None]),
        ("ttl_s", [0, 3601, "60"]),
        ("probability", [0, 2, "1"]),
    )
]
_NAMES = [f"{path} {field}" for _, _, path, _, field, _ in FIELDS]
_KEY = {"Idempotency-Key": "a-key-of-16-chars-or-more"}


async def _refused(shop: Shop, service: str, method: str, path: str, body: dict[str, Any]) -> str:
    answer = await shop.door(service).request(
        method, path, content=_encode(body), headers={"Content-Type": "application/json", **_KEY}
    )
    problem = assert_problem(answer, 400, "validation")
    (detail,) = problem["details"]
    return str(detail["pointer"])


def _encode(body: dict[str, Any]) -> bytes:
    # 1e400 is infinite here, but on the wire it is what a client wrote.
    return json.dumps(body).replace("Infinity", "1e400").encode()


@pytest.mark.parametrize(
    ("service", "method", "path", "right", "field", "wrong"), FIELDS, ids=_NAMES
)
async def test_a_field_that_does_not_fit_is_pointed_at(
    shop: Shop,
    subtests: pytest.Subtests,
    service: str,
    method: str,
    path: str,
    right: dict[str, Any],
    field: str,
    wrong: list[Any],
):
    async with shop.unchanged():
        for value in wrong:
            with subtests.test(repr(value)[:40]):
                pointer = await _refused(shop, service, method, path, {**right, field: value})
                assert pointer.startswith(f"/{field}"), pointer


@pytest.mark.parametrize(
    ("service", "method", "path", "right", "field", "wrong"), FIELDS, ids=_NAMES
)
async def test_a_field_nobody_knows_is_pointed_at(
    shop: Shop,
    service: str,
    method: str,
    path: str,
    right: dict[str, Any],
    field: str,
    wrong: list[Any],
):
    async with shop.unchanged():
        body = {**right, "discount": 100}
        assert await _refused(shop, service, method, path, body) == "/discount"


REQUIRED = [
    ("order", "POST", "/orders", {"product_id": "PROD-001", "quantity": 1}),
    ("inventory", "POST", "/inventory/reserve", _RESERVE),
    ("inventory", "POST", "/inventory/release", {"order_id": _ID}),
    ("inventory", "POST", "/inventory/commit", {"order_id": _ID}),
    ("inventory", "POST", "/inventory/restock", {"product_id": "PROD-001", "quantity": 1}),
    ("payment", "POST", "/payments", _PAY),
    ("inventory", "PUT", "/gremlins/g", {"kind": "error"}),
    ("inventory", "POST", "/gremlin/latency", {"enabled": True}),
]


@pytest.mark.parametrize(("service", "method", "path", "right"), REQUIRED)
async def test_a_missing_field_is_pointed_at(
    shop: Shop, service: str, method: str, path: str, right: dict[str, Any]
):
    async with shop.unchanged():
        for field in right:
            body = {name: value for name, value in right.items() if name != field}
            assert await _refused(shop, service, method, path, body) == f"/{field}"


async def test_an_amount_with_the_wrong_exponent_cannot_even_be_said(shop: Shop):
    """Minor units are whole numbers, so 1.5 yen and 1.2345 dinar are no integers at all."""
    async with shop.unchanged():
        for currency, amount in (("JPY", 1.5), ("BHD", 1.2345), ("EUR", 99.99)):
            body = {**_PAY, "currency": currency, "amount_minor": amount}
            assert await _refused(shop, "payment", "POST", "/payments", body) == "/amount_minor"


async def test_a_product_nobody_sells_is_not_found(shop: Shop):
    for product in ("PROD-999", "A", "9" * 64):
        before = await shop.stock()
        answer = await shop.place(product)
        problem = assert_problem(answer, 404, "product-not-found")
        assert problem["details"] == {"product_id": product}
        assert await shop.stock() == before
    async with shop.unchanged():
        body = {**_RESERVE, "product_id": "PROD-999"}
        answer = await shop.inventory.post("/inventory/reserve", json=body)
        assert_problem(answer, 404, "product-not-found")
        body = {"product_id": "PROD-999", "quantity": 1}
        answer = await shop.inventory.post("/inventory/restock", json=body)
        assert_problem(answer, 404, "product-not-found")


async def test_a_delivery_that_cannot_be_counted_is_refused(shop: Shop):
    """total and stock are 32-bit integers; the last delivery that fits is taken."""
    body = {"product_id": "PROD-002", "quantity": 1_000_000}
    await shop.eyes.execute(
        "UPDATE inventory.stock SET total = total + 2147000000 - stock, stock = 2147000000"
        " WHERE product_id = 'PROD-002'"
    )
    async with shop.unchanged():
        answer = await shop.inventory.post("/inventory/restock", json=body)
        assert_problem(answer, 422, "too-many")
