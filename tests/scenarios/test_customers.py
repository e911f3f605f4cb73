"""Whose accepted order comes to nothing has given the goods back, and wants them still."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from fleet.settings import load
from scenarios.model import Load
from scenarios.traffic import CustomerTraffic
from services.order.contract import OrderView
from tests.harness import wire

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PENDING = OrderView(
    order_id=uuid4(), status="PENDING_PAYMENT", reason=None, message="", product_id="PROD-003",
    quantity=1, unit_price_minor=1, amount_minor=1, currency="EUR", payment_id=uuid4(),
    wallet_id=None, owner="anonymous", attempts=1, trace_id=None, stock_committed=False,
    created_at=NOW, updated_at=NOW, settled_at=None, latency_ms=None,
)  # fmt: skip
FAILED = msgspec.structs.replace(PENDING, status="FAILED", settled_at=NOW)
CONFIRMED = msgspec.structs.replace(PENDING, status="CONFIRMED", settled_at=NOW)


def shown(status: int, order: OrderView) -> bytes:
    return wire.http(status, msgspec.json.encode(order))


@pytest.mark.parametrize(
    ("answers", "responses"),
    [
        ([shown(202, PENDING), shown(200, FAILED), shown(201, CONFIRMED)], [1, 1]),
        ([shown(202, PENDING), shown(200, CONFIRMED)], [0, 1]),
    ],
)
async def test_who_was_accepted_follows_the_order_to_its_end(
    answers: Sequence[bytes], responses: list[int]
):
    coming = iter(answers)

    async def shop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while re.match(rb"GET|POST", await wire.read_request(reader)):
            writer.write(next(coming))

    async def no_pause(_: float) -> None:
        """Nothing here takes time."""

    async with wire.listen(shop) as url:
        customers = CustomerTraffic(load("dashboard", {}, order_url=url), sleep=no_pause)
        await customers.start(Load(product="PROD-003", count=1, clients=1, tries=2))
    found = customers.responses
    assert [found["confirmed"], found["accepted"]] == responses
    assert not [*coming], "it asked less often than it was to"


async def test_where_a_token_is_needed_they_show_the_operators():
    seen: list[bytes] = []

    async def shop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await wire.read_request(reader):
            seen.append(request)
            writer.write(shown(201, CONFIRMED))

    async with wire.listen(shop) as url:
        settings = load("dashboard", {}, order_url=url, operator_token="a token of this operator")
        customers = CustomerTraffic(settings)
        await customers.start(Load(product="PROD-003", count=1, clients=1))
        await customers.place_uncounted(Load(product="PROD-003", count=1, clients=1))
    assert len(seen) == 2
    assert all(b"authorization: bearer a token of this operator" in each.lower() for each in seen)
