"""Messages are checked against their contract beside the request, and nothing they say is kept."""

import logging
from typing import Annotated, Literal

import msgspec
import pytest
from litestar import Litestar, Response, get, post
from litestar.params import FromPath, JSONBody

from chassis.contracts.checks import BREAKS, ContractChecks, is_contract
from chassis.contracts.masked import masked
from chassis.contracts.routes import contracts_of
from chassis.contracts.schema import contract_of
from chassis.http.problems import MEDIA_TYPE, ProblemDocument


class Line(msgspec.Struct, frozen=True):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10)]


class Basket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["OPEN", "PAID"]
    lines: list[Line]
    note: str | None = None


def _violations(body: bytes) -> set[tuple[str, str, str]]:
    return {(each.field, each.rule, each.found) for each in contract_of(Basket).violations(body)}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"state":"OPEN","lines":[{"sku":"a","quantity":1}]}', set()),
        (b'{"state":"GONE","lines":[]}', {("state", "enum", '"AAAA"')}),
        (b'{"state":"OPEN","lines":[{"sku":"a","quantity":"1"}]}',
         {("lines[].quantity", "type", '"9"')}),
        (b'{"state":"OPEN","lines":[{"sku":"a","quantity":11}]}',
         {("lines[].quantity", "maximum", "11")}),
        (b'{"state":"OPEN"}', {("lines", "required", "nothing")}),
        (b'{"state":"OPEN","lines":[],"note":42}', {("note", "anyOf", "99")}),
        (b'{"state":"OPEN","lines":[],"4242424242424242":1}',
         {("*", "additionalProperties", "an object of 3")}),
        (b"<html>", {("", "json", "6 bytes that are none")}),
    ],
)  # fmt: skip
def test_a_violation_names_the_field_of_the_schema_and_the_rule(body, found):
    assert _violations(body) == found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("4242 4242 4242 4242", '"9999 9999 9999 9999"'),
        ("sk_test_4eC39", '"aa_aaaa_9aA99"'),
        ("Ada.Lovelace@example.org", '"Aaa.Aaaaaaaa@aaaaaaa.aaa"'),
        ("Zoë\n", '"Aaa?"'),
        (123, "999"),
        (-4242.5, "-9999.9"),
        (True, "true"),
        (None, "null"),
        ({"number": "4242"}, "an object of 1"),
        (["4242"], "a list of 1"),
    ],
)
def test_of_a_value_only_its_form_is_kept(value, shown):
    assert masked(value) == shown


def test_a_number_stays_where_the_schema_bounds_it_unless_it_could_be_a_card():
    assert masked(1_000_001, is_bounded=True) == "1000001"
    assert masked(4242424242424242, is_bounded=True) == "9" * 16


def test_as_many_exchanges_are_checked_as_the_setting_says():
    now = [0.0]
    checks = ContractChecks(2, clock=lambda: now[0])
    assert [checks.takes_turn() for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [checks.takes_turn() for _ in range(2)] == [True, False]


def test_a_full_queue_drops_and_counts():
    checks = ContractChecks(1)
    for _ in range(20):
        checks.hand_over(Basket, "received", b"x" * 65_536)
    checks.hand_over(Basket, "received", b"x" * 65_537)
    assert checks.dropped == 5


def test_what_comes_again_is_one_line_with_its_count(caplog):
    now, counted = [0.0], []
    checks = ContractChecks(1, clock=lambda: now[0])

    def see(times: int) -> None:
        for _ in range(times):
            checks.hand_over(Basket, "sent", b'{"state":"4242","lines":[]}')
            checks.check_next(counted.append)
        checks.write()

    with caplog.at_level(logging.WARNING):
        see(1)
        see(3)
        now[0] = 10.0
        see(1)
    lines = [each.__dict__ for each in caplog.records if BREAKS in each.getMessage()]
    assert [each["count"] for each in lines] == [1, 4]
    assert counted == ["Basket"] * 5
    assert lines[0]["schema"] == "Basket"
    assert lines[0]["field"] == "state"
    assert "4242" not in str(lines)


def test_a_route_s_contracts_are_what_its_handler_declares():
    @post("/baskets/{key:str}", responses={})
    async def make(data: JSONBody[Basket], key: FromPath[str]) -> Response[Line]:
        return Response(Line(key, len(data.lines)))

    @get("/plain")
    async def plain() -> dict[str, str]:
        return {}

    found = contracts_of(Litestar([make, plain]).routes)
    assert {key for key in found if "OPTIONS" not in key} == {("POST", "/baskets/{key}")}
    operation = found["POST", "/baskets/{key}"]
    assert operation.request is Basket
    assert operation.answer(201, "application/json") is Line
    assert operation.answer(500, MEDIA_TYPE) is ProblemDocument
    assert operation.answer(200, "application/json") is None


def test_a_reader_s_own_view_is_no_contract():
    assert is_contract(Basket)
    assert not is_contract(type("_View", (Basket,), {}))
    assert not is_contract(dict)
