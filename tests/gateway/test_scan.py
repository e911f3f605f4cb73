"""Beyond loopback, every port and every route of the running shop is asked: by nobody, and by a
shopper. What lets nobody in says that it does (the list: tests/journeys/test_open_routes.py); what
lets a shopper in stands here.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import grpc
import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from chassis.http.operator_auth import bearer
from chassis.service_credential import ServiceCredential
from fleet.settings import load
from frontend.app import all_panels
from tests.gateway.conftest import GatedShop, eventually
from tests.harness.routes import AskedRoute, exposed, routes_of
from tests.tidy.files import complain
from topology import GRPC_ABOVE, KEYS, SPEAKS_GRPC, find

OPERATOR_TOKEN = "an-operator-of-this-shop"
FLEET_ENVIRON = {
    # Where nobody is, so that it counts as published and is not.
    "VALERIX_PUBLISHED_ON": "192.0.2.1",
    "VALERIX_OPERATOR_TOKEN": OPERATOR_TOKEN,
    "VALERIX_SERVICE_TOKEN": "the-credential-of-this-shop",
    "VALERIX_GATEWAY_RATE_BURST": "10000",
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
}
# What a shopper may ask for: what is theirs and what is for sale. A route that is not here is for
# the shop's services and its operators.
FOR_SHOPPERS = {
    "order": {
        "GET /orders", "POST /orders", "GET /orders/{order_id}", "GET /orders/{order_id}/history",
        "POST /orders/{order_id}/cancel", "GET /products",
    },
    "inventory": {"GET /inventory", "GET /inventory/{product_id}"},
    "payment": {
        "POST /process-payment", "GET /payments", "GET /payments/{payment_id}",
        "POST /payments/{payment_id}/cancel",
    },
    "wallet": {
        "GET /wallets", "GET /wallets/{user_id}/balance", "GET /wallets/{user_id}/transactions",
        "GET /wallets/{user_id}/transactions/{transaction_id}",
        "POST /wallets/{user_id}/payments", "POST /transfers",
    },
    # A panel and an action say for themselves whether they are.
    "dashboard": {
        "GET /", "GET /orders", "GET /orders/{order_id}", "GET /panels/order-list",
        "GET /panels/story/{order_id}", "GET /panels/{name}", "GET /nudges", "POST /logout",
        "POST /do/{name}", "POST /actions/{name}",
    },
}  # fmt: skip
SHOPPER_METHODS = {
    "OrderService": {"Place", "Get", "Cancel"},
    "PaymentService": {"ProcessPayment", "RefundPayment", "Get"},
}
SHOPPER_PANELS = {"products"}
# 405: there is something at this address, and not this.
_REFUSED = {401, 403, 404, 405}
_REFUSED_RPC = {"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"}
# A method that is for shoppers looks at what is asked, and shows nothing of others'. The gateway
# does not lead to each of them.
_NOT_THEIRS = {"NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
_AT_ONCE = 8


@cache
def every_route() -> tuple[AskedRoute, ...]:
    """Those of all processes, whose apps are made for it: here, and not by whoever collects."""
    return tuple(route for key in KEYS for route in routes_of(key, exposed(key)))


class Scan(NamedTuple):
    """The statuses of all routes, at each process's own port and at the gateway."""

    own: dict[str, int]
    gateway: dict[str, int]


@pytest.fixture(scope="module")
def shopper(shop: GatedShop) -> dict[str, str]:
    """A person's header, who is nothing but a shopper."""
    user = {"user": "eve", "password": "a-password-of-eves"}
    made = shop.ask("POST", "identity", "/users", json={**user, "roles": ["shopper"]},
                    headers=bearer(OPERATOR_TOKEN))  # fmt: skip
    assert made.status_code == 201, made.text
    token: str = shop.ask("POST", "identity", "/login", json=user).json()["access_token"]
    return bearer(token)


def scan(shop: GatedShop, headers: dict[str, str]) -> Scan:
    """Ask all of them."""
    return asyncio.run(_scan(shop, headers))


