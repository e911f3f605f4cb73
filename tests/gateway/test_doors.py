"""What comes through the gateway, what does not, and what its answers say."""

import json
import socket
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
import pytest

from tests.gateway.conftest import GatedShop, eventually
from valerix.order.v1.order_service_pb2 import PlaceRequest

FLEET_KEYS = ("inventory", "wallet", "acquirer", "payment", "order", "gateway", "dashboard")
PLACE = "valerix.order.v1.OrderService/Place"
SERVICE_TOKEN = "the-credential-of-this-shop"
FLEET_ENVIRON = {
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
    "VALERIX_OPERATOR_TOKEN": "an-operator-of-this-shop",
    "VALERIX_SERVICE_TOKEN": SERVICE_TOKEN,
}


def test_an_order_comes_through_unchanged(shop: GatedShop):
    made = shop.order(**{"X-Request-Id": "of-a-customer", "Idempotency-Key": "through-the-gateway"})
    assert made.status_code == 201, made.text
    assert made.headers["X-Request-Id"] == "of-a-customer"
    direct = shop.ask("GET", "order", made.headers["Location"])
    through = shop.client.get(made.headers["Location"])
    assert through.json() == direct.json()
    its_own = {"x-request-id", "x-trace-id", "date"}
    kept = {name: value for name, value in direct.headers.items() if name not in its_own}
    assert kept.items() <= through.headers.items()


def test_a_problem_comes_through_unchanged(shop: GatedShop):
    refused = shop.client.post("/orders", json={"product_id": "PROD-001", "quantity": 0})
    assert refused.status_code == 400
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "validation"
    assert "X-Valerix-Executed" not in refused.headers


INTERNAL = (
    ("POST", "/inventory/reserve"),
    ("POST", "/inventory/release"),
    ("POST", "/inventory/commit"),
    ("POST", "/inventory/commits"),
    ("GET", "/inventory/reservations/00000000-0000-4000-8000-000000000000"),
    ("POST", "/payments"),
    ("POST", "/payments/00000000-0000-4000-8000-000000000000/cancel"),
    ("PUT", "/holds/a-hold"),
    ("POST", "/api-keys"),
    ("PUT", "/gremlins/slow"),
    ("GET", "/metrics"),
    ("GET", "/health/ready"),
    ("GET", "/health"),
    ("GET", "/shop"),
    ("POST", "/v1/traces"),
    ("GET", "/schema/openapi.json"),
    ("POST", "/policies"),
)


@pytest.mark.parametrize(("method", "path"), INTERNAL)
def test_what_is_internal_is_not_there(shop: GatedShop, method: str, path: str):
    answer = shop.client.request(method, path)
    assert answer.status_code in (404, 405), answer.text
    assert answer.json()["code"] in ("not-found", "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/orders/../inventory/reserve",
        "/orders/%2e%2e/inventory/reserve",
        "//inventory//reserve",
        "/inventory/./reserve",
        "/inventory%2freserve",
        "/inventory%2Freserve",
        "/inventory%5creserve",
        "/orders/..%2finventory/reserve",
        "/orders/%2e%2e/%2e%2e/metrics",
        "//metrics",
        "/inventory/reserve?x=/orders",
        "/inventory/reserve#/orders",
        "/INVENTORY/reserve",
    ],
)
def test_no_other_spelling_of_a_path_leads_inside(shop: GatedShop, path: str):
    """The bytes as they are: a client library would tidy them."""
    status, _, body = raw(shop, f"POST {path} HTTP/1.1", b"{}")
    assert status in (400, 404), (status, body)


def raw(shop: GatedShop, line: str, body: bytes = b"", *head: str) -> tuple[int, str, bytes]:
    """Status, head and body of one request, written by hand."""
    url = urlsplit(shop.url)
    lines = [line, f"Host: {url.netloc}", "Connection: close"]
    lines += [f"Content-Length: {len(body)}"] if body else []
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, *head, "", ""]).encode() + body)
        received = b""
        while part := connection.recv(65536):
            received += part
    top, _, rest = received.partition(b"\r\n\r\n")
    return int(top.split()[1]), top.decode("latin-1").lower(), rest


