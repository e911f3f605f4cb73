"""People sign in, stay signed in, and are out when a refresh token was stolen."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest

from services.identity.tokens import for_people
from tests.services.identity.conftest import Identity, bearing, run_identity, run_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "correct-horse-battery"


async def test_a_login_is_a_caller_at_every_service(identity: Identity):
    answer = await identity.log_in()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    view = answer.json()
    assert (view["token_type"], view["expires_in"]) == ("Bearer", 300)
    async with run_service(identity.url) as http:
        me = (await http.get("/me", headers=bearing(view["access_token"]))).json()
    assert me == {"subject": "ada", "roles": ["shopper"], "client": "valerix"}


async def test_a_shopper_may_ask_what_customers_come_to_and_an_operator_everything():
    assert {"gateway-service", "order-service", "dashboard"} <= set(for_people(["shopper"]))
    assert "event-relay" not in for_people(["shopper"])
    assert "event-relay" in for_people(["operator"])


async def test_a_refresh_token_is_good_once(identity: Identity):
    first = (await identity.log_in("operator")).json()["refresh_token"]
    second = await identity.refresh(first)
    assert second.status_code == 200
    assert (await identity.refresh(second.json()["refresh_token"])).status_code == 200


async def test_a_stolen_refresh_token_ends_all_that_the_login_began(
    identity: Identity, eyes: asyncpg.Connection
):
    stolen = (await identity.log_in()).json()["refresh_token"]
    newest = (await identity.refresh(stolen)).json()["refresh_token"]
    again = await identity.refresh(stolen)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await identity.refresh(newest)).status_code == 400
    why = await eyes.fetchval(
        "SELECT revoked_because FROM identity.families ORDER BY created_at DESC LIMIT 1"
    )
    assert why == "a spent refresh token was shown again"
    event = await eyes.fetchrow("SELECT type, payload ->> 'because' FROM identity.outbox")
    assert tuple(event) == ("login.revoked", why)


async def test_of_one_refresh_token_at_once_one_succeeds_and_none_is_left(
    identity: Identity, eyes: asyncpg.Connection
):
    token = (await identity.log_in()).json()["refresh_token"]
    answers = await asyncio.gather(*(identity.refresh(token) for _ in range(8)))
    assert Counter(each.status_code for each in answers) == {200: 1, 400: 7}
    live = await eyes.fetchval(
        "SELECT count(*) FROM identity.refresh_tokens t JOIN identity.families f USING (family_id)"
        " WHERE t.state = 'LIVE' AND f.revoked_at IS NOT NULL"
    )
    assert live == 0


async def test_who_logs_out_is_out(identity: Identity):
    token = (await identity.log_in()).json()["refresh_token"]
    for _ in range(2):  # what is gone is gone: RFC 7009, 2.2
        answer = await identity.http.post("/oauth2/revoke", data={"token": token})
        assert answer.status_code == 200
    assert (await identity.refresh(token)).status_code == 400


async def test_hundreds_of_wrong_passwords_get_nowhere(module_database: str):
    async with run_identity(module_database) as identity:
        assert (await identity.log_in("ada")).status_code == 200
        one = await _guess(identity, lambda n: "operator", 200)
        many = await _guess(identity, lambda n: f"user-{n}", 200)
        # Who was right before gets in, whatever others guess.
        assert (await identity.log_in("ada")).status_code == 200
        refused = await identity.log_in("admin")
    # Ten tries of an account and fifty in total, and what grew again meanwhile.
    assert one[401] <= 30
    assert one[401] + many[401] <= 100
    assert one[429] + many[429] >= 300
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


async def _guess(identity: Identity, name: Any, count: int) -> Counter[int]:
    places = asyncio.Semaphore(50)

    async def guess(n: int) -> int:
        async with places:
            return (await identity.log_in(name(n), "wrong")).status_code

    return Counter(await asyncio.gather(*(guess(n) for n in range(count))))


@pytest.mark.parametrize("name", ["anonymous", "order-service"])
async def test_nobody_is_called_as_the_shop_calls_its_own(identity: Identity, name: str):
    new = {"user": name, "password": "a longer password", "roles": ["shopper"]}
    refused = await identity.http.post("/users", json=new)
    assert (refused.status_code, refused.json()["details"][0]["pointer"]) == (400, "/user")


async def test_demo_users_are_refused_where_the_shop_is_guarded(module_database: str):
    async with run_identity(module_database) as open_shop:
        session = (await open_shop.log_in("admin")).json()["refresh_token"]
    async with run_identity(
        module_database, operator_token=TOKEN, published_on="10.0.0.7"
    ) as guarded:
        assert (await guarded.log_in("ada")).status_code == 401
        assert (await guarded.refresh(session)).status_code == 400
        operator = await guarded.log_in("operator", TOKEN)
        assert operator.status_code == 200
        shown = bearing(operator.json()["access_token"])
        new = {"user": "grace", "password": "a longer password", "roles": ["shopper"]}
        assert (await guarded.http.post("/users", json=new)).status_code == 401
        assert (await guarded.http.post("/users", json=new, headers=shown)).status_code == 201
        assert (await guarded.http.post("/users", json=new, headers=shown)).status_code == 409
        above = {**new, "user": "eve", "roles": ["admin"]}
        assert (await guarded.http.post("/users", json=above, headers=shown)).status_code == 403
        assert (await guarded.http.post("/users", json=above, headers=bearing(TOKEN))).is_success
        assert (await guarded.log_in("grace", "a longer password")).status_code == 200
