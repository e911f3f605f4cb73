"""Beyond loopback, every port and every route of the running shop is asked: by nobody, and by a
shopper. What lets them in is what says that it does (the list: tests/journeys/test_open_routes.py).
"""

import asyncio
import re
from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple
from uuid import UUID

import grpc
import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from chassis.http.operator_auth import bearer
from tests.gateway.conftest import GatedShop
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
}
ROUTES = [route for key in KEYS for route in routes_of(key, exposed(key))]
# 405: there is something at this address, and not this.
_REFUSED = {401, 403, 404, 405}
_AT_ONCE = 8


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
    async with httpx.AsyncClient(headers=asking, timeout=30) as client:

        async def ask(method: str, url: str) -> int:
            # Of a stream of events the head is enough.
            async with places, client.stream(method, url) as response:
                is_sent_to_login = response.headers.get("location", "").startswith("/login")
                return 401 if is_sent_to_login else response.status_code

        own = [ask(each.method, shop.fleet.url(each.key) + each.path) for each in ROUTES]
        outside = [ask(each.method, shop.url + _address(each)) for each in ROUTES]
        found = await asyncio.gather(*own, *outside)
    names = [each.name for each in ROUTES]
    return Scan(
        dict(zip(names, found[: len(names)], strict=True)),
        # By its address alone: who answers there is the gateway's to say.
        dict(zip((f"{each.method} {_address(each)}" for each in ROUTES), found[len(names) :],
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
    others = [each for each in ROUTES if each.credential == "other"]
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
    _demand(scanned, [each for each in ROUTES if each.is_open])
    assert scanned.own["order: GET /health"] == 200
    assert scanned.gateway["GET /auth/.well-known/jwks.json"] == 200


def test_a_shopper_is_let_in_where_a_route_says_so(shop: GatedShop, shopper: dict[str, str]):
    scanned = scan(shop, shopper)
    _demand(scanned, [each for each in ROUTES if each.is_open or each.lets_shoppers_in])
    assert scanned.own["order: GET /orders"] == scanned.gateway["GET /orders"] == 200
    assert scanned.own["relay: GET /events"] == 401


def test_nobody_is_let_in_over_grpc(shop: GatedShop):
    wrong = []
    for process in SPEAKS_GRPC:
        module = import_module(f"valerix.{process.key}.v1.{process.key}_service_pb2")
        own = shop.fleet.ports[process.port_variable] + GRPC_ABOVE
        for port in (own, shop.fleet.ports["VALERIX_GATEWAY_GRPC_PORT"]):
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                for service in module.DESCRIPTOR.services_by_name.values():
                    for method in service.methods:
                        code = _code(channel, method)
                        if code not in ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"):
                            wrong.append(f"{port} {method.full_name}: {code}")
    complain(wrong, "it lets in who has no right to it")


def _code(channel: grpc.Channel, method: MethodDescriptor) -> str:
    fields = (each.name for each in method.input_type.fields if each.name.endswith("_id"))
    asked = GetMessageClass(method.input_type)(**dict.fromkeys(fields, str(UUID(int=1))))
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        channel.unary_unary(path)(asked.SerializeToString(), timeout=30)
    except grpc.RpcError as refused:
        code: str = refused.code().name
        return code
    return "OK"
