"""Too many requests, services that are away, gremlins, and an Envoy that dies."""

import json
import socket
from http.client import HTTPResponse
from urllib.parse import urlsplit

import psutil
import pytest

from fleet.gateway.app import LABELS
from tests.gateway.conftest import GatedShop, RpcRefusal, eventually

FLEET_KEYS = ("inventory", "order", "gateway")
_BURST = 20
FLEET_ENVIRON = {
    "VALERIX_GATEWAY_RATE_PER_S": "1",
    "VALERIX_GATEWAY_RATE_BURST": str(_BURST),
    "VALERIX_GATEWAY_ANSWER_WITHIN_S": "1.5",
    "VALERIX_GATEWAY_PEER_DEADLINE_S": "2",
    # Of the whole request, so that of the head does not count here.
    "VALERIX_GATEWAY_BODY_TIMEOUT_S": "1",
    "VALERIX_GATEWAY_HEAD_TIMEOUT_S": "120",
}
GET_ORDER = "valerix.order.v1.OrderService/Get"
GET_PAYMENT = "valerix.payment.v1.PaymentService/Get"
STOCK = "/inventory"
PRODUCT = "/inventory/PROD-001"
_SERIES = 'valerix_gremlin_bites_total{gremlin="%s",kind="%s",service="gateway-service"}'


LATE = (408, "request-timeout", "no")


def raw(shop: GatedShop, sent: bytes) -> tuple[int, str, str]:
    """Status, code and whether it was executed, of a request that nobody sends the end of."""
    url = urlsplit(shop.url)
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        problem = json.loads(answer.read())
    return answer.status, problem["code"], answer.headers["X-Valerix-Executed"]


def envoys(shop: GatedShop) -> list[psutil.Process]:
    children = psutil.Process(shop.fleet.pid("gateway")).children(recursive=True)
    return [each for each in children if "envoy" in each.name()]


@pytest.fixture
def fresh(shop: GatedShop) -> None:
    """Another Envoy, whose buckets are full."""
    (before,) = envoys(shop)
    before.kill()
    eventually(
        lambda: (
            shop.ask("GET", "gateway", "/health/ready").status_code == 200
            and before.pid not in [each.pid for each in envoys(shop)]
        )
    )


def test_more_than_the_gateway_lets_in_is_429(shop: GatedShop):
    answers = [shop.client.get(STOCK) for _ in range(_BURST + 10)]
    refused = [each for each in answers if each.status_code == 429]
    assert {each.status_code for each in answers} == {200, 429}
    assert refused[0].headers["Retry-After"] == "1"
    assert refused[0].headers["X-Valerix-Executed"] == "no"
    assert refused[0].headers["Content-Type"] == "application/problem+json"
    assert refused[0].json()["code"] == "too-many-requests"
    # Another door has a bucket of its own.
    assert shop.client.get(PRODUCT).status_code == 200