_MANY = [f"X-N{number}: 1" for number in range(120)]
BAD = (
    ("B180", ("POST /orders HTTP/1.1", b"{" + b" " * 70_000 + b"}"), 413, "too-large"),
    ("B181", ("GET /orders HTTP/1.1", b"", "X-Long: " + "x" * 20_000), 431, "head-too-large"),
    (
        "B182",
        ("GET /orders HTTP/1.1", b"", *_MANY),
        431,
        "head-too-large",
    ),
    ("B183", ("GET /orders%2f1 HTTP/1.1",), 400, "bad-request"),
    ("B183", ("GET /orders HTTP/1.1", b"", "x_timeout_ms: 1"), 400, "bad-request"),
    ("B198", ("GET /orders HTTP/1.0",), 426, "upgrade-required"),
    ("B198", ("GET /orders HTTP/2.0",), 426, "upgrade-required"),
    (
        "B198",
        ("POST /orders HTTP/1.1", b"", "Transfer-Encoding: gzip"),
        501,
        "unknown-transfer-encoding",
    ),
    ("B198", ("CONNECT shop.example:443 HTTP/1.1",), 404, "not-found"),
    ("B198", ("BREW /orders HTTP/1.1",), 400, "bad-request"),
    ("B198", ("What is this?",), 400, "bad-request"),
)


@pytest.mark.parametrize(("row", "request_", "status", "code"), BAD)
def test_what_a_service_refuses_is_refused_here(
    shop: GatedShop, row: str, request_: tuple[str, ...], status: int, code: str
):
    found, head, body = raw(shop, *request_)  # type: ignore[arg-type]
    assert found == status, (row, body)
    assert "x-valerix-executed: no" in head
    assert "application/problem+json" in head
    document = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    assert document["code"] == code


def test_another_protocol_that_is_asked_for_is_not_spoken(shop: GatedShop):
    """B199"""
    websocket = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = shop.client.get("/orders", headers=websocket)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


def test_a_credential_of_the_shop_is_not_carried(shop: GatedShop):
    """Whoever stole it gets no further with it here."""
    shown, path = {"X-Valerix-Service": SERVICE_TOKEN}, f"/payments?order_id={uuid4()}"
    assert shop.ask("GET", "payment", path, headers=shown).status_code == 200
    assert shop.client.get(path, headers=shown).status_code == 401


def test_a_page_is_the_dashboards_and_its_events_pass(shop: GatedShop):
    page = shop.client.get("/orders", headers={"Accept": "text/html"})
    assert "text/html" in page.headers["Content-Type"]
    assert "application/json" in shop.client.get("/orders").headers["Content-Type"]
    assert shop.client.get("/static/services.css").status_code == 200
    with shop.client.stream("GET", "/nudges", headers={"Accept": "text/event-stream"}) as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        assert next(events.iter_lines())


def test_requests_are_counted_by_their_doors(shop: GatedShop):
    shop.client.get("/inventory/PROD-001").raise_for_status()
    wanted = (
        'http_requests_total{method="GET",path="/inventory/{product_id}",'
        'service="gateway-service",status_code="200"}'
    )
    eventually(lambda: wanted in shop.metrics())
    assert "envoy_http_downstream_rq_total" in shop.metrics("/metrics/envoy")


def test_a_trace_begins_at_the_gateway_by_the_name_of_what_was_asked(shop: GatedShop):
    over_http = shop.order().headers["X-Trace-Id"]
    port = shop.fleet.ports["VALERIX_GATEWAY_GRPC_PORT"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        place = channel.unary_unary("/" + PLACE).with_call
        _, call = place(PlaceRequest(product_id="PROD-001", quantity=1).SerializeToString())
    over_grpc = dict(call.trailing_metadata())["x-trace-id"]
    first = {over_http: "POST /orders", over_grpc: PLACE}
    eventually(lambda: {trace_id: _name(shop, trace_id) for trace_id in first} == first)


_TRACE, _TAIL = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "given", [f"ff-{_TRACE}-{_TAIL}", f"00-{_TRACE.upper()}-{_TAIL}", "of-somebody"]
)
def test_what_is_no_traceparent_is_not_followed(shop: GatedShop, given: str):
    """B207"""
    good = shop.client.get("/orders", headers={"traceparent": f"01-{_TRACE}-{_TAIL}"})
    assert good.headers["X-Trace-Id"] == _TRACE
    trace_id = shop.client.get("/orders", headers={"traceparent": given}).headers["X-Trace-Id"]
    assert trace_id != _TRACE
    # Another begins, and at the gateway.
    eventually(lambda: _name(shop, trace_id) == "GET /orders")


def _name(shop: GatedShop, trace_id: str) -> str:
    """What the list of traces calls it, once the gateway's span is there."""
    found = shop.ask("GET", "dashboard", f"/api/traces?trace={trace_id}").json()["traces"]
    return "".join(row["name"] for row in found if row["service"] == "gateway-service")
