"""The real Collector, Jaeger, Loki and Prometheus beside the real shop, as `make stack-native`."""

import asyncio
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any, TypeVar

import aiohttp
import pytest

from fleet.programs import COLLECTOR, GRAFANA, JAEGER, LOKI, PROMETHEUS, RABBITMQ, Program
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive
from topology import PROCESSES, find

NEEDED = (COLLECTOR, JAEGER, LOKI, PROMETHEUS)
MISSING = [program.key for program in NEEDED if program.find() is None]
ORDER = {"product_id": "PROD-001", "quantity": 1}
# What answers an order, and what that asks.
ASKED = {find(key).name for key in ("order", *find("order").calls)}
# A batch leaves a service within a second and the collector within a fifth; Loki answers at once.
ARRIVES_S = 20.0

pytestmark = [
    pytest.mark.long,
    needs_embedded,
    pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)}"),
]
T = TypeVar("T")


def is_free(port: int) -> bool:
    with closing(socket(AF_INET, SOCK_STREAM)) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def shop() -> Iterator[UpShop]:
    taken = [port for program in NEEDED for port in program.ports if not is_free(port)]
    if taken:
        pytest.skip(f"ports {taken} are in use: another stack runs on this machine")
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(Path(folder) / "home")
        shop.open("--stack")
        yield shop
        shop.close()


async def ask(url: str, **params: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url, params=params) as response:
        return await response.json(content_type=None) if response.status == 200 else None


async def place(shop: UpShop) -> tuple[int, str]:
    """The status and the trace of one order."""
    url = f"http://127.0.0.1:{shop.ports['order']}/orders"
    async with aiohttp.ClientSession() as session, session.post(url, json=ORDER) as response:
        await response.read()
        return response.status, response.headers["X-Trace-Id"]


async def restock(shop: UpShop) -> None:
    """More than the load can buy."""
    url = f"http://127.0.0.1:{shop.ports['inventory']}/inventory/restock"
    body = {"product_id": ORDER["product_id"], "quantity": 100_000}
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status == 200, await response.text()


async def until(ask: Callable[[], Any], enough: Callable[[Any], bool], within_s: float) -> Any:
    """The result of `ask` once it is enough; the last one when time is up."""
    end = time.monotonic() + within_s
    while not enough(found := await ask()) and time.monotonic() < end:
        await asyncio.sleep(0.2)
    return found


async def spans_of(trace_id: str) -> dict[str, dict[str, Any]]:
    """The spans Jaeger keeps of a trace, by id, each with its service."""
    answer = await ask(f"{JAEGER.url}/api/v3/traces/{trace_id}")
    found = {}
    for resource in answer["result"]["resourceSpans"] if answer else ():
        named = {each["key"]: each["value"] for each in resource["resource"]["attributes"]}
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                service = named["service.name"]["stringValue"]
                found[span["spanId"]] = {**span, "service": service}
    return found


async def lines_of(trace_id: str) -> set[tuple[str, str]]:
    """The lines Loki keeps of a trace: service and text."""
    query = f'{{service_name=~".+"}} | trace_id="{trace_id}"'
    answer = await ask(f"{LOKI.url}/loki/api/v1/query_range", query=query)
    return {
        (stream["stream"]["service_name"], line)
        for stream in (answer["data"]["result"] if answer else ())
        for _, line in stream["values"]
    }


def pid_of(shop: UpShop, program: Program) -> int:
    return shop.named(str(program.find())).pid


