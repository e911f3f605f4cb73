"""What a consumer needs of a provider, asked by the consumer's own client.

`make render` writes it into the consumer's folder `expects`, one pact for each provider, which is
held to it by tests/contracts/test_expects.py."""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

# Before the import: it would report its use to somebody else's machine.
os.environ["PACT_DO_NOT_TRACK"] = "true"

from pact import Pact, match

from chassis.http.outbound import Peer
from fleet.run_dir import ROOT
from fleet.settings import load
from services.inventory.client import Hold, HoldResult, InventoryClient
from services.payment.client import (
    Cancelled,
    PaymentClient,
    PaymentDeclined,
    PaymentFenced,
    Succeeded,
    charge_key,
)
from topology import NAMES, find

Ask = Callable[[Peer], Awaitable[object]]
JSON, PROBLEM = "application/json", "application/problem+json"
PRODUCT, CURRENCY, AMOUNT, DEADLINE_S = "PROD-001", "EUR", 1999, 30.0


class Need(NamedTuple):
    """One request with the response to it: `state` names what the provider has to be like before,
    for this order; `ask` is the client's call, and `known` what it must make of the response."""

    description: str
    state: str
    order_id: UUID
    path: str
    body: dict[str, Any]
    status: int
    answer: dict[str, Any]
    ask: Ask
    known: Hold | type
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """The content type of the response."""
        return JSON if self.status < 400 else PROBLEM


def id_of(name: str) -> UUID:
    """The same order for the same need, in every run."""
    return uuid5(NAMESPACE_URL, f"valerix:{name}")


def order_of_inventory() -> Iterator[Need]:
    """order -> inventory: hold, sell and give back, once an order."""

    def need(what: str, state: str, verb: str, quantity: int | None, answer: Any) -> Need:
        order_id = id_of(what)
        body: dict[str, Any] = {"order_id": str(order_id)}
        if quantity is not None:
            body |= {"product_id": PRODUCT, "quantity": quantity}

        async def ask(peer: Peer) -> HoldResult:
            client = InventoryClient(peer)
            if quantity is not None:
                return await client.reserve(order_id, PRODUCT, quantity, deadline_s=DEADLINE_S)
            method = client.release if verb == "release" else client.commit
            return await method(order_id, deadline_s=DEADLINE_S)

        status, found, hold = answer
        if status == 200:
            found = {"order_id": str(order_id), "state": found, "product_id": match.like(PRODUCT),
                     "quantity": match.int(2)}  # fmt: skip
        else:
            found = {"code": found}
        path = f"/inventory/{verb}"
        return Need(what, state, order_id, path, body, status, found, ask, hold)

    yield need("hold goods", "there is stock", "reserve", 2, (200, "HELD", Hold.HELD))
    yield need("hold more than there is", "there is little stock", "reserve", 1000,
               (409, "out-of-stock", Hold.REJECTED))  # fmt: skip
    yield need("hold goods after giving them back", "the order gave its goods back", "reserve", 2,
               (409, "fenced", Hold.FENCED))  # fmt: skip
    yield need("give goods back", "the order holds goods", "release", None,
               (200, "RELEASED", Hold.RELEASED))  # fmt: skip
    yield need("sell goods", "the order holds goods", "commit", None,
               (200, "COMMITTED", Hold.COMMITTED))  # fmt: skip


def _payment(order_id: UUID, state: str) -> dict[str, Any]:
    attempt = {
        "leg_n": match.int(1), "n": match.int(1), "provider": match.like("mock"),
        "state": match.regex("SUCCEEDED", regex="[A-Z_]+"), "detail": None,
        "created_at": match.like("2026-11-01T10:00:00Z"),
        "updated_at": match.like("2026-11-01T10:00:00Z"),
    }  # fmt: skip
    return {
        "payment_id": str(payment_of(order_id)), "order_id": str(order_id), "state": state,
        "status": match.like("SUCCESS"), "amount_minor": AMOUNT, "currency": CURRENCY,
        "attempts": match.each_like(attempt),
    }  # fmt: skip


def payment_of(order_id: UUID) -> UUID:
    """The payment's id, as the order chose it."""
    return id_of(f"payment of {order_id}")


