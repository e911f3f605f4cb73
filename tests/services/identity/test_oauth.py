"""The token endpoint as its RFCs have it, and every bad token at a service that checks them."""

import asyncio
from typing import Any

import asyncpg
import pytest

from services.identity.oauth import ACCESS_TOKEN, EXCHANGE
from tests.harness.bad_tokens import BAD_TOKENS, forger_of
from tests.services.identity.conftest import (
    Identity,
    bearing,
    run_identity,
    run_service,
    secret_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = {"client_id": "order-service", "client_secret": secret_of("order-service")}
SERVICE = {**ORDERS, "grant_type": "client_credentials"}


async def test_a_service_gets_a_token_for_the_services_that_it_calls(identity: Identity):
    view = (await identity.token(**SERVICE)).json()
    assert view["expires_in"] == 3600
    assert "refresh_token" not in view
    in_head = await identity.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"},
        auth=(ORDERS["client_id"], ORDERS["client_secret"]),
    )  # fmt: skip
    assert in_head.status_code == 200
    async with run_service(identity.url) as http:
        # It calls inventory and payment, and not itself.
        refused = await http.get("/me", headers=bearing(view["access_token"]))
    assert refused.status_code == 401
    forger = await forger_of(identity.database_url, "payment-service")
    assert forger.kid in (await identity.http.get("/.well-known/jwks.json")).text


async def test_a_service_exchanges_a_persons_token_for_one_to_those_it_calls(identity: Identity):
    person = (await identity.log_in()).json()["access_token"]
    asked = {
        **ORDERS, "grant_type": EXCHANGE, "subject_token": person,
        "subject_token_type": ACCESS_TOKEN, "audience": "inventory-service",
    }  # fmt: skip
    view = (await identity.token(**asked)).json()
    assert view["issued_token_type"] == ACCESS_TOKEN
    assert view["expires_in"] <= 300
    again = await identity.token(**{**asked, "subject_token": view["access_token"]})
    assert again.json()["error"] == "invalid_request"  # it is for inventory, not for orders


_WITHOUT = {"grant_type": "client_credentials"}
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("B150 nothing", {}, 400, "invalid_request"),
    ("B151 a grant that there is not", {"grant_type": "password"}, 400, "unsupported_grant_type"),
    ("B152 a wrong secret", {**SERVICE, "client_secret": "x"}, 401, "invalid_client"),
    ("B152 nobody's name", {**SERVICE, "client_id": "eve"}, 401, "invalid_client"),
    ("B152 no secret", _WITHOUT, 401, "invalid_client"),
    ("B153 a service that it does not call", {**SERVICE, "audience": "wallet-service"}, 400,
     "invalid_target"),
    ("B154 no refresh token", {"grant_type": "refresh_token", "refresh_token": "rt_x"}, 400,
     "invalid_grant"),
    ("B155 a subject that is no token",
     {**ORDERS, "grant_type": EXCHANGE, "subject_token": "x", "subject_token_type": ACCESS_TOKEN},
     400, "invalid_request"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "status", "code"), [each[1:] for each in REFUSED],
                         ids=[each[0] for each in REFUSED])  # fmt: skip
async def test_what_is_refused(identity: Identity, form: dict[str, Any], status: int, code: str):
    answer = await identity.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=refresh_token&grant_type=client_credentials", "x-www-form-urlencoded"),
        (b'{"grant_type":"client_credentials"}', "json"),
        (b"&".join(b"f%d=1" % n for n in range(30)), "x-www-form-urlencoded"),
        (b"grant_type=%ff", "x-www-form-urlencoded"),
        ("grant_type=\u00e9".encode(), "x-www-form-urlencoded"),
    ],
    ids=["a field twice", "JSON", "thirty fields", "bad UTF-8", "not escaped"],
)
async def test_b156_a_form_that_is_none(identity: Identity, body: bytes, content_type: str):
    answer = await identity.http.post(
        "/oauth2/token", content=body, headers={"Content-Type": f"application/{content_type}"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_b157_an_access_token_cannot_be_taken_back(identity: Identity):
    token = (await identity.log_in()).json()["access_token"]
    answer = await identity.http.post("/oauth2/revoke", data={"token": token})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")


async def test_every_bad_token_is_refused_by_a_service(identity: Identity):
    forger = await forger_of(identity.database_url, "order-service")
    async with run_service(identity.url) as http:
        assert (await http.get("/me", headers=bearing(forger.good()))).json()["subject"] == "ada"
        for case, make in BAD_TOKENS.items():
            answer = await http.get("/me", headers=bearing(make(forger)))
            assert answer.status_code == 401, case
            assert "invalid_token" in answer.headers["www-authenticate"], case


async def test_keys_turn_while_requests_go_on_and_not_one_fails(database_url: str):
    """In a database of its own: where another's key is the next, it would sign in a minute."""
    quick = {
        "identity_rotate_every_s": 1.0, "identity_key_lead_s": 1.0, "identity_keys_every_s": 0.2,
        "identity_poll_s": 0.1,
    }  # fmt: skip
    used: set[str] = set()
    async with (
        run_identity(database_url, **quick) as one,
        run_identity(database_url, **quick) as two,
        run_service(one.url) as http,
    ):
        oldest = (await one.log_in()).json()["access_token"]
        while len(used) < 3:
            for identity in (one, two):
                answer = await identity.log_in()
                assert answer.status_code == 200
                token = answer.json()["access_token"]
                used.add(token.partition(".")[0])
                for shown in (token, oldest):
                    me = await http.get("/me", headers=bearing(shown))
                    assert me.status_code == 200, me.text
            await asyncio.sleep(0.05)
    eyes = await asyncpg.connect(database_url)
    signing = await eyes.fetchval(
        "SELECT count(*) FROM identity.signing_keys WHERE state = 'SIGNING'"
    )
    await eyes.close()
    assert signing == 1


async def test_tokens_are_good_while_identity_is_gone(module_database: str):
    async with run_identity(module_database) as identity:
        token = (await identity.log_in()).json()["access_token"]
        other = (await identity.log_in()).json()["access_token"]
        service = run_service(identity.url)
        http = await service.__aenter__()
        assert (await http.get("/me", headers=bearing(token))).status_code == 200
    try:
        # This one the service has not seen before.
        for shown in (token, other):
            assert (await http.get("/me", headers=bearing(shown))).json()["subject"] == "ada"
    finally:
        await service.__aexit__(None, None, None)


async def test_what_is_published_has_no_secret_and_says_where_all_is(identity: Identity):
    keys = (await identity.http.get("/.well-known/jwks.json")).json()["keys"]
    assert keys
    assert all("d" not in each for each in keys)
    found = (await identity.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["token_endpoint"] == found["issuer"] + "/oauth2/token"


async def test_an_operator_has_the_next_key_published(identity: Identity):
    answer = await identity.http.post("/signing-keys/rotate")
    assert answer.status_code == 202
    assert {each["state"] for each in answer.json()["keys"]} >= {"NEXT", "SIGNING"}
