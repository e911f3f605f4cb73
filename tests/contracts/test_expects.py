"""Every provider, running, gives what its consumers need; whoever breaks one reads its name."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.payment.client import charge_key
from services.payment.domain import gw_key
from tests.contracts.expects import AMOUNT, CURRENCY, NEEDS, PRODUCT, pact_of, path_of, payment_of
from tests.harness.running import RunningFleet
from topology import NAMES

from pact import Verifier  # isort: skip - after `expects`, which tells it to report to nobody

FLEET_KEYS = ("inventory", "payment")
FLEET_ENVIRON = {"VALERIX_PAYMENT_DECLINE_RATE": "0"}


def states(fleet: RunningFleet) -> dict[str, Callable[[str], object]]:
    """How a provider comes to be what a consumer asks for, for an order."""

    def post(key: str, path: str, headers: dict[str, str] | None = None, **body: object) -> None:
        response = httpx.post(fleet.url(key) + path, json=body, headers=headers, timeout=30)
        response.raise_for_status()

    def holds_goods(order: str) -> None:
        post("inventory", "/inventory/restock", product_id=PRODUCT, quantity=10)
        post("inventory", "/inventory/reserve", order_id=order, product_id=PRODUCT, quantity=2)

    def is_paid(order: str) -> None:
        key = {"Idempotency-Key": charge_key(UUID(order))}
        post("payment", "/payments", key, order_id=order, amount_minor=AMOUNT, currency=CURRENCY,
             payment_id=payment(order))  # fmt: skip

    def payment(order: str) -> str:
        return str(payment_of(UUID(order)))

    async def declines(order: str) -> None:
        # The first request under a key decides at the gateway: this is one.
        connection = await asyncpg.connect(fleet.database_url)
        await connection.execute(
            "INSERT INTO gateway.charges"
            " (gw_key, provider, payment_ref, amount_minor, currency, state, decline_code)"
            " VALUES ($1, 'mock', $2, $3, $4, 'DECLINED', 'card_declined') ON CONFLICT DO NOTHING",
            gw_key(payment_of(UUID(order)), 1, 1), payment(order), AMOUNT, CURRENCY,
        )  # fmt: skip
        await connection.close()

    return {
        "there is stock": lambda _: post(
            "inventory", "/inventory/restock", product_id=PRODUCT, quantity=10
        ),
        # A fresh shop has a hundred of each.
        "there is little stock": lambda _: None,
        "the order gave its goods back": lambda order: post(
            "inventory", "/inventory/release", order_id=order
        ),
        "the order holds goods": holds_goods,
        "the provider captures": lambda _: None,
        "the provider declines the payment": lambda order: asyncio.run(declines(order)),
        "the payment was cancelled": lambda order: post(
            "payment", f"/payments/{payment(order)}/cancel", order_id=order
        ),
        "the order is paid": is_paid,
    }


def broken(
    fleet: RunningFleet, consumer: str, provider: str, *, url: str = "", only: str = ""
) -> list[str]:
    """Which of the consumer's needs, or of one of them, the process at `url` does not meet."""
    path, ways, found = path_of(consumer, provider), states(fleet), []
    pact: dict[str, Any] = json.loads(path.read_text())
    for interaction in pact["interactions"]:
        need = interaction["description"]
        if only not in ("", need):
            continue
        for state in interaction["providerStates"]:
            ways[state["name"]](state["params"]["order_id"])
        verifier = Verifier(NAMES[provider], host="127.0.0.1")
        verifier.add_transport(url=url or fleet.url(provider))
        verifier.add_source(path).filter(f"^{need}$")
        with contextlib.suppress(RuntimeError):
            verifier.verify()
        if not verifier.results["result"]:
            why = verifier.output(strip_ansi=True).strip()
            found.append(f"{NAMES[consumer]} breaks: {NAMES[provider]}: {need}: {why}")
    return found


@pytest.mark.parametrize(("consumer", "provider"), NEEDS)
async def test_what_a_consumer_needs_is_what_its_client_asks_for(consumer: str, provider: str):
    written = path_of(consumer, provider).read_text()
    assert await pact_of(consumer, provider) == written, "run `make render`"


@pytest.mark.parametrize(("consumer", "provider"), NEEDS)
def test_a_provider_gives_what_its_consumers_need(
    fleet: RunningFleet, consumer: str, provider: str
):
    assert broken(fleet, consumer, provider) == []


@contextlib.contextmanager
def changed(url: str, before: bytes, after: bytes) -> Iterator[str]:
    """The process at `url` as if it spelled something in its responses in another way."""

    class Changing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = {name: self.headers[name] for name in ("Content-Type", "Idempotency-Key")
                    if name in self.headers}  # fmt: skip
            response = httpx.post(url + self.path, content=body, headers=sent, timeout=30)
            content = response.content.replace(before, after)
            self.send_response(response.status_code)
            self.send_header("Content-Type", response.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Changing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("provider", "before", "after", "need"),
    [
        ("inventory", b'"state":', b'"status":', "hold goods"),
        ("inventory", b'"fenced"', b'"released"', "hold goods after giving them back"),
        ("payment", b'"decline_code":', b'"reason":', "take money that the provider declines"),
    ],
)
def test_a_change_that_breaks_a_consumer_names_it(
    fleet: RunningFleet, provider: str, before: bytes, after: bytes, need: str
):
    with changed(fleet.url(provider), before, after) as url:
        found = broken(fleet, "order", provider, url=url, only=need)
    assert [each.split(": ")[:3] for each in found] == [
        ["order-service breaks", NAMES[provider], need]
    ]
