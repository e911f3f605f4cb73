"""Steady traffic comes as it was mixed, supplies what it uses up, rests, and ends by itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from chassis.http.outbound import Peer
from fleet.settings import load
from scenarios.model import Load
from scenarios.settings import ScenarioSettings
from scenarios.steady_traffic import (
    WALLET,
    AlreadyOn,
    SteadyTraffic,
    TrafficMix,
    TrafficOrder,
)
from scenarios.supplies import Supplies
from scenarios.traffic import GatewayTraffic
from tests.harness import wire
from topology import NAMES

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
EMPTY = {"product_id": "PROD-001", "stock": 0, "reserved": 0, "sold": 0, "total": 0}


class Shop:
    """All services at one address: each request is counted, and answered well."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.news = asyncio.Event()
        self.orders = 201

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            method, path, *_ = (await wire.read_request(reader)).decode().split()
            self.asked[f"{method} {path}"] += 1
            self.news.set()
            writer.write(self.answer(method, path))

    def answer(self, method: str, path: str) -> bytes:
        if path == "/inventory":
            return wire.http(200, json.dumps({"products": [EMPTY]}).encode())
        if path.endswith("/balance"):
            problem = json.dumps({"code": "wallet-not-found"}).encode()
            return wire.http(404, problem, media_type="application/problem+json")
        if path == "/login":
            return wire.http(200, b'{"access_token":"a","token_type":"Bearer","expires_in":300}')
        status = {"/orders": self.orders, "/users": 201}.get(path, 200)
        return wire.http(status, b"{}")

    async def wait_for(self, request: str) -> None:
        """Return once this has been asked."""
        async with asyncio.timeout(30):
            while not self.asked[request]:
                self.news.clear()
                await self.news.wait()


class Switch:
    """Traffic at a shop, whether it rests, and an event when it ended by itself."""

    def __init__(self, traffic: SteadyTraffic, shop: Shop, over: asyncio.Event) -> None:
        self.traffic, self.shop, self.over = traffic, shop, over


@asynccontextmanager
async def switch_at(shop: Shop, resting: bool = False) -> AsyncIterator[Switch]:
    ended = asyncio.Event()

    async def over(_: TrafficOrder) -> None:
        ended.set()

    async with peers_of(shop) as (settings, peers, _):
        traffic = SteadyTraffic(settings, peers, resting=lambda: resting, over=over)
        try:
            yield Switch(traffic, shop, ended)
        finally:
            await traffic.close()


@asynccontextmanager
async def peers_of(shop: Shop) -> AsyncIterator[tuple[ScenarioSettings, dict[str, Peer], str]]:
    async with wire.listen(shop) as url:
        settings = load("dashboard", {}, **{f"{key}_url": url for key in NAMES})
        peers = {key: Peer(name, url, settings, connections=2) for key, name in NAMES.items()}
        try:
            yield settings, peers, url
        finally:
            for peer in peers.values():
                await peer.close()


async def test_each_kind_comes_and_what_it_uses_up_is_brought():
    async with switch_at(Shop()) as switch:
        switch.traffic.start(50.0, TrafficMix(1, 1, 1), HOUR, "a test")
        for request in (
            "POST /inventory/restock", f"POST /wallets/{WALLET}/deposits", "POST /orders",
            "POST /process-payment", f"POST /wallets/{WALLET}/payments",
        ):  # fmt: skip
            await switch.shop.wait_for(request)
        with pytest.raises(AlreadyOn):
            switch.traffic.start(1.0, TrafficMix(), HOUR, "another")
        stopped = await switch.traffic.stop()
        assert stopped is not None
        assert stopped.actor == "a test"
        assert await switch.traffic.stop() is None
        assert switch.traffic.responses["orders"]["confirmed"] > 0
        assert switch.traffic.note == ""


async def test_who_has_no_weight_never_comes():
    async with switch_at(Shop()) as switch:
        switch.traffic.start(50.0, TrafficMix(0, 1, 0), HOUR, "a test")
        await switch.shop.wait_for("POST /process-payment")
        assert switch.shop.asked["POST /orders"] == 0


async def test_it_ends_by_itself_and_nobody_comes_while_it_rests():
    async with switch_at(Shop(), resting=True) as switch:
        switch.traffic.start(50.0, TrafficMix(), timedelta(seconds=0.5), "a test")
        assert switch.traffic.is_resting
        async with asyncio.timeout(30):
            await switch.over.wait()
        assert switch.traffic.order is None
        assert switch.shop.asked["POST /orders"] == 0


async def test_a_note_says_what_cannot_be_brought():
    async with switch_at(Shop()) as switch:
        switch.shop.answer = lambda *_: wire.http(500, b"{}")
        switch.traffic.start(1.0, TrafficMix(), HOUR, "a test")
        await switch.shop.wait_for(f"GET /wallets/{WALLET}/balance")
        async with asyncio.timeout(30):
            while not switch.traffic.note:
                await asyncio.sleep(0.01)
        assert "goods: " in switch.traffic.note
        assert "the wallet: " in switch.traffic.note


async def test_a_token_that_is_refused_is_replaced_with_the_next_supply():
    shop, asked = Shop(), Load(product="PROD-001")
    async with peers_of(shop) as (settings, peers, url):
        supplies = Supplies(settings, peers, wallet=WALLET, spends_minor=1, needs_token=True)
        customers = GatewayTraffic(settings, url, supplies.shown, supplies.renew_token)
        for status in (201, 401, 201):
            await supplies.top_up(1.0)
            shop.orders = status
            async with customers.peer(asked) as peer:
                await customers.visit(peer, asked)
        await supplies.top_up(1.0)
    assert shop.asked["POST /login"] == 2
    assert customers.responses["turned_away"] == 1
