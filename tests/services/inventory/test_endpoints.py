"""Inventory over HTTP: every answer of the table with its status, code and body."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.inventory.app import create_app
from tests.harness.problems import assert_problem
from tests.harness.serving import knock, serve, settings_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(module_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service's door."""
    settings = settings_of("inventory", module_database)
    async with (
        serve(create_app(settings), settings) as url,
        knock(url) as door,
    ):
        yield door


async def _do(
    door: httpx.AsyncClient, what: str, order_id: str, quantity: int = 0
) -> httpx.Response:
    body: dict[str, object] = {"order_id": order_id}
    if quantity:
        body |= {"product_id": "PROD-002", "quantity": quantity}
    return await door.post(f"/inventory/{what}", json=body)


async def test_a_reservation_from_hold_to_sale(door: httpx.AsyncClient):
    order_id = str(uuid4())
    held = await _do(door, "reserve", order_id, 2)
    assert held.status_code == 200
    view = {"order_id": order_id, "state": "HELD", "product_id": "PROD-002", "quantity": 2}
    assert held.json() == view
    assert (await _do(door, "reserve", order_id, 2)).content == held.content
    assert (await door.get(f"/inventory/reservations/{order_id}")).json() == view
    sold = await _do(door, "commit", order_id)
    assert sold.json() == {**view, "state": "COMMITTED"}
    problem = assert_problem(await _do(door, "release", order_id), 409, "already-sold")
    assert not problem["retryable"]


async def test_a_release_before_its_reserve_fences_it_off(door: httpx.AsyncClient):
    order_id = str(uuid4())
    before = (await door.get("/inventory/PROD-002")).json()
    released = await _do(door, "release", order_id)
    assert released.json() == {
        "order_id": order_id, "state": "RELEASED", "product_id": None, "quantity": 0,
    }  # fmt: skip
    late = assert_problem(await _do(door, "reserve", order_id, 2), 409, "fenced")
    assert late["details"] == {"order_id": order_id}
    assert_problem(await _do(door, "commit", order_id), 409, "nothing-held")
    assert (await door.get("/inventory/PROD-002")).json() == before


async def test_out_of_stock_and_other_refusals_have_their_codes(door: httpx.AsyncClient):
    order_id = str(uuid4())
    problem = assert_problem(await _do(door, "reserve", order_id, 1000), 409, "out-of-stock")
    assert problem["details"] == {"order_id": order_id, "product_id": "PROD-002"}
    answer = await _do(door, "reserve", order_id, 999)
    assert_problem(answer, 422, "reservation-mismatch")
    assert_problem(await _do(door, "commit", str(uuid4())), 409, "nothing-held")


async def test_stock_is_shown_and_a_delivery_counts(door: httpx.AsyncClient):
    listed = (await door.get("/inventory")).json()["products"]
    assert [product["product_id"] for product in listed] == ["PROD-001", "PROD-002", "PROD-003"]
    for product in listed:
        parts = product["stock"] + product["reserved"] + product["sold"]
        assert parts == product["total"]
    before = (await door.get("/inventory/PROD-003")).json()
    answer = await door.post("/inventory/restock", json={"product_id": "PROD-003", "quantity": 5})
    assert answer.json() == {
        **before, "stock": before["stock"] + 5, "total": before["total"] + 5,
    }  # fmt: skip


async def test_the_gauges_show_the_shelf(door: httpx.AsyncClient, eyes: asyncpg.Connection):
    row = await eyes.fetchrow("SELECT * FROM inventory.stock WHERE product_id = 'PROD-001'")
    text = (await door.get("/metrics")).text
    for state in ("stock", "reserved", "sold"):
        line = f'valerix_stock_units{{product="PROD-001",state="{state}"}} {float(row[state])}'
        assert line in text