def test_a_request_that_does_not_come_to_its_end_is_408_over_both_wires(
    shop: GatedShop, fresh: None
):
    """B197"""

    assert raw(shop, b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{") == LATE
    assert raw(shop, b"POST /orders HTTP/1.1\r\nHost: a\r\n") == LATE
    late = shop.call(GET_ORDER, ends=False)
    assert late == RpcRefusal("DEADLINE_EXCEEDED", 408, "request-timeout", "no")


def test_the_gateways_own_answers_to_calls_are_statuses_with_details(shop: GatedShop, fresh: None):
    """B205"""
    away = [shop.call(GET_PAYMENT) for _ in range(_BURST + 10)]
    assert set(away) == {
        RpcRefusal("UNAVAILABLE", 503, "overloaded", "no"),
        RpcRefusal("RESOURCE_EXHAUSTED", 429, "too-many-requests", "no"),
    }
    large = shop.call(GET_ORDER, b"x" * 80_000)
    assert large == RpcRefusal("RESOURCE_EXHAUSTED", 413, "too-large", "no")
    shop.fleet.pause("order")
    try:
        silent = shop.call(GET_ORDER)
    finally:
        shop.fleet.resume("order")
    assert silent == RpcRefusal("DEADLINE_EXCEEDED", 504, "outcome-unknown", None)


@pytest.mark.parametrize(
    "method",
    [
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "grpc.health.v1.Health/Check",
        "valerix.order.v1.OrderService/Nothing",
        # A method, and no door.
        "valerix.payment.v1.PaymentService/ChargeOrder",
        "of/nobody",
    ],
)
def test_what_is_no_door_is_unimplemented_before_anything_is_read(shop: GatedShop, method: str):
    """B206"""
    assert shop.call(method, ends=False) == RpcRefusal("UNIMPLEMENTED", 404, "not-found", "no")


def test_an_envoy_that_dies_is_started_again(shop: GatedShop):
    (before,) = envoys(shop)
    before.kill()
    eventually(lambda: shop.client.get(PRODUCT).status_code == 200)
    (after,) = envoys(shop)
    assert after.pid != before.pid
    assert "envoy died and is started again" in shop.fleet.log("gateway")
    health = shop.ask("GET", "gateway", "/health").json()
    assert health["dependencies"] == {"envoy": "reachable"}


def put(shop: GatedShop, name: str, **gremlin: object) -> None:
    shop.ask("PUT", "gateway", f"/gremlins/{name}", json=gremlin).raise_for_status()


def bites(shop: GatedShop, name: str, kind: str) -> bool:
    return _SERIES % (name, kind) in shop.metrics()


def test_an_error_gremlin_answers_before_any_service(shop: GatedShop, fresh: None, calm: None):
    put(shop, "down", kind="error", status=500, routes=["GET /inventory/{product_id}"])
    eventually(lambda: shop.client.get(PRODUCT).status_code == 500)
    refused = shop.client.get(PRODUCT)
    assert refused.json()["code"] == "gremlin"
    assert "X-Valerix-Executed" not in refused.headers
    assert shop.client.get(STOCK).status_code == 200
    eventually(lambda: bites(shop, "down", "error"))
    # It is at the gateway: the service itself knows nothing of it.
    assert shop.ask("GET", "inventory", PRODUCT).status_code == 200
    shop.ask("DELETE", "gateway", "/gremlins/down").raise_for_status()
    eventually(lambda: shop.client.get(PRODUCT).status_code == 200)


def test_a_gremlin_survives_the_envoy_it_sits_in(shop: GatedShop, fresh: None, calm: None):
    put(shop, "slow", kind="latency", delay_ms=100)
    eventually(lambda: shop.client.get(PRODUCT).is_success and _bites_of(shop, "slow") > 0)
    envoys(shop)[0].kill()
    before = _bites_of(shop, "slow")
    eventually(lambda: shop.client.get(PRODUCT).is_success and _bites_of(shop, "slow") > before)
    events = shop.ask("GET", "gateway", "/gremlins/audit").json()["events"]
    assert ("slow", "started") in [(each["name"], each["action"]) for each in events]


def _bites_of(shop: GatedShop, name: str) -> int:
    loose = shop.ask("GET", "gateway", "/gremlins").json()["gremlins"]
    return next(each["bites"] for each in loose if each["name"] == name)


@pytest.mark.parametrize(
    ("gremlin", "pointer"),
    [
        ({"kind": "lost_response"}, "/kind"),
        ({"kind": "latency", "delay_ms": 10, "jitter_ms": 5}, "/jitter_ms"),
        ({"kind": "error", "routes": ["/health"]}, "/routes"),
    ],
)
def test_what_envoy_cannot_do_is_refused(shop: GatedShop, gremlin: dict[str, object], pointer: str):
    """B184"""
    answer = shop.ask("PUT", "gateway", "/gremlins/wrong", json=gremlin)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["pointer"] == pointer


def test_a_service_that_is_silent_leaves_the_outcome_unknown(shop: GatedShop, fresh: None):
    shop.fleet.pause("inventory")
    try:
        silent = shop.client.get(PRODUCT)
    finally:
        shop.fleet.resume("inventory")
    assert silent.status_code == 504
    assert silent.json()["code"] == "outcome-unknown"
    assert "X-Valerix-Executed" not in silent.headers


def test_a_service_that_is_away_was_asked_nothing(shop: GatedShop, fresh: None):
    """The last but one: the service is gone for a while."""
    shop.fleet.kill("inventory")
    try:
        away = [shop.client.get(PRODUCT) for _ in range(8)]
    finally:
        shop.fleet.start("inventory")
    assert {each.status_code for each in away} == {503}
    assert {each.headers.get("X-Valerix-Executed") for each in away} == {"no"}
    assert {each.headers["Retry-After"] for each in away} == {"1"}
    # After five that could not connect it is left alone.
    assert 'envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name="inventory"} 1' in (
        shop.metrics("/metrics/envoy")
    )
    eventually(lambda: shop.client.get(STOCK).status_code in (200, 429))


def test_every_door_has_a_gremlin_of_its_own(shop: GatedShop):
    routes = shop.ask("PUT", "gateway", "/gremlins/x", json={"kind": "error", "routes": ["/"]})
    shown = routes.json()["detail"]
    assert all(label.partition(" ")[2] in shown for label in LABELS)
