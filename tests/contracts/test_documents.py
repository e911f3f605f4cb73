"""No change breaks who reads the last version's documents (docs/contracts), unless it is meant."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.documents import EVENTS, KEPT, KEYS, broken, current, last
from tests.contracts.schemas import Sides, beyond
from tests.tidy.files import complain

# The protos beside them are compared by buf (tests/contracts/test_protos.py).
PUBLISHED = sorted(path.name.partition(".")[0] for path in KEPT.glob("*.*api.json"))


@pytest.mark.parametrize("key", PUBLISHED)
async def test_nothing_breaks_who_reads_the_last_version(key: str):
    found = broken(last(key), await current(key))
    complain(
        [str(each) for each in found],
        f"{key}: keep what readers of the last version rely on (or begin one: `make baseline`)",
    )


def test_what_was_published_is_still_there():
    assert {"order", EVENTS} <= set(PUBLISHED)
    complain(sorted(set(PUBLISHED) - set(KEYS)), "readers of the last version miss its interface")


def _schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def _remove_a_field(order: Any) -> None:
    del _schema(order, "OrderView")["properties"]["status"]
    _schema(order, "OrderView")["required"].remove("status")


def _require_a_field(order: Any) -> None:
    _schema(order, "PlaceOrder")["properties"]["colour"] = {"type": "string"}
    _schema(order, "PlaceOrder")["required"].append("colour")


def _remove_an_operation(order: Any) -> None:
    del order["paths"]["/orders/{order_id}"]["get"]


def _lower_a_limit(order: Any) -> None:
    _schema(order, "PlaceOrder")["properties"]["quantity"]["maximum"] = 10


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_remove_a_field, "POST /orders: response 201 /status is not always there"),
        (_require_a_field, "POST /orders: request /colour is required"),
        (_remove_an_operation, "GET /orders/{order_id}: the operation is gone"),
        (_lower_a_limit, "POST /orders: request /quantity maximum 1000.0 is beyond 10"),
    ],
)
def test_a_change_that_breaks_a_client_names_the_operation(
    change: Callable[[Any], None], expected: str
):
    before = last("order")
    now = copy.deepcopy(before)
    change(now)
    assert expected in [str(each) for each in broken(before, now)]


def test_an_event_without_a_field_names_the_event():
    before = last(EVENTS)
    now = copy.deepcopy(before)
    del _schema(now, "OrderCreated")["properties"]["quantity"]
    _schema(now, "OrderCreated")["required"].remove("quantity")
    found = [str(each) for each in broken(before, now)]
    assert found == ["order.created: /data/quantity is not always there"]


def test_what_is_added_breaks_nobody():
    before = last("order")
    now = copy.deepcopy(before)
    _schema(now, "OrderView")["properties"]["colour"] = {"type": "string"}
    _schema(now, "PlaceOrder")["properties"]["colour"] = {"type": "string"}
    _schema(now, "PlaceOrder")["properties"]["quantity"]["maximum"] = 5000
    now["paths"]["/colours"] = {"get": {"responses": {}}}
    assert broken(before, now) == []


TEXT, MAYBE = {"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "null"}]}
STATES = {"enum": ["A", "B"]}


@pytest.mark.parametrize(
    ("gives", "takes", "reasons"),
    [
        (TEXT, MAYBE, []),
        (MAYBE, TEXT, ["the type is null, not string"]),
        ({"enum": ["A"]}, STATES, []),
        ({"enum": ["A", "C"]}, STATES, ["the values ['C'] are not among ['A', 'B']"]),
        (TEXT, STATES, ["it may be any value, not one of ['A', 'B']"]),
        ({"const": "A"}, TEXT, []),
        ({"type": "integer"}, {"type": "number"}, []),
        ({"type": "number"}, {"type": "integer"}, ["the type is number, not integer"]),
        (TEXT, {**TEXT, "format": "uuid"}, ["format is not there, not uuid"]),
        (TEXT, {**TEXT, "maxLength": 9}, ["maxLength is not there, not 9"]),
        ({**TEXT, "maxLength": 9}, TEXT, []),
        ({**TEXT, "x-new": 1}, {**TEXT, "x-new": 2}, ["x-new is 1, not 2"]),
        ({"items": MAYBE, "type": "array"}, {"items": TEXT, "type": "array"},
         ["the type is null, not string"]),
        ({"type": "object", "additionalProperties": MAYBE},
         {"type": "object", "additionalProperties": TEXT}, ["the type is null, not string"]),
        ({"type": "object"}, {"type": "object", "additionalProperties": False},
         ["other fields are not known"]),
    ],
)  # fmt: skip
def test_a_schema_allows_no_value_that_the_other_does_not(
    gives: dict[str, Any], takes: dict[str, Any], reasons: list[str]
):
    assert [reason for _, reason in beyond(gives, takes, Sides({}, {}), read=False)] == reasons


def test_a_schema_that_contains_itself_comes_to_an_end():
    tree = {"type": "object", "properties": {"under": {"$ref": "#/tree"}}}
    other = {"type": "object", "properties": {"under": {"$ref": "#/tree"}, "name": TEXT}}
    top = {"$ref": "#/tree"}
    found = list(beyond(top, top, Sides({"tree": tree}, {"tree": other}), read=True))
    assert found == [("/name", "is gone")]