async def test_one_order_is_one_trace_in_jaeger_with_every_span_under_its_parent(shop: UpShop):
    status, trace_id = await place(shop)
    assert status in (201, 402)

    def whole(spans: dict[str, Any]) -> bool:
        # The first span ends last: a service may send what is below it a second earlier.
        begun = any(not each.get("parentSpanId") for each in spans.values())
        return begun and {each["service"] for each in spans.values()} >= ASKED

    spans = await until(lambda: spans_of(trace_id), whole, ARRIVES_S)
    assert whole(spans), sorted((each["service"], each["name"]) for each in spans.values())
    roots = [each for each in spans.values() if not each.get("parentSpanId")]
    assert [(each["service"], each["name"]) for each in roots] == [
        ("order-service", "POST /orders")
    ]
    for span in spans.values():
        if span.get("parentSpanId"):
            parent = spans[span["parentSpanId"]]
            # A hop to another service is called from a client span of the same name. Events come
            # after it, with RabbitMQ sooner.
            if parent["service"] != span["service"] and span["service"] in ASKED:
                assert (parent["service"], parent["name"]) == ("order-service", span["name"])
    asked = {
        (each["service"], each["name"])
        for each in spans.values()
        if each["service"] != "order-service" and each["name"].startswith("POST")
    }
    assert asked == {
        ("inventory-service", "POST /inventory/reserve"),
        ("payment-service", "POST /payments"),
    }


async def test_its_lines_of_log_are_in_loki_by_its_trace_id(shop: UpShop):
    _, trace_id = await place(shop)

    def whole(lines: set[tuple[str, str]]) -> bool:
        return {"POST /orders", "POST /payments", "POST /inventory/reserve"} <= {
            text for _, text in lines
        }

    lines = await until(lambda: lines_of(trace_id), whole, ARRIVES_S)
    assert whole(lines), lines
    assert {service for service, _ in lines} == {
        "order-service", "inventory-service", "payment-service",
    }  # fmt: skip


async def test_prometheus_scrapes_every_target(shop: UpShop):
    async def health() -> dict[str, str]:
        targets = (await ask(f"{PROMETHEUS.url}/api/v1/targets"))["data"]["activeTargets"]
        names = (each["labels"].get("service") or each["labels"]["job"] for each in targets)
        return dict(zip(names, (each["health"] for each in targets), strict=True))

    found = await until(health, lambda found: set(found.values()) == {"up"}, 40.0)
    assert set(found.values()) == {"up"}, found
    programs = {"otel-collector", "host", "jaeger", "loki", "prometheus"}
    programs |= {each.key for each in (RABBITMQ, GRAFANA) if each.find()}
    assert set(found) == {process.name for process in PROCESSES} | programs


async def test_the_collector_killed_and_restarted_under_load_costs_no_order(shop: UpShop):
    collector = shop.named(str(COLLECTOR.find()))
    command, environ = collector.cmdline(), collector.environ()
    await restock(shop)
    answers: list[int] = []
    done = asyncio.Event()

    async def shopper() -> None:
        while not done.is_set():
            answers.append((await place(shop))[0])

    async with asyncio.TaskGroup() as load:
        for _ in range(4):
            load.create_task(shopper())
        await asyncio.sleep(1.5)
        collector.send_signal(signal.SIGKILL)
        await asyncio.sleep(3)
        before = len(answers)
        restarted = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await asyncio.sleep(3)
        done.set()
    try:
        assert before > 20, "orders were placed while nobody took telemetry"
        assert set(answers) <= {201, 402}, "not one of them was late or failed"
        proof = await asyncio.to_thread(shop.command, "verify", "--wait", "60")
        assert proof.returncode == 0, proof.stdout
        # What is sent after the restart arrives again.
        _, trace_id = await place(shop)
        assert await until(lambda: spans_of(trace_id), bool, ARRIVES_S)
        assert "otel-collector died (killed by SIGKILL); orders go on" in await until(
            lambda: asyncio.to_thread(shop.printed), lambda output: "died" in output, 15.0
        )
    finally:
        restarted.terminate()
        await restarted.wait()


def test_ctrl_c_ends_all_of_it(shop: UpShop):
    family = shop.family()
    shop.signal(signal.SIGINT)
    assert shop.wait() == 0
    assert not alive(family)
