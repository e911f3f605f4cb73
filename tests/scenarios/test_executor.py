"""What the executor does to a shop, as the shop's wire sees it."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from chassis.http.outbound import Peer
from fleet.settings import load
from scenarios.executor import Executor
from scenarios.model import Shelf
from tests.harness import wire
from topology import NAMES

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _stock_shelf(shelf: Shelf, answers: Sequence[tuple[int, int, int]]) -> list[float]:
    """Stock it while inventory says these units (left, reserved, sold) in turn; the pauses made."""
    units_now = iter(answers)
    pauses: list[float] = []

    async def inventory(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await wire.read_request(reader)
            stock, reserved, sold = next(units_now)
            units = {"stock": stock, "reserved": reserved, "sold": sold}
            product = {"product_id": "PROD-003", **units, "total": sum(units.values())}
            writer.write(wire.http(200, json.dumps({"products": [product]}).encode()))

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with wire.listen(inventory) as url:
        settings = load("dashboard", {}, inventory_url=url)
        peers = {key: Peer(name, url, settings, connections=1) for key, name in NAMES.items()}
        try:
            await Executor(settings, peers, actor="a test", sleep=pause).stock_shelf(shelf)
        finally:
            for peer in peers.values():
                await peer.close()
    assert next(units_now, None) is None
    return pauses


async def test_an_exact_shelf_waits_until_what_was_sold_before_is_recorded_as_sold():
    shelf = Shelf(product="PROD-003", exactly=25)
    assert await _stock_shelf(shelf, [(25, 0, 62), (25, 0, 62)]) == []
    # Held units are sold; or they come back, and the shelf is looked at again.
    held = [(25, 3, 62), (25, 3, 62), (25, 0, 65), (25, 0, 65), (25, 0, 65)]
    assert len(await _stock_shelf(shelf, held)) == 1
