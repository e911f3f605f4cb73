"""What services ask of each other is closed to strangers, and to the services of another shop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from chassis.http.shop_identity import SHOP_HEADER
from chassis.service_credential import SERVICE_HEADER
from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR, CREDENTIAL = "an-operator-s-token", "the-services-own-credential"
TOKENS = {"operator_token": OPERATOR, "service_token": CREDENTIAL}
ORDER = "00000000-0000-4000-8000-000000000abc"
INTERNAL: list[tuple[str, str, str, Any]] = [
    ("inventory", "GET", f"/inventory/reservations/{ORDER}", None),
    ("inventory", "POST", "/inventory/reserve",
     {"order_id": ORDER, "product_id": "PROD-001", "quantity": 1}),
    ("inventory", "POST", "/inventory/release", {"order_id": ORDER}),
    ("inventory", "POST", "/inventory/commit", {"order_id": ORDER}),
    ("inventory", "POST", "/inventory/commits", {"order_ids": [ORDER]}),
    ("payment", "POST", "/payments", {"order_id": ORDER, "amount_minor": 5, "currency": "EUR"}),
    ("payment", "POST", f"/payments/{ORDER}/cancel", None),
    ("payment", "GET", f"/payments/{ORDER}", None),
    ("payment", "GET", f"/payments?order_id={ORDER}", None),
    ("payment", "POST", "/policies/check", {"text": ""}),
    ("payment", "POST", "/policies/what-if", {"text": ""}),
    ("inventory", "GET", "/shop", None),
    ("payment", "GET", "/shop", None),
]  # fmt: skip
each_route = pytest.mark.parametrize(
    ("service", "method", "path", "body"), INTERNAL, ids=lambda each: str(each)[:30]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(open_shop: Shop) -> AsyncIterator[dict[str, str]]:
    """The address of each service, of one more of it that has the tokens."""
    async with AsyncExitStack() as running:
        services = ("inventory", "payment", "order")
        yield {
            key: await running.enter_async_context(open_shop.run(key, **TOKENS)) for key in services
        }


async def _ask(
    url: str, method: str, path: str, body: Any, headers: dict[str, str]
) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as client:
        key = {"Idempotency-Key": f"key-of-{uuid4()}"}
        return await client.request(method, path, json=body, headers=key | headers)


@each_route
async def test_with_an_operator_token_a_stranger_is_refused(
    shop: Shop, guarded: dict[str, str], service: str, method: str, path: str, body: Any
):
    async with shop.unchanged():
        for headers, code in (
            ({}, "service-credential-needed"),
            ({SERVICE_HEADER: "guessed"}, "service-credential-needed"),
            ({"Authorization": "Bearer guessed-it"}, "bad-token"),
        ):
            answer = await _ask(guarded[service], method, path, body, headers)
            assert_problem(answer, 401, code)
            assert answer.headers["x-valerix-executed"] == "no"


@pytest.mark.parametrize(
    "headers",
    [{SERVICE_HEADER: CREDENTIAL}, {"Authorization": f"Bearer {OPERATOR}"}],
    ids=["a service", "the operator"],
)
async def test_a_service_and_the_operator_are_let_in(
    guarded: dict[str, str], headers: dict[str, str]
):
    answer = await _ask(guarded["inventory"], "GET", "/shop", None, headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/inventory", "/inventory/PROD-001", "/health", "/metrics"])
async def test_anybody_may_look_at_the_shelves(guarded: dict[str, str], path: str):
    assert (await _ask(guarded["inventory"], "GET", path, None, {})).status_code == 200


async def test_while_a_credential_is_replaced_both_are_accepted(shop: Shop):
    rotated = {**TOKENS, "service_token": f"its-newer-credential,{CREDENTIAL}"}
    async with shop.run("inventory", **rotated) as url:
        for credential in ("its-newer-credential", CREDENTIAL):
            answer = await _ask(url, "GET", "/shop", None, {SERVICE_HEADER: credential})
            assert answer.status_code == 200


async def test_services_with_one_operator_token_know_each_other_without_more(shop: Shop):
    token = {"operator_token": OPERATOR}
    async with shop.run("inventory", **token) as stock, shop.run("payment", **token) as money:
        wires = {"inventory_url": stock, "payment_url": money}
        async with shop.run("order", **token, **wires) as url:
            order = {"product_id": "PROD-001", "quantity": 1}
            answer = await _ask(url, "POST", "/orders", order, {})
            assert answer.status_code == 201
            row = await shop.eyes.fetchrow(
                "SELECT p.made_by AS paid, r.made_by AS held FROM payments.payments p"
                " JOIN inventory.reservations r USING (order_id) WHERE order_id = $1",
                UUID(answer.json()["order_id"]),
            )
            assert tuple(row) == ("order-service", "order-service")


async def test_to_cancel_an_order_takes_the_operator_s_word(guarded: dict[str, str]):
    cancel = ("POST", f"/orders/{ORDER}/cancel", None)
    answer = await _ask(guarded["order"], *cancel, {})
    assert_problem(answer, 401, "token-needed")
    answer = await _ask(guarded["order"], *cancel, {"Authorization": f"Bearer {OPERATOR}"})
    assert_problem(answer, 404, "order-not-found")


async def test_on_loopback_the_same_answers_by_hand_and_is_recorded_as_such(shop: Shop):
    order_id = uuid4()
    body = {"order_id": str(order_id), "product_id": "PROD-002", "quantity": 1}
    assert (await shop.inventory.post("/inventory/reserve", json=body)).status_code == 200
    cancel = {"order_id": str(order_id)}
    assert (await shop.payment.post(f"/payments/{uuid4()}/cancel", json=cancel)).status_code == 200
    row = await shop.eyes.fetchrow(
        "SELECT r.made_by, p.made_by, p.cancelled_by FROM inventory.reservations r"
        " JOIN payments.payments p USING (order_id) WHERE order_id = $1",
        order_id,
    )
    assert tuple(row) == ("hand", "hand", "hand")
    assert await shop.inventory.post("/inventory/release", json={"order_id": str(order_id)})


@each_route
async def test_a_service_of_another_shop_is_refused(
    shop: Shop, service: str, method: str, path: str, body: Any
):
    async with shop.unchanged():
        answer = await _ask(shop.urls[service], method, path, body, {SHOP_HEADER: str(uuid4())})
        assert_problem(answer, 421, "foreign-shop")
        assert answer.headers["x-valerix-executed"] == "no"


async def test_an_order_service_with_another_shop_s_addresses_is_not_ready_and_sells_nothing(
    shop: Shop, database_url: str
):
    """Its own database is another one; the addresses lead to this shop."""
    stranger = Shop(database_url, {})
    stranger.urls = {key: shop.urls[key] for key in ("inventory", "payment")}

    mine = await asyncpg.connect(database_url)
    await mine.execute("UPDATE public.shop SET id = gen_random_uuid()")
    await mine.close()
    stock = await shop.stock()
    async with stranger.run("order") as url, httpx.AsyncClient(base_url=url) as client:
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert "another shop" in ready.json()["checks"]["inventory-service"]
        health = (await client.get("/health")).json()
        assert health["status"] == "degraded"
        assert "another shop" in health["dependencies"]["inventory-service"]
        answer = await client.post("/orders", json={"product_id": "PROD-001", "quantity": 1})
        assert (answer.status_code, answer.json()["status"]) == (202, "PENDING_INVENTORY")
    assert await shop.stock() == stock


async def test_a_service_whose_database_is_another_shop_s_than_its_caller_s_is_degraded(shop: Shop):
    async with shop.run("inventory", **TOKENS) as url:
        ours = {SERVICE_HEADER: CREDENTIAL, SHOP_HEADER: str(uuid4())}
        for headers, status in (({SHOP_HEADER: str(uuid4())}, "healthy"), (ours, "degraded")):
            assert_problem(await _ask(url, "GET", "/shop", None, headers), 421, "foreign-shop")
            health = (await _ask(url, "GET", "/health", None, {})).json()
            assert health["status"] == status
        assert "another shop" in health["dependencies"]["database"]


async def test_a_service_whose_database_became_another_shop_s_is_not_ready(
    shop: Shop, database_url: str
):
    other = Shop(database_url, {})
    async with other.run("inventory") as url:
        assert (await _ask(url, "GET", "/shop", None, {})).status_code == 200
        assert (await _ask(url, "GET", "/health/ready", None, {})).status_code == 200
        mine = await asyncpg.connect(database_url)
        await mine.execute("UPDATE public.shop SET id = gen_random_uuid()")
        await mine.close()
        ready = await _ask(url, "GET", "/health/ready", None, {})
        assert ready.status_code == 503
        assert "another shop" in ready.json()["checks"]["database"]
        health = (await _ask(url, "GET", "/health", None, {})).json()
        assert health["status"] == "degraded"
