"""A signing key that was stolen is withdrawn: at once, for good, with its reason written down."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.harness.bad_tokens import forger_of
from tests.services.identity.conftest import Identity, bearing, run_identity, run_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

_OPERATOR = "an-operator-of-this-shop"
STOLEN = {"reason": "the backup of Monday was stolen"}


async def keys_of(identity: Identity, **headers: str) -> dict[str, list[str]]:
    """The kids that an operator sees, by state."""
    found = (await identity.http.get("/signing-keys", headers=headers)).json()
    kids = {"WITHDRAWN": [each["kid"] for each in found["withdrawn"]]}
    for each in found["keys"]:
        kids.setdefault(each["state"], []).append(each["kid"])
    return kids


async def withdraw(identity: Identity, kid: str, **more: Any) -> httpx.Response:
    """Whoever has lost a key."""
    return await identity.http.post(f"/signing-keys/{kid}/withdraw", json=STOLEN, **more)


async def published(identity: Identity) -> set[str]:
    """The kids that anybody may fetch."""
    found = await identity.http.get("/.well-known/jwks.json")
    return {each["kid"] for each in found.json()["keys"]}


async def test_a_stolen_key_opens_nothing_while_who_comes_with_a_fresh_token_is_let_in(
    module_database: str, eyes: asyncpg.Connection
):
    # Two replicas, of which only one is asked; the other signs as well.
    async with (
        run_identity(module_database) as one,
        run_identity(module_database) as two,
        run_service(one.url) as http,
    ):
        person = (await one.log_in()).json()
        forger = await forger_of(module_database, "order-service")
        forged = bearing(forger.good(sub="somebody else"))
        assert (await http.get("/me", headers=forged)).status_code == 200
        (coming,) = (await keys_of(one))["NEXT"]
        # Whoever fetches them now and then has it before it signs.
        async with asyncio.timeout(30):
            while coming not in await published(one) & await published(two):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

        assert (await withdraw(one, forger.kid)).status_code == 200
        kids = await keys_of(two)
        assert (kids["SIGNING"], kids["WITHDRAWN"]) == ([coming], [forger.kid])
        assert forger.kid not in await published(one)
        # At either replica, from the first request on, and what began with a login goes on.
        fresh = [(await two.log_in()).json(), (await one.refresh(person["refresh_token"])).json()]
        for view in fresh:
            me = await http.get("/me", headers=bearing(view["access_token"]))
            assert me.status_code == 200, me.text
        async with asyncio.timeout(30):
            while (refused := await http.get("/me", headers=forged)).status_code == 200:
                await asyncio.sleep(0.05)
        assert (refused.status_code, refused.json()["code"]) == (401, "bad-token")
        for view in fresh:
            me = await http.get("/me", headers=bearing(view["access_token"]))
            assert me.status_code == 200, me.text
        assert (await http.get("/me", headers=bearing(person["access_token"]))).status_code == 401
    event = await eyes.fetchrow(
        "SELECT aggregate_id, payload ->> 'was', payload ->> 'because' FROM identity.outbox"
        " WHERE type = 'key.withdrawn'"
    )
    assert tuple(event) == (forger.kid, "SIGNING", STOLEN["reason"])


async def test_all_keys_are_withdrawn_by_two_replicas_at_once_and_one_signs(module_database: str):
    async with run_identity(module_database) as one, run_identity(module_database) as two:
        before = await keys_of(one)
        lost = [*before["SIGNING"], *before.get("NEXT", [])]
        answers = await asyncio.gather(
            *(withdraw(each, kid) for each in (one, two) for kid in lost),
            *(each.http.post("/signing-keys/rotate") for each in (one, two)),
        )
        assert {each.status_code for each in answers} == {200, 202}
        after = await keys_of(two)
        assert [len(after[state]) for state in ("SIGNING", "NEXT")] == [1, 1]
        assert set(lost) <= set(after["WITHDRAWN"])
        assert not set(lost) & await published(one)
        assert (await two.log_in()).status_code == 200


async def test_withdrawn_twice_it_keeps_its_first_reason(
    identity: Identity, eyes: asyncpg.Connection
):
    (kid,) = (await keys_of(identity))["SIGNING"]
    assert (await withdraw(identity, kid)).status_code == 200
    again = await identity.http.post(f"/signing-keys/{kid}/withdraw", json={"reason": "another"})
    assert again.status_code == 200
    found = next(each for each in again.json()["withdrawn"] if each["kid"] == kid)
    assert found["withdrawn_because"] == STOLEN["reason"]
    events = await eyes.fetchval(
        "SELECT count(*) FROM identity.outbox WHERE type = 'key.withdrawn' AND aggregate_id = $1",
        kid,
    )
    assert events == 1


@pytest.mark.parametrize("kid", ["A" * 43, "x", "%00" * 43, "é" * 43])
async def test_b194_a_key_that_there_is_not(identity: Identity, kid: str):
    answer = await withdraw(identity, kid)
    assert (answer.status_code, answer.json()["code"]) == (404, "signing-key-not-found")


async def test_nobody_but_an_operator_withdraws_a_key(module_database: str):
    async with run_identity(module_database, operator_token=_OPERATOR) as identity:
        operator = bearing(_OPERATOR)
        entry = {"user": "eve-the-shopper", "password": "a-password-of-eves"}
        made = await identity.http.post(
            "/users", json={**entry, "roles": ["shopper"]}, headers=operator
        )
        assert made.status_code == 201, made.text
        shopper = bearing((await identity.log_in(**entry)).json()["access_token"])
        (kid,) = (await keys_of(identity, **operator))["SIGNING"]
        for headers, status in ((None, 401), (shopper, 403)):
            assert (await withdraw(identity, kid, headers=headers)).status_code == status
        assert kid in await published(identity)


async def test_the_database_lets_no_withdrawn_key_come_back(
    identity: Identity, eyes: asyncpg.Connection
):
    (kid,) = (await keys_of(identity))["SIGNING"]
    assert (await withdraw(identity, kid)).status_code == 200
    for change in ("state = 'RETIRED'", "gone_at = NULL", "withdrawn_because = 'another'"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await eyes.execute(f"UPDATE identity.signing_keys SET {change} WHERE kid = $1", kid)