async def _scan(shop: GatedShop, headers: dict[str, str]) -> Scan:
    places = asyncio.Semaphore(_AT_ONCE)
    asking = {**headers, "Accept": "application/json"}
    limit = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(headers=asking, timeout=limit) as client:

        async def ask(method: str, url: str) -> int:
            async with places, client.request(method, url, allow_redirects=False) as response:
                # Of a stream of events the head is enough.
                if response.content_type != "text/event-stream":
                    await response.read()
                is_sent_to_login = response.headers.get("location", "").startswith("/login")
                return 401 if is_sent_to_login else response.status

        own = [ask(each.method, shop.fleet.url(each.key) + each.path) for each in every_route()]
        outside = [ask(each.method, shop.url + _address(each)) for each in every_route()]
        found = await asyncio.gather(*own, *outside)
    names = [each.name for each in every_route()]
    return Scan(
        dict(zip(names, found[: len(names)], strict=True)),
        # By its address alone: who answers there is the gateway's to say.
        dict(zip((f"{each.method} {_address(each)}" for each in every_route()), found[len(names) :],
                 strict=True)),
    )  # fmt: skip


def _address(route: AskedRoute) -> str:
    return find(route.key).prefix + route.path


def _is_door(route: AskedRoute) -> bool:
    """Whether the gateway leads there: by a door, or as to a page of the dashboard."""
    return find(route.key).schema is None or any(
        door.method == route.method and _shape(door.path) == _shape(route.template)
        for door in find(route.key).doors
    )


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _let_in(found: dict[str, int], others: Iterable[str]) -> list[str]:
    """What answered as if somebody had a right to it; `others` may say anything but yes."""
    known = set(others)
    return [
        f"{name}: {status}"
        for name, status in found.items()
        if (status < 400 if name in known else status not in _REFUSED)
    ]


def _demand(scanned: Scan, declared: list[AskedRoute]) -> None:
    others = [each for each in every_route() if each.credential == "other"]
    wrong = _let_in(
        {name: status for name, status in scanned.own.items()
         if name not in {each.name for each in declared}},
        [each.name for each in others],
    )  # fmt: skip
    doors = {f"{each.method} {_address(each)}" for each in declared if _is_door(each)}
    wrong += _let_in(
        {name: status for name, status in scanned.gateway.items() if name not in doors},
        [f"{each.method} {_address(each)}" for each in others if _is_door(each)],
    )
    complain(wrong, "it lets in who has no right to it")


def test_nobody_is_let_in_but_where_a_route_says_so(shop: GatedShop):
    scanned = scan(shop, {})
    _demand(scanned, [each for each in every_route() if each.is_open])
    assert scanned.own["order: GET /health"] == 200
    assert scanned.gateway["GET /auth/.well-known/jwks.json"] == 200


def test_a_shopper_is_let_in_where_a_route_says_so(shop: GatedShop, shopper: dict[str, str]):
    scanned = scan(shop, shopper)
    _demand(scanned, [each for each in every_route() if each.is_open or _is_for_shoppers(each)])
    assert {f"{key}: {name}" for key, names in FOR_SHOPPERS.items() for name in names} <= {
        each.name for each in every_route()
    }, "a route of the list is no more"
    assert scanned.own["order: GET /orders"] == scanned.gateway["GET /orders"] == 200
    assert scanned.own["relay: GET /events"] == 401


def _is_for_shoppers(route: AskedRoute) -> bool:
    return f"{route.method} {route.template}" in FOR_SHOPPERS.get(route.key, set())


def test_a_shopper_sees_the_panels_of_the_list_and_their_own_orders(
    shop: GatedShop, shopper: dict[str, str]
):
    """Also as a program, with a token in place of a session."""
    order_id = _others_order(shop)["order_id"]
    named = {name for name in _panels() if shop.ask(
        "GET", "dashboard", f"/panels/{name}", headers=shopper).status_code == 200}  # fmt: skip
    assert named == SHOPPER_PANELS
    for path in ("/orders", "/panels/order-list"):
        mine = shop.ask("GET", "dashboard", path, headers=shopper)
        assert mine.status_code == 200
        assert order_id not in mine.text
        assert order_id in shop.ask("GET", "dashboard", path, headers=bearer(OPERATOR_TOKEN)).text


def test_a_shopper_brings_no_money_into_a_wallet(shop: GatedShop, shopper: dict[str, str]):
    money = {"amount": 100, "currency": "EUR"}
    for headers, status in ((shopper, 403), (bearer(OPERATOR_TOKEN), 201)):
        keyed = {**headers, "Idempotency-Key": f"a-deposit-for-eve-{status}"}
        made = shop.ask("POST", "wallet", "/wallets/eve/deposits", json=money, headers=keyed)
        assert made.status_code == status, made.text


