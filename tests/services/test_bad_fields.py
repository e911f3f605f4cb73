"""Each field of each body and each query parameter that does not fit is named by the 400."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from chassis.faults.contract import PutGremlin
from chassis.faults.routes import SetLatency
from chassis.http.json_body import Strict, read_body
from chassis.http.problems import Problem
from providers.acquirer import contract as acquirer
from services.events.webhook_sender import contract as webhooks
from services.identity import contract as identity
from services.inventory import contract as inventory
from services.order import contract as order
from services.payment import contract as payment
from services.payment.process.messages import ExternalRequest
from services.wallet import contract as wallet
from tests.harness.serving import create_service, settings_of
from topology import KEYS, SERVICES

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
_NOT_WHOLE: list[Any] = ["1", 1.0, 1.5, 1e400, True, None, [1], {"value": 1}]
_NOT_A_QUANTITY = [0, -1, 1001, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**400, *_NOT_WHOLE]
_NOT_A_PRODUCT = [
    "",
    "prod-001",
    "PROD 001",
    "PROD-001\n",
    "-PROD",
    "P" * 65,
    "PRÖD",
    1,
    None,
    True,
]
_NOT_AN_ID = ["", "1", _ID[:-1], f"{_ID}0", _ID.replace("-", "_"), 1, None, [_ID]]
_NOT_AN_AMOUNT = [0, -1, 2**53 + 1, 2**63, 99.99, *_NOT_WHOLE]
_NOT_A_CURRENCY = ["eur", "EURO", "XXX", "", "EUR ", "€", 978, None]

_NOT_A_WALLET_AMOUNT = [0, -1, 100_000_000, 2**63, 99.99, *_NOT_WHOLE]
_NOT_A_NAME = ["", "two words", "-x", "x" * 65, "x\n", "é", 1, None]

_NOT_A_CHANCE = [-0.1, 1.01, 1e400, "1", None, True]

_RESERVE = {"order_id": _ID, "product_id": "PROD-001", "quantity": 1}
_PAY = {"order_id": _ID, "amount_minor": 9999, "currency": "EUR"}
_WALLET_PAY = {
    "provider_id": "demo-provider", "external_reference": "r", "amount": 1, "currency": "EUR",
}  # fmt: skip
_REQUEST = {"request_id": "r1", "merchant_id": "m1", "amount": 100, "currency": "USD"}
_GREMLIN = {"kind": "latency", "delay_ms": 5}

# For each body: one that is right, and what each of its fields must not be.
BODIES: dict[type, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    webhooks.AddEndpoint: (
        {"merchant_id": "m1", "url": "https://example.com/hooks"},
        {
            "merchant_id": ["", "M1", "-m", "m 1", "m1\n", "m" * 65, 1, None],
            "url": ["", "http://", "x" * 2001, 1, None, ["https://example.com"]],
            "types": [[], "payment.failed", ["payment.eaten"], ["order.created"], [1], None],
        },
    ),
    order.PlaceOrder: (
        {"product_id": "PROD-001", "quantity": 1},
        {"quantity": _NOT_A_QUANTITY, "product_id": _NOT_A_PRODUCT},
    ),
    identity.LogIn: (
        {"user": "ada", "password": "demo-password"},
        {"user": _NOT_A_NAME, "password": ["", "x" * 257, 1, None]},
    ),
    identity.NewUser: (
        {"user": "grace", "password": "a-long-password", "roles": ["shopper"]},
        {"user": _NOT_A_NAME, "password": ["short", "x" * 257, 1], "roles": [[], ["king"], 1]},
    ),
    identity.WithdrawKey: (
        {"reason": "stolen"},
        {"reason": ["", " ", " x", "x ", "x\n", "a\x01b", "x" * 201, 1, None]},
    ),
    inventory.ReserveStock: (
        _RESERVE,
        {"quantity": _NOT_A_QUANTITY, "product_id": _NOT_A_PRODUCT, "order_id": _NOT_AN_ID},
    ),
    inventory.ReleaseStock: ({"order_id": _ID}, {"order_id": _NOT_AN_ID}),
    inventory.CommitStock: ({"order_id": _ID}, {"order_id": _NOT_AN_ID}),
    inventory.CommitMany: (
        {"order_ids": [_ID]},
        {"order_ids": [[], [_ID] * 65, "x", {"0": _ID}, *([each] for each in _NOT_AN_ID)]},
    ),
    inventory.RestockProduct: (
        {"product_id": "PROD-001", "quantity": 1},
        {
            "quantity": [0, -1, 1_000_001, 2**31, 2**63, *_NOT_WHOLE],
            "product_id": _NOT_A_PRODUCT,
        },
    ),
    payment.CreatePayment: (
        _PAY,
        {
            "amount_minor": _NOT_AN_AMOUNT,
            "currency": _NOT_A_CURRENCY,
            "order_id": _NOT_AN_ID,
        },
    ),
    payment.CancelPayment: (
        {"reason": "REFUND"},
        {"reason": ["", "refund", "A" * 41, "A B", "REFUND\n", 1, None]},
    ),
    ExternalRequest: (
        _REQUEST,
        {
            "request_id": ["", "a b", "r1\n", "é", "r" * 256, 1, None],
            "merchant_id": ["", "M1", "m 1", "-m", "m" * 65, 1, None],
            "amount": _NOT_AN_AMOUNT,
            "currency": _NOT_A_CURRENCY,
            "customer": ["somebody", [], {"name": 1}, {"address": ""}, {"email": "e" * 256}, None],
            "payment_method": ["card", [], {"card": "4242"}, {"cash": {}}, {"wallet": {}}, None],
            "metadata": ["split", [], {"split": ["equal"]}, {"split": None}, {1: {}}, None],
        },
    ),
    payment.PolicyText: ({"text": "if true then allow"}, {"text": [1, None, [], "x" * 20_001]}),
    payment.SetPolicy: (
        {"version": "0" * 64},
        {"version": ["", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n", 1, None]},
    ),
    payment.AskWhatIf: (
        {"text": "if true then allow"},
        {
            "text": [1, None, [], "x" * 20_001],
            "terms": [1, [], {"alfa": 1}, {"alfa": {"fee": 1}}, {"alfa": {"minimum_minor": 0}}],
            "last": [0, 501, *_NOT_WHOLE],
            "merchant_id": ["", "M1", "m 1", "-m", "m" * 65, 1, None],
        },
    ),
    payment.OwnBreak: (
        {"note": "seen"},
        {
            "note": ["", "x" * 501, 1, None],
            "state": ["open", "ACCEPTED", "", 1, None],
        },
    ),
    wallet.PayProvider: (
        _WALLET_PAY,
        {
            "amount": _NOT_A_WALLET_AMOUNT,
            "currency": _NOT_A_CURRENCY,
            "provider_id": _NOT_A_NAME,
            "external_reference": ["", "a b", "x\n", "é", "x" * 256, 1, None],
        },
    ),
    wallet.PlaceHold: (
        {"user_id": "alice", "amount": 1, "currency": "EUR", "reference": "r"},
        {
            "amount": _NOT_A_WALLET_AMOUNT,
            "currency": _NOT_A_CURRENCY,
            "user_id": _NOT_A_NAME,
            "reference": ["", "a b", "x\n", "é", "x" * 256, 1, None],
            "capture": [1, "yes", None],
        },
    ),
    wallet.Deposit: (
        {"amount": 1, "currency": "EUR"},
        {"amount": _NOT_A_WALLET_AMOUNT, "currency": _NOT_A_CURRENCY},
    ),
    wallet.TransferMoney: (
        {"from_user_id": "alice", "to_user_id": "bob", "amount": 1, "currency": "EUR"},
        {
            "amount": _NOT_A_WALLET_AMOUNT,
            "currency": _NOT_A_CURRENCY,
            "from_user_id": _NOT_A_NAME,
            "to_user_id": _NOT_A_NAME,
        },
    ),
    wallet.NewApiKey: (
        {"application": "till"},
        {"application": ["", "a b", "x" * 65, "x\n", 1, None], "user_id": ["", "a b", 1]},
    ),
    wallet.EndApiKey: ({"in_s": 1}, {"in_s": [-1, 30 * 86_400 + 1, "1", None]}),
    acquirer.SetMode: ({"mode": "happy"}, {"mode": ["", "HAPPY", "500_before", 500, None]}),
    acquirer.WebhookFaults: (
        {"lose": 0.5},
        {
            **dict.fromkeys(("duplicate", "reorder", "forge", "lose"), _NOT_A_CHANCE),
            "delay_s": [-1, 3601, "1", None],
        },
    ),
    PutGremlin: (
        _GREMLIN,
        {
            "kind": ["", "LATENCY", "meteor", 1, None],
            "probability": [0, -0.1, 1.01, 1e400, "1", None, True],
            "delay_ms": [-1, 60_001, 2**63, "5", 5.5, True],
            "jitter_ms": [-1, 60_001, 2**63, "5", None],
            "status": [200, 418, 501, "503", None],
            "ttl_s": [0, -1, 3601, 2**63, 0.5, "60", True],
            "routes": [[], "*", [1], ["*"] * 33, ["x" * 201], None],
        },
    ),
    SetLatency: (
        {"enabled": True, "delay_ms": 5},
        {
            "enabled": ["true", 1, 0, None],
            "delay_ms": [-1, 60_001, "5", None],
            "jitter_ms": [-1, 60_001, "5", None],
            "ttl_s": [0, 3601, "60"],
            "probability": [0, 2, "1"],
        },
    ),
}
# Of our decoder, and of Python: nothing that a client needs to know.
_PYTHONS = re.compile(
    r"`(int|str|float|bool|array|object|null|uuid)\b|\b(NoneType|dict|tuple|codec|msgspec)\b|"
    r"Object (missing|contains)|Invalid|Traceback|\w+Error\b|<class|\(\?!"
)
_FIELDS = [(shape, field) for shape, (_, wrong) in BODIES.items() for field in wrong]
_REQUIRED = {
    PutGremlin: {"kind"},
    SetLatency: {"enabled"},
    payment.CancelPayment: set[str](),
    payment.OwnBreak: {"note"},
    payment.AskWhatIf: set[str](),
    wallet.EndApiKey: set[str](),
    acquirer.WebhookFaults: set[str](),
}


def _pointer(shape: type, body: dict[str, Any]) -> str:
    # 1e400 is infinite here, but on the wire it is what a client wrote.
    raw = json.dumps(body).replace("Infinity", "1e400").encode()
    with pytest.raises(Problem) as refused:
        read_body(raw, "application/json", shape)
    assert (refused.value.status, refused.value.code) == (400, "validation")
    assert not _PYTHONS.search(refused.value.detail), refused.value.detail
    (detail,) = refused.value.details  # type: ignore[misc]
    return str(detail["pointer"])


@pytest.mark.parametrize(
    ("shape", "field"), _FIELDS, ids=[f"{shape.__name__}.{field}" for shape, field in _FIELDS]
)
def test_a_field_that_does_not_fit_is_pointed_at(shape: type, field: str):
    right, wrong = BODIES[shape]
    assert read_body(json.dumps(right).encode(), "application/json", shape)
    for value in wrong[field]:
        pointer = _pointer(shape, {**right, field: value})
        assert pointer.startswith(f"/{field}"), (value, pointer)


@pytest.mark.parametrize(
    ("shape", "field", "known"),
    [
        (acquirer.SetMode, "mode", "500, declined, happy, latency, random, timeout"),
        (webhooks.AddEndpoint, "types", "payment.completed, payment.created"),
        (identity.NewUser, "roles", "admin, operator, shopper"),
        (PutGremlin, "kind", "latency"),
    ],
)
def test_a_value_that_is_none_of_a_few_is_refused_with_those_there_are(
    shape: type, field: str, known: str
):
    right, _ = BODIES[shape]
    wrong = ["odd"] if isinstance(right.get(field), list) or field == "types" else "odd"
    with pytest.raises(Problem) as refused:
        read_body(json.dumps({**right, field: wrong}).encode(), "application/json", shape)
    assert "'odd' is not known here; there are: " in refused.value.detail
    assert known in refused.value.detail


@pytest.mark.parametrize("shape", BODIES)
def test_a_field_that_is_unknown_or_missing_is_pointed_at(shape: type):
    right, _ = BODIES[shape]
    assert _pointer(shape, {**right, "discount": 100}) == "/discount"
    for field in _REQUIRED.get(shape, set(right)):
        body = {name: value for name, value in right.items() if name != field}
        assert _pointer(shape, body) == f"/{field}"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 1.5), ("BHD", 1.2345), ("EUR", 99.99)])
def test_an_amount_is_whole_minor_units_of_its_currency(currency: str, amount: float):
    body = {**_PAY, "currency": currency, "amount_minor": amount}
    assert _pointer(payment.CreatePayment, body) == "/amount_minor"


def test_every_body_of_every_service_goes_through_the_strict_reader_and_stands_in_the_table():
    shapes, loose = set[type](), []
    for process in SERVICES:
        app = create_service(process.key, settings_of(process.key, "postgresql://x@127.0.0.1:1/x"))
        for route in app.app.routes:  # type: ignore[attr-defined]
            for handler in getattr(route, "route_handlers", ()):
                if "data" not in handler.fn.__annotations__:
                    continue
                reader = handler.resolve_data_dto()
                if reader is None or not issubclass(reader, Strict):
                    loose.append(f"{process.key} {route.path}")
                else:
                    shapes.add(reader.model_type)
    assert not loose
    assert shapes == set(BODIES)


@asynccontextmanager
async def _described(key: str) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, Any]]]:
    """A client of the process without a database, and its OpenAPI document."""
    app = create_service(key, settings_of(key, "postgresql://x@127.0.0.1:1/x"))
    wire = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=wire, base_url="http://localhost") as client:
        yield client, (await client.get("/schema/openapi.json")).json()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method, and what the document has of it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _takes_any_text(schema: dict[str, Any]) -> bool:
    return all(
        one in ({"type": "string"}, {"type": "null"}) for one in schema.get("oneOf", [schema])
    )


@pytest.mark.parametrize("key", [process.key for process in SERVICES])
async def test_a_query_parameter_that_does_not_fit_or_is_missing_is_pointed_at(key: str):
    async with _described(key) as (client, document):
        for path, method, operation in _operations(document):
            for each in operation.get("parameters", ()):
                name = each["name"]
                if each["in"] != "query" or _takes_any_text(each["schema"]):
                    continue
                # Too much is less, and the document says so; what is no number of rows is refused.
                # The wallets' pages say in the answer what was used instead, and never refuse one.
                wrong = [{name: "\x00"}, *([{}] if each["required"] else [])]
                if name == "limit" and "means the nearest" not in each["description"]:
                    assert "a larger number means" in each["description"], path
                    wrong += [{name: value} for value in ("-1", "0", "1.5", "many", "")]
                for query in wrong:
                    answer = await client.request(method, path, params=query)
                    if answer.status_code == 401:
                        continue  # the wallets' keys are asked for first: their own tests
                    assert answer.status_code == 400, (path, query, answer.text)
                    assert not _PYTHONS.search(answer.text), (path, answer.text)
                    pointers = [one["pointer"] for one in answer.json()["details"]]
                    assert pointers == [f"/{name}"], (path, query)


def _without_our_guards(key: str) -> set[str]:
    """Paths of what is open, and of what has a form of query of its own."""
    app = create_service(key, settings_of(key, "postgresql://x@127.0.0.1:1/x"))
    return {
        route.path_format
        for route in app.app.routes  # type: ignore[attr-defined]
        for handler in getattr(route, "route_handlers", ())
        if "credential" in handler.opt
    }


async def test_a_parameter_that_a_list_does_not_take_is_refused_with_those_it_takes():
    """B228"""
    asked = 0
    for key in KEYS:
        others = _without_our_guards(key)
        async with _described(key) as (client, document):
            for path, method, operation in _operations(document):
                if method != "get" or path in others:
                    continue
                address = re.sub(r"\{.*?\}", _ID, path)
                answer = await client.get(address, params={"nonsense": "x"})
                assert answer.status_code == 400, (key, path, answer.text)
                assert answer.json()["details"][0]["pointer"] == "/nonsense", (key, path)
                takes = [x["name"] for x in operation.get("parameters", ()) if x["in"] == "query"]
                assert all(name in answer.json()["detail"] for name in takes), (key, path)
                asked += 1
    assert asked > 30


_ANY_KIND: list[Any] = [None, True, 1.5, "x", [None], {"x": None}]


def _wrong_bodies(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[bytes]:
    """Of every kind, as a whole and in each field; and what is not JSON at all."""
    yield from (b"", b"{", b"\xff", b"[" * 5000, b"1" * 5000, b'{"a":1,"a":2}')
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from (json.dumps(value).encode() for value in _ANY_KIND)
    for name in schema.get("properties", ()):
        yield from (json.dumps({name: value}).encode() for value in _ANY_KIND)


async def test_a_body_of_another_kind_is_refused_in_jsons_terms():
    """B208"""
    seen = set[str]()
    for key in KEYS:
        async with _described(key) as (client, document):
            for path, method, operation in _operations(document):
                kinds = operation.get("requestBody", {}).get("content", {})
                for kind, content in kinds.items():
                    # A body of one shape is read in one way, wherever it is sent.
                    if (shape := f"{kind} {content.get('schema') or path}") in seen:
                        continue
                    seen.add(shape)
                    for body in _wrong_bodies(document, content.get("schema", {})):
                        answer = await client.request(
                            method, re.sub(r"\{.*?\}", _ID, path), content=body,
                            headers={"Content-Type": kind},
                        )  # fmt: skip
                        response = (key, method, path, body[:40], answer.text)
                        assert answer.status_code != 500, response
                        assert not _PYTHONS.search(answer.text), response
