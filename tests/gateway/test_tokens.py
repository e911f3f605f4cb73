"""Beyond loopback: who comes in with which token, at the gateway and behind it, over both wires."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import grpc
import httpx
import pytest

from chassis.http.operator_auth import bearer
from fleet.settings import load_as
from fleet.up import first_commands
from services.identity.settings import IdentitySettings
from tests.gateway.conftest import GatedShop, RpcRefusal
from tests.harness.bad_tokens import BAD_TOKENS, Forger, forger_of
from topology import GRPC_ABOVE
from valerix.order.v1.order_service_pb2 import GetRequest

OPERATOR_TOKEN = "an-operator-of-this-shop"
FLEET_KEYS = ("identity", "inventory", "wallet", "payment", "order", "gateway")
FLEET_ENVIRON = {
    # Where nobody is, so that it counts as published and is not.
    "VALERIX_PUBLISHED_ON": "192.0.2.1",
    "VALERIX_OPERATOR_TOKEN": OPERATOR_TOKEN,
    "VALERIX_SERVICE_TOKEN": "the-credential-of-this-shop",
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
    # Before whom 280 cases come in a second.
    "VALERIX_GATEWAY_RATE_BURST": "10000",
}
_NOBODYS = str(UUID(int=1))


class Ways(NamedTuple):
    """Four ways to ask for one order: a client over HTTP, a channel over gRPC, each at the gateway
    and at the service itself."""

    http: dict[str, httpx.Client]
    rpc: dict[str, grpc.Channel]

    def ask(self, authorization: dict[str, str]) -> dict[str, int | str]:
        """The status that each way gives."""
        statuses = {
            f"{where} over HTTP": client.get(f"/orders/{_NOBODYS}", headers=authorization)
            for where, client in self.http.items()
        }
        metadata = [(name.lower(), value) for name, value in authorization.items()]
        asked = GetRequest(order_id=_NOBODYS).SerializeToString()
        codes = {
            f"{where} over gRPC": _code(channel, asked, metadata)
            for where, channel in self.rpc.items()
        }
        return {way: answer.status_code for way, answer in statuses.items()} | codes


def _code(channel: grpc.Channel, asked: bytes, metadata: list[tuple[str, str]]) -> str:
    call = channel.unary_unary("/valerix.order.v1.OrderService/Get")
    with pytest.raises(grpc.RpcError) as refused:
        call(asked, metadata=metadata, timeout=30)
    code: str = refused.value.code().name
    return code


def _answers(status: int, code: str) -> dict[str, int | str]:
    return {
        f"{where} over {wire}": what
        for wire, what in (("HTTP", status), ("gRPC", code))
        for where in ("the gateway", "the service")
    }


REFUSED = _answers(401, "UNAUTHENTICATED")
# There is no such order, for whoever may ask.
LET_IN = _answers(404, "NOT_FOUND")


@pytest.fixture(scope="module")
def ways(shop: GatedShop) -> Iterator[Ways]:
    order = shop.fleet.url("order")
    ports = {
        "the gateway": shop.fleet.ports["VALERIX_GATEWAY_GRPC_PORT"],
        "the service": shop.fleet.ports["VALERIX_ORDER_PORT"] + GRPC_ABOVE,
    }
    channels = {where: grpc.insecure_channel(f"127.0.0.1:{port}") for where, port in ports.items()}
    with httpx.Client(base_url=order, timeout=30) as direct:
        yield Ways({"the gateway": shop.client, "the service": direct}, channels)
    for channel in channels.values():
        channel.close()


@pytest.fixture(scope="module")
def forger(shop: GatedShop) -> Forger:
    """Somebody who has the signing key of this shop."""
    return asyncio.run(forger_of(shop.fleet.database_url, "gateway-service order-service"))


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_a_bad_token_is_refused_at_the_gateway_and_behind_it_over_http_and_grpc(
    ways: Ways, forger: Forger, case: str
):
    assert ways.ask(bearer(BAD_TOKENS[case](forger))) == REFUSED


def test_who_shows_a_good_token_comes_in_and_who_shows_none_does_not(ways: Ways, forger: Forger):
    assert ways.ask(bearer(forger.good())) == LET_IN
    assert ways.ask({}) == REFUSED


def test_a_token_that_is_refused_says_why(shop: GatedShop, forger: Forger):
    for_others = bearer(forger.good(aud=["somebody-else"]))
    none, bad = (shop.client.get("/orders", headers=headers) for headers in ({}, for_others))
    assert (none.json()["code"], bad.json()["code"]) == ("token-needed", "bad-token")
    assert none.headers["WWW-Authenticate"] == 'Bearer realm="valerix"'
    assert 'error="invalid_token"' in bad.headers["WWW-Authenticate"]
    assert {each.headers["X-Valerix-Executed"] for each in (none, bad)} == {"no"}


def test_over_grpc_it_is_in_the_details(shop: GatedShop, forger: Forger):
    """B205"""
    get = "valerix.order.v1.OrderService/Get"
    none, bad = shop.call(get), shop.call(get, authorization="Bearer eyJ.no.token")
    assert none == RpcRefusal("UNAUTHENTICATED", 401, "token-needed", "no")
    assert bad == RpcRefusal("UNAUTHENTICATED", 401, "bad-token", "no")


def test_who_asks_for_a_websocket_needs_a_token_like_all_others(shop: GatedShop):
    """B199"""
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    refused = shop.client.get("/orders", headers=asked)
    assert (refused.status_code, refused.json()["code"]) == (401, "token-needed")


def test_the_operator_token_is_a_way_to_log_in_as_operator(shop: GatedShop, ways: Ways):
    # Without a token, or with one that is not good: nobody has a good one before the login.
    entry = {"user": "operator", "password": OPERATOR_TOKEN}
    logged_in = shop.client.post("/auth/login", json=entry, headers=bearer("eyJ.no.token"))
    assert logged_in.status_code == 200, logged_in.text
    operator = bearer(logged_in.json()["access_token"])
    assert ways.ask(operator) == LET_IN
    restock, goods = "/inventory/restock", {"product_id": "PROD-001", "quantity": 1}
    assert shop.client.post(restock, json=goods, headers=operator).status_code == 200
    # As a token of its own it opens what it always did, at a process's own port.
    direct = shop.ask("POST", "inventory", restock, json=goods, headers=bearer(OPERATOR_TOKEN))
    assert direct.status_code == 200


def test_the_scheme_may_be_written_in_small_letters(shop: GatedShop, forger: Forger):
    token = forger.good(aud=["gateway-service", "order-service"])
    found = shop.client.get("/orders", headers={"Authorization": f"bearer {token}"})
    assert found.status_code == 200, found.text


def test_what_a_published_shop_prints_first_places_an_order(shop: GatedShop):
    environ = {**os.environ, **FLEET_ENVIRON}
    settings = load_as(IdentitySettings, "identity", environ)
    lines = [command for _, command in first_commands(shop.fleet.urls, settings)]
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines)], env=environ, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["product_id"] == "PROD-001", done.stdout


def test_an_operators_door_needs_the_role(shop: GatedShop, forger: Forger):
    shopper = bearer(forger.good(roles=["shopper"], aud=["gateway-service", "inventory-service"]))
    goods = {"product_id": "PROD-001", "quantity": 1}
    refused = shop.client.post("/inventory/restock", json=goods, headers=shopper)
    assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")


def test_an_api_key_does_in_place_of_a_token_at_a_wallets_doors(shop: GatedShop):
    """The wallet service itself looks at it."""
    refused = shop.client.get("/wallets/alice/balance", headers={"X-API-Key": "guessed"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "API_KEY_NEEDED")


def test_what_tokens_are_checked_with_is_there_for_everybody(shop: GatedShop):
    keys = shop.client.get("/auth/.well-known/jwks.json").json()["keys"]
    assert {each["kty"] for each in keys} == {"EC"}
    metadata = shop.client.get("/auth/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == "http://localhost:5005"
    assert shop.client.get("/auth/signing-keys").status_code == 404
