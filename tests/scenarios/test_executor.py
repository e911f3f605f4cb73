"""What the executor does to a shop, as the shop's wire sees it."""

import asyncio
import json
from collections.abc import Sequence
from uuid import uuid4

import pytest

from chassis.http.outbound import Peer
from fleet.settings import load
from proof.clients.oracle import RecordedOrder, contradictions_so_far
from scenarios.accounts import Accounts
from scenarios.executor import Executor
from scenarios.model import Load, Shelf
from scenarios.traffic import CustomerTraffic
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


class Acquirer:
    """Two accounts on the wire; it refuses what it is told to."""

    def __init__(self, **modes: str) -> None:
        self.modes, self.refuses = modes, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await wire.read_request(reader)
            line, body = request.split(b"\r\n", 1)[0].decode(), request.rpartition(b"\r\n\r\n")[2]
            if line.startswith("PUT") and self.refuses:
                self.refuses -= 1
                writer.write(wire.http(503, b"{}"))
                continue
            if line.startswith("PUT"):
                self.modes[line.split("/")[2]] = json.loads(body)["mode"]
            accounts = [{"name": name, "mode": mode} for name, mode in self.modes.items()]
            writer.write(wire.http(200, json.dumps({"accounts": accounts}).encode()))


async def test_accounts_are_well_in_an_act_and_answer_as_before_afterwards():
    acquirer = Acquirer(alfa="happy", bravo="500")
    async with wire.listen(acquirer) as url:
        peer = Peer("acquirer", url, load("dashboard", {}), connections=1)
        try:
            accounts = Accounts(peer, {})
            await accounts.make_well()
            assert acquirer.modes == {"alfa": "happy", "bravo": "happy"}
            await accounts.set_mode("alfa", "timeout")
            await accounts.set_mode("bravo", "declined")
            assert acquirer.modes == {"alfa": "timeout", "bravo": "declined"}
            acquirer.refuses = 1
            assert await accounts.put_back() == ("bravo",)
            assert await accounts.put_back() == ()
            assert acquirer.modes == {"alfa": "happy", "bravo": "500"}
        finally:
            await peer.close()


async def test_a_customer_who_is_cut_off_was_promised_nothing():
    asked = asyncio.Event()

    async def order(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.read_request(reader)
        asked.set()
        await asyncio.Event().wait()

    async with wire.listen(order) as url:
        traffic = CustomerTraffic(load("dashboard", {}, order_url=url))
        await traffic.start(Load(product="PROD-001", rate=50, for_="1min"))
        await asyncio.wait_for(asked.wait(), 10)
        await traffic.stop()
    placed = RecordedOrder(uuid4(), "CONFIRMED", None, None, "SUCCEEDED")
    assert traffic.intents
    assert [contradictions_so_far(each, placed) for each in traffic.intents] == [
        [] for _ in traffic.intents
    ]
