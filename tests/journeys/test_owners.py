"""An order and its payment are whose token was shown: others do not find them, nor their keys."""

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import ECKey

from chassis.http.operator_auth import bearer
from chassis.identity.keys import PublishedKeys
from tests.harness.bad_tokens import Forger
from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORDER = {"product_id": "PROD-001", "quantity": 1}
KEY = ECKey.generate_key("P-256")


@pytest.fixture(scope="module", autouse=True)
def published() -> Iterator[None]:
    """What identity would publish: a key that these tests have as well."""
    public = KEY.as_dict(private=False, kid=KEY.thumbprint())

    async def fetched(_: PublishedKeys) -> bytes:
        return json.dumps({"keys": [public]}).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PublishedKeys, "_fetched", fetched)
        yield


def token(subject: str, service: str, *roles: str) -> dict[str, str]:
    """The header of somebody with these roles."""
    forger = Forger(KEY, service)
    return bearer(forger.good(sub=subject, roles=list(roles or ("shopper",))))


@pytest.fixture
def urls(shop: Shop) -> dict[str, str]:
    """Where the shop's processes are, which know the key."""
    return shop.urls


async def ask(url: str, method: str, path: str, headers: dict[str, str], body: object = None):
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        return await client.request(method, path, json=body, headers=headers)


async def test_a_shopper_finds_and_cancels_their_own_alone(shop: Shop, urls: dict[str, str]):
    alice, bob = token("alice", "order-service"), token("bob", "order-service")
    placed = await ask(urls["order"], "POST", "/orders", alice, ORDER)
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert order["owner"] == "alice"

    path = f"/orders/{order['order_id']}"
    for method, each in (("GET", path), ("GET", f"{path}/history"), ("POST", f"{path}/cancel")):
        assert_problem(await ask(urls["order"], method, each, bob), 404, "order-not-found")
    assert (await ask(urls["order"], "GET", "/orders", bob)).json()["orders"] == []
    listed = (await ask(urls["order"], "GET", "/orders", alice)).json()["orders"]
    assert [each["order_id"] for each in listed] == [order["order_id"]]
    assert_problem(await ask(urls["order"], "POST", f"{path}/cancel", alice), 409, "state-conflict")
    operator = token("olga", "order-service", "operator")
    for headers in (operator, {}):
        assert (await ask(urls["order"], "GET", path, headers)).status_code == 200

    payment = f"/payments/{order['payment_id']}"
    of_bob, of_alice = token("bob", "payment-service"), token("alice", "payment-service")
    for method, each in (("GET", payment), ("POST", f"{payment}/cancel")):
        answer = await ask(urls["payment"], method, each, of_bob)
        assert_problem(answer, 404, "payment-not-found")
    by_order = f"/payments?order_id={order['order_id']}"
    assert (await ask(urls["payment"], "GET", by_order, of_bob)).json()["payments"] == []
    assert (await ask(urls["payment"], "GET", payment, of_alice)).status_code == 200
    internal = await ask(urls["payment"], "POST", "/payments", of_alice, {})
    assert_problem(internal, 403, "role-missing")
    rows = await shop.eyes.fetch(
        "SELECT payload->>'owner' AS owner FROM orders.outbox WHERE aggregate_id = $1"
        " UNION ALL SELECT payload->>'owner' FROM payments.outbox WHERE aggregate_id = $2",
        order["order_id"], order["payment_id"],
    )  # fmt: skip
    assert {row["owner"] for row in rows} == {"alice"}
    assert len(rows) >= 3


async def test_nobody_gets_the_answer_to_another_s_key(urls: dict[str, str]):
    key = {"Idempotency-Key": f"one-key-of-two-{uuid4()}"}
    answers = [
        await ask(urls["order"], "POST", "/orders", {**whose, **key}, ORDER)
        for whose in (token("carl", "order-service"), token("dora", "order-service"), {})
    ]
    assert {each.status_code for each in answers} == {201}
    assert not any("idempotent-replayed" in each.headers for each in answers)
    assert [each.json()["owner"] for each in answers] == ["carl", "dora", "anonymous"]
    asked = {"request_id": f"r-{uuid4()}", "merchant_id": "m1", "amount": 100, "currency": "EUR"}
    path, found = "/process-payment", []
    for whose in ("carl", "dora", "carl"):
        answer = await ask(urls["payment"], "POST", path, token(whose, "payment-service"), asked)
        found.append(answer.json().get("payment_id", answer.text))
    assert found[0] == found[2] != found[1]


async def test_nobody_pays_from_another_s_wallet(urls: dict[str, str]):
    theirs = {**ORDER, "payment_method": {"wallet": {"wallet_id": "alice"}}}
    answer = await ask(urls["order"], "POST", "/orders", token("bob", "order-service"), theirs)
    assert_problem(answer, 404, "wallet-not-found")
    wallet = {"wallet": {"wallet_id": "alice", "wallet_type": "valerix"}}
    asked = {"request_id": "w", "merchant_id": "m1", "amount": 5, "currency": "EUR"}
    asked["payment_method"] = wallet  # type: ignore[assignment]
    bob = token("bob", "payment-service")
    answer = await ask(urls["payment"], "POST", "/process-payment", bob, asked)
    assert_problem(answer, 404, "wallet-not-found")