def order_of_payment() -> Iterator[Need]:
    """order -> payment: take money, and give it back, once an order."""

    def charge(what: str, state: str, status: int, answer: Any, kind: type) -> Need:
        order_id = id_of(what)
        payment_id = payment_of(order_id)

        async def ask(peer: Peer) -> object:
            client = PaymentClient(peer)
            return await client.charge(
                payment_id, order_id, AMOUNT, CURRENCY, deadline_s=DEADLINE_S
            )

        body = {"order_id": str(order_id), "amount_minor": AMOUNT, "currency": CURRENCY,
                "payment_id": str(payment_id)}  # fmt: skip
        found = answer(order_id) if callable(answer) else answer
        return Need(what, state, order_id, "/payments", body, status, found, ask, kind,
                    (("Idempotency-Key", charge_key(order_id)),))  # fmt: skip

    yield charge("take money", "the provider captures", 201,
                 lambda each: _payment(each, "SUCCEEDED"), Succeeded)  # fmt: skip
    yield charge(
        "take money that the provider declines", "the provider declines the payment", 402,
        lambda each: {"code": "payment-declined", "details": {
            "payment_id": str(payment_of(each)), "order_id": str(each),
            "decline_code": match.like("card_declined")}}, PaymentDeclined,
    )  # fmt: skip
    yield charge("take money after a cancel", "the payment was cancelled", 409,
                 {"code": "fenced"}, PaymentFenced)  # fmt: skip
    yield _refund()


def _refund() -> Need:
    order_id = id_of("give money back")
    payment_id = payment_of(order_id)

    async def ask(peer: Peer) -> object:
        client = PaymentClient(peer)
        return await client.cancel(payment_id, order_id, "REFUND", deadline_s=DEADLINE_S)

    return Need(
        "give money back", "the order is paid", order_id, f"/payments/{payment_id}/cancel",
        {"reason": "REFUND", "order_id": str(order_id)}, 200, _payment(order_id, "REFUNDED"), ask,
        Cancelled,
    )  # fmt: skip


# A consumer and a provider of its `calls`, with what the one needs of the other.
NEEDS = {("order", "inventory"): order_of_inventory, ("order", "payment"): order_of_payment}


def path_of(consumer: str, provider: str) -> Path:
    """Where a consumer says what it needs of a provider."""
    package = find(consumer).package.replace(".", "/")
    return ROOT / package / "expects" / f"{NAMES[provider]}.json"


async def pact_of(consumer: str, provider: str) -> str:
    """The pact as text, once the client has asked a server that answers as expected, and has
    concluded from every response what it should."""
    pact = Pact(NAMES[consumer], NAMES[provider]).with_specification("V4")
    needs = list(NEEDS[consumer, provider]())
    for need in needs:
        interaction = pact.upon_receiving(need.description)
        interaction.given(need.state, order_id=str(need.order_id))
        interaction.with_request("POST", need.path).with_headers(dict(need.headers))
        interaction.with_body(json.dumps(need.body), JSON)
        interaction.will_respond_with(need.status).with_body(need.answer, need.kind)
    settings = load(consumer, {}, database_url="postgresql://nobody@localhost/none")
    with pact.serve(addr="127.0.0.1", raises=False) as server:
        peer = Peer(NAMES[provider], str(server.url), settings)
        known = {need.description: await need.ask(peer) for need in needs}
        await peer.close()
        assert server.matched, server.mismatches
    for need in needs:
        assert _is(need.known, known[need.description]), f"{need}: {known[need.description]}"
    return _written(pact)


def _written(pact: Pact) -> str:
    with tempfile.TemporaryDirectory() as folder:
        pact.write_file(folder)
        (written,) = Path(folder).iterdir()
        document = json.loads(written.read_text(encoding="utf-8"))
    # Whose version wrote it says nothing of what is needed.
    document["metadata"] = {"pactSpecification": document["metadata"]["pactSpecification"]}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _is(known: Hold | type, result: object) -> bool:
    if isinstance(known, Hold):
        return isinstance(result, HoldResult) and result.hold is known
    return isinstance(result, known)


async def _write() -> None:
    for consumer, provider in NEEDS:
        path = path_of(consumer, provider)
        path.parent.mkdir(exist_ok=True)
        path.write_text(await pact_of(consumer, provider), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