def test_the_acquirer_s_accounts_open_with_the_keys_of_this_shop_alone(shop: GatedShop):
    """Those in the documents are everybody's. The services have the shop's own."""
    known = load("acquirer", FLEET_ENVIRON)
    for name in ("alfa", "wallets"):
        well_known = f"sk_test_{name}"
        assert _acquirer(shop, "POST", "/v1/refunds", well_known).status_code == 401
        ours = ServiceCredential(known).key_for(well_known)
        assert _acquirer(shop, "GET", "/v1/balance", ours).status_code == 200
        assert _acquirer(shop, "GET", "/v1/balance", ours[:-1]).status_code == 401
    ours = ServiceCredential(known).key_for("sk_test_alfa")
    eventually(lambda: _acquirer(shop, "GET", "/v1/webhook_endpoints", ours).json()["data"])


def test_no_webhook_leads_to_what_only_this_machine_reaches(shop: GatedShop):
    """It listens on loopback here, and is published."""
    body = {"merchant_id": "m1", "url": "http://127.0.0.1:5432/"}
    sent = bearer(OPERATOR_TOKEN)
    answer = shop.ask("POST", "webhook_sender", "/endpoints", json=body, headers=sent)
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/url")


def _acquirer(shop: GatedShop, method: str, path: str, key: str) -> httpx.Response:
    return shop.ask(method, "acquirer", path, headers=bearer(key))


def _panels() -> set[str]:
    """The panels that have a name in the dashboard."""
    state: Any = SimpleNamespace(source=None)
    return {each.name for each in all_panels(state, state, state)}


def _others_order(shop: GatedShop) -> dict[str, str]:
    """An order that is the operator's own."""
    body = {"product_id": "PROD-002", "quantity": 1}
    placed = shop.ask("POST", "order", "/orders", json=body, headers=bearer(OPERATOR_TOKEN))
    order: dict[str, str] = placed.json()
    eventually(lambda: _order(shop, order["order_id"])["payment_id"])
    return _order(shop, order["order_id"])


def _order(shop: GatedShop, order_id: str) -> dict[str, str]:
    found = shop.ask("GET", "order", f"/orders/{order_id}", headers=bearer(OPERATOR_TOKEN))
    order: dict[str, str] = found.json()
    return order


def test_nobody_is_let_in_over_grpc(shop: GatedShop):
    found = scan_grpc(shop, {}, {})
    complain(
        [f"{name}: {code}" for name, code in found.items() if code not in _REFUSED_RPC],
        "it lets in who has no right to it",
    )


def test_a_shopper_gets_their_own_over_grpc(shop: GatedShop, shopper: dict[str, str]):
    """What is another's is not there for them, and the shop's own methods are not theirs."""
    found = scan_grpc(shop, shopper, _others_order(shop))
    wrong = [
        f"{name}: {code}"
        for name, code in found.items()
        if code not in (_NOT_THEIRS if _is_shopper_method(name) else _REFUSED_RPC)
    ]
    complain(wrong, "it lets in who has no right to it")
    placed = shop.ask("POST", "order", "/orders", headers=shopper,
                      json={"product_id": "PROD-002", "quantity": 1}).json()  # fmt: skip
    own = scan_grpc(shop, shopper, {"order_id": placed["order_id"]})
    assert {code for name, code in own.items() if name.endswith("OrderService.Get")} == {"OK"}


def _is_shopper_method(name: str) -> bool:
    service, _, method = name.rpartition(".")
    return method in SHOPPER_METHODS[service.rpartition(".")[2]]


def scan_grpc(shop: GatedShop, headers: dict[str, str], ids: dict[str, str]) -> dict[str, str]:
    """The code of every method, at its process's own port and at the gateway."""
    found = {}
    for process in SPEAKS_GRPC:
        module = import_module(f"valerix.{process.key}.v1.{process.key}_service_pb2")
        own = shop.fleet.ports[process.port_variable] + GRPC_ABOVE
        for port in (own, shop.fleet.ports["VALERIX_GATEWAY_GRPC_PORT"]):
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                for service in module.DESCRIPTOR.services_by_name.values():
                    for method in service.methods:
                        code = _code(channel, method, headers, ids)
                        found[f"{port} {method.full_name}"] = code
    return found


def _code(
    channel: grpc.Channel, method: MethodDescriptor, headers: dict[str, str], ids: dict[str, str]
) -> str:
    fields = (each.name for each in method.input_type.fields if each.name.endswith("_id"))
    given = {name: ids.get(name, str(UUID(int=1))) for name in fields}
    asked = GetMessageClass(method.input_type)(**given)
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = [(name.lower(), value) for name, value in headers.items()]
    try:
        channel.unary_unary(path)(asked.SerializeToString(), timeout=30, metadata=metadata)
    except grpc.RpcError as refused:
        code: str = refused.code().name
        return code
    return "OK"
