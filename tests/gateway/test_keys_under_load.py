"""Customers with tokens while keys follow each other, and while identity is away; and guesses.

Lives are shortened: of keys to seconds, of a person's token to eight."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from joserfc.jws import extract_compact

from chassis.http.operator_auth import bearer
from tests.gateway.conftest import GatedShop, eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]
FLEET_KEYS = ("identity", "inventory", "wallet", "payment", "order", "gateway")
_LIFE_S = 8
FLEET_ENVIRON = {
    "VALERIX_IDENTITY_KEYS_EVERY_S": "0.5",
    "VALERIX_IDENTITY_KEY_LEAD_S": "1.5",
    "VALERIX_IDENTITY_ROTATE_EVERY_S": "3",
    "VALERIX_IDENTITY_ACCESS_S": str(_LIFE_S),
    "VALERIX_GATEWAY_RATE_BURST": "10000",
}
_KEYS = 4
_AT_ONCE = 4
ADA = {"user": "ada", "password": "demo-password"}


class Customer:
    """Several requests at once with one token, until `is_over`; `responses` counts the statuses."""

    def __init__(self, shop: GatedShop, token: str) -> None:
        self._url, self.token = shop.url, token
        self.responses: Counter[int] = Counter()
        self.refusals: set[str] = set()

    async def ask(self, is_over: Callable[[], bool]) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client:
            await asyncio.gather(*(self._ask(client, is_over) for _ in range(_AT_ONCE)))

    async def _ask(self, client: httpx.AsyncClient, is_over: Callable[[], bool]) -> None:
        while not is_over():
            found = await client.get("/orders", headers=bearer(self.token))
            self.responses[found.status_code] += 1
            if found.is_error:
                self.refusals.add(found.text)


def key_of(token: str) -> str:
    """Which key it is signed with."""
    return str(extract_compact(token.encode()).headers()["kid"])


def _next_may_sign(shop: GatedShop) -> bool:
    keys = shop.ask("GET", "identity", "/signing-keys").json()["keys"]
    return any(
        key["state"] == "NEXT" and datetime.fromisoformat(key["signs_at"]) < datetime.now(UTC)
        for key in keys
    )


def _refusal(url: str, token: str) -> tuple[int, str | None]:
    found = httpx.get(f"{url}/orders", headers=bearer(token), timeout=30)
    return found.status_code, found.json().get("code")


def _orders(shop: GatedShop, token: str) -> httpx.Response:
    return shop.client.get("/orders", headers=bearer(token))


def logged_in(shop: GatedShop) -> str:
    """The access token of a login at identity itself."""
    found = shop.ask("POST", "identity", "/login", json=ADA)
    assert found.status_code == 200, found.text
    token: str = found.json()["access_token"]
    return token


def test_keys_follow_each_other_under_load_without_one_failed_request(shop: GatedShop):
    customer = Customer(shop, logged_in(shop))
    keys = {key_of(customer.token)}

    async def log_in_again() -> None:
        while len(keys) < _KEYS:
            await asyncio.sleep(0.3)
            customer.token = await asyncio.to_thread(logged_in, shop)
            keys.add(key_of(customer.token))

    async def run() -> None:
        await asyncio.gather(log_in_again(), customer.ask(lambda: len(keys) >= _KEYS))

    asyncio.run(run())
    assert set(customer.responses) == {200}, customer.refusals


def test_a_key_is_withdrawn_under_load_and_no_fresh_token_is_refused(shop: GatedShop):
    # The next key has been published for so long that everybody has it.
    eventually(lambda: _next_may_sign(shop))
    fresh, thief = Customer(shop, logged_in(shop)), Customer(shop, logged_in(shop))
    stolen = key_of(thief.token)

    async def withdraw() -> None:
        while thief.responses.total() < _AT_ONCE:
            await asyncio.sleep(0.05)
        path = f"/signing-keys/{stolen}/withdraw"
        answer = await asyncio.to_thread(shop.ask, "POST", "identity", path, json={"reason": "x"})
        assert answer.status_code == 200, answer.text
        fresh.token = await asyncio.to_thread(logged_in, shop)
        assert key_of(fresh.token) != stolen

    async def run() -> None:
        # From the answer to a withdrawal on nobody has a fresh token that is refused; whoever had
        # one of the stolen key signs in again.
        asking = asyncio.create_task(thief.ask(lambda: thief.responses[401] >= _AT_ONCE))
        await withdraw()
        await fresh.ask(lambda: asking.done() and fresh.responses.total() >= 10 * _AT_ONCE)
        await asking

    asyncio.run(run())
    assert set(fresh.responses) == {200}, fresh.refusals
    assert set(thief.responses) == {200, 401}
    # At the gateway, and soon at the services behind it.
    for url in (shop.url, shop.fleet.url("order")):
        eventually(lambda url=url: _refusal(url, thief.token) == (401, "bad-token"))


def test_without_identity_a_token_is_good_until_it_ends_and_orders_go_on(shop: GatedShop):
    customer, others = Customer(shop, logged_in(shop)), Counter[int]()
    shop.fleet.kill("identity")
    asyncio.run(customer.ask(lambda: customer.responses[401] >= _AT_ONCE))
    for _ in range(5):
        others[shop.order().status_code] += 1
    assert set(customer.responses) == {200, 401}
    assert set(others) <= {201, 402}
    shop.fleet.start("identity")
    # Keys turn faster here than a busy gateway fetches them.
    eventually(lambda: _orders(shop, logged_in(shop)).status_code == 200)


def test_of_a_thousand_guesses_few_are_looked_at_and_nobody_else_waits(shop: GatedShop):
    logged_in(shop)  # who was right before is not shut out

    async def run() -> Counter[int]:
        places = asyncio.Semaphore(50)
        async with httpx.AsyncClient(base_url=shop.fleet.url("identity"), timeout=60) as client:

            async def guess(n: int) -> int:
                user = {"user": f"user-{n % 20}", "password": f"guess-{n}"}
                async with places:
                    return (await client.post("/login", json=user)).status_code

            return Counter(await asyncio.gather(*(guess(n) for n in range(1000))))

    responses = asyncio.run(run())
    assert set(responses) == {401, 429}
    assert responses[401] <= 100
    assert shop.order().status_code in (201, 402)
    logged_in(shop)
