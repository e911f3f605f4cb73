"""The order service asks for money over HTTP or over gRPC: on both wires the same is concluded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from chassis.http.edge import Edge
from chassis.http.outbound import Peer
from chassis.http.shop_identity import ShopIdentity
from chassis.outcome import CallResult, Outcome
from chassis.telemetry import recording
from fleet.ports import free_port
from services.order.settings import OrderSettings
from services.payment import client as client
from services.payment.app import create_app
from services.payment.client import MerchantClient, PaymentClient, payment_over_grpc
from tests.harness.serving import knock, serve, serve_rpc, settings_of
from tests.services.payment.payment_service import new_order, payment_of, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSPORTS = ("http", "grpc")
AMOUNT, CURRENCY = 1999, "EUR"
OPERATOR = "the operator of this shop"
CREDENTIAL = "the credential of this shop"
PATIENT_S, IMPATIENT_S = 20.0, 0.3


class Till:
    """A payment service on both wires, and how to ask it over either."""

    def __init__(self, app: Edge, door: httpx.AsyncClient, rpc_url: str, settings: Any) -> None:
        self.app, self.door, self._rpc_url, self._settings = app, door, rpc_url, settings

    def peer(self, transport: str) -> Peer:
        """A new peer; the caller closes it."""
        return peer_at(transport, str(self.door.base_url), self._rpc_url, self._settings)

    async def let_loose(self, kind: str, **more: Any) -> None:
        """A gremlin on taking money."""
        command = {"kind": kind, "routes": ["/payments"], **more}
        (await self.door.put(f"/gremlins/{kind}", json=command)).raise_for_status()

    async def sample(self, metric: str) -> float:
        """The sum of a metric's series."""
        lines = (await self.door.get("/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


def peer_at(transport: str, url: str, rpc_url: str, settings: Any) -> Peer:
    if transport == "grpc":
        return payment_over_grpc(url, rpc_url, settings, connections=8)
    return Peer("payment-service", url, settings, connections=8)


@asynccontextmanager
async def opened(database_url: str, **more: Any) -> AsyncIterator[Till]:
    ours: dict[str, Any] = {"service_token": CREDENTIAL, "gremlin_poll_s": 0.1}
    app = create_app(settings_of("payment", database_url, **ours, **more))  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(app, settings_of("payment", database_url)))
        rpc_url = await stack.enter_async_context(serve_rpc(app))
        door = await stack.enter_async_context(knock(url))
        yield Till(app, door, rpc_url, settings_of("order", database_url, **ours))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_till(module_database: str) -> AsyncIterator[Till]:
    """The module's payment service."""
    async with opened(module_database) as till:
        yield till


@pytest_asyncio.fixture(loop_scope="module")
async def till(open_till: Till) -> AsyncIterator[Till]:
    """It, calm again afterwards."""
    yield open_till
    await open_till.door.delete("/gremlins")


@pytest_asyncio.fixture(loop_scope="module", params=TRANSPORTS)
async def peer(till: Till, request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """The peer of another process of the same shop."""
    peer = till.peer(request.param)
    database = till.app.app.state["context"].database  # type: ignore[attr-defined]
    peer.identity = ShopIdentity(till._settings, database)  # noqa: SLF001 - the same shop's
    yield peer
    await peer.close()


async def charge(peer: Peer, order_id: UUID, deadline_s: float = PATIENT_S, **more: Any) -> object:
    known = {"amount_minor": AMOUNT, "currency": CURRENCY, **more}
    return await PaymentClient(peer).charge(
        payment_of(order_id), order_id, known["amount_minor"], known["currency"],
        deadline_s=deadline_s,
    )  # fmt: skip


async def cancel(peer: Peer, order_id: UUID) -> object:
    return await PaymentClient(peer).cancel(
        payment_of(order_id), order_id, "REFUND", deadline_s=PATIENT_S
    )


async def look(peer: Peer, order_id: UUID) -> object:
    return await PaymentClient(peer).get(payment_of(order_id), deadline_s=PATIENT_S)


async def test_money_is_taken_once_found_again_and_given_back(peer: Peer):
    order_id = new_order()
    assert await look(peer, order_id) == client.Absent()
    taken = await charge(peer, order_id)
    assert isinstance(taken, client.Succeeded)
    assert (taken.payment.amount_minor, taken.payment.order_id) == (AMOUNT, order_id)
    assert await charge(peer, order_id) == taken
    found = await look(peer, order_id)
    assert isinstance(found, client.PaymentFound)
    assert found.payment == taken.payment
    given_back = await cancel(peer, order_id)
    assert isinstance(given_back, client.Cancelled)
    assert given_back.payment.state == "REFUNDED"


async def test_a_cancel_that_came_first_wins(peer: Peer):
    order_id = new_order()
    assert isinstance(await cancel(peer, order_id), client.Cancelled)
    assert await charge(peer, order_id) == client.PaymentFenced()


async def test_a_request_that_cannot_be_meant_is_a_breach(peer: Peer):
    order_id = new_order()
    await charge(peer, order_id)
    again = await charge(peer, order_id, amount_minor=AMOUNT + 1)
    assert again == client.ContractBreach(422, "idempotency-key-reused")
    assert await charge(peer, new_order(), amount_minor=0) == client.ContractBreach(
        400, "validation"
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_decline_is_an_answer(module_database: str, transport: str):
    async with opened(module_database, payment_decline_rate=1.0) as till:
        peer = till.peer(transport)
        declined = await charge(peer, new_order())
        await peer.close()
    assert isinstance(declined, client.PaymentDeclined)
    assert declined.code


async def test_a_merchants_payment_is_answered_with_the_same_fields(till: Till):
    answers, metadata = [], {"n": 1, "share": 0.5, "note": "ä", "is": True}
    for transport in TRANSPORTS:
        peer = till.peer(transport)
        pay, name = MerchantClient(peer).pay, "over-both-wires"
        answers.append(await pay("m1", name, AMOUNT, CURRENCY, metadata, deadline_s=PATIENT_S))
        await peer.close()
    assert [each.status for each in answers] == [200, 200]
    one, other = (msgspec.json.decode(each.body) for each in answers)
    assert one == other


@pytest.mark.parametrize(
    ("kind", "more", "concluded", "is_done"),
    [
        ("latency", {"delay_ms": 3000}, client.Unknown("timeout"), False),
        ("late", {"delay_ms": 3000}, client.Unknown("timeout"), True),
        ("hang", {}, client.Unknown("timeout"), False),
        ("error", {"status": 503}, client.Unknown("gremlin"), False),
        ("error", {"status": 500}, client.Unknown("gremlin"), False),
        ("refuse", {}, client.Unknown, False),
        ("lost_response", {}, client.Unknown, True),
        ("duplicate", {}, client.Succeeded, True),
        ("corrupt", {}, client.Unknown, True),
        ("slow_database", {"delay_ms": 5}, client.Succeeded, True),
    ],
)  # fmt: skip
async def test_a_gremlin_bites_at_the_same_point(
    till: Till, peer: Peer, kind: str, more: dict[str, Any], concluded: Any, is_done: bool
):
    order_id = new_order()
    await till.let_loose(kind, **more)
    is_silent = concluded == client.Unknown("timeout")
    result = await charge(peer, order_id, 1.0 if is_silent else PATIENT_S)
    assert result == concluded or (isinstance(concluded, type) and isinstance(result, concluded)), (
        result
    )
    await till.door.delete("/gremlins")
    await until(lambda: nothing_in_flight(till))
    assert isinstance(await look(peer, order_id), client.PaymentFound) == is_done
    assert isinstance(await charge(peer, order_id), client.Succeeded)


async def nothing_in_flight(till: Till) -> bool:
    # The question itself is one.
    return await till.sample("http_requests_in_flight") == 1


async def test_who_leaves_is_not_waited_for(till: Till, peer: Peer):
    await till.let_loose("hang")
    asking = asyncio.create_task(charge(peer, new_order()))
    await until(lambda: is_hanging(till))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: nothing_in_flight(till))


async def is_hanging(till: Till) -> bool:
    return await till.sample("http_requests_in_flight") == 2


async def test_the_time_that_is_left_goes_with_the_call(till: Till, peer: Peer):
    # It is the service that gives up here: its caller would wait for longer than its statement.
    await till.let_loose("slow_database", delay_ms=3000)
    result = await charge(peer, new_order(), IMPATIENT_S)
    assert isinstance(result, client.Unknown | client.NotSent)
    await till.door.delete("/gremlins")
    await until(lambda: nothing_in_flight(till))


async def test_a_trace_and_its_id_go_there_and_back(peer: Peer):
    with recording.span("the caller") as work:
        result = await ask(peer)
    assert result.trace_id == work.trace_id


async def ask(peer: Peer, **headers: str) -> CallResult:
    path = f"/payments/{uuid4()}"
    route = "/payments/{payment_id}"
    return await peer.call("GET", path, route=route, headers=headers, deadline_s=PATIENT_S)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_only_who_may_is_served(module_database: str, transport: str):
    async with opened(module_database, operator_token=OPERATOR) as till:
        stranger = till.peer(transport)
        refused = await ask(stranger)
        foreign = await ask(
            stranger, **{"X-Valerix-Shop": str(uuid4()), "X-Valerix-Service": CREDENTIAL}
        )
        process = await ask(stranger, **{"X-Valerix-Service": CREDENTIAL})
        operator = await ask(stranger, Authorization=f"Bearer {OPERATOR}")
        await stranger.close()
    assert (refused.outcome, refused.code) == (Outcome.NOT_SENT, "service-credential-needed")
    assert (foreign.outcome, foreign.code) == (Outcome.NOT_SENT, "foreign-shop")
    assert (process.code, operator.code) == ("payment-not-found", "payment-not-found")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nobody_there_is_not_sent(transport: str):
    settings = OrderSettings(service="order")
    nowhere = f"http://127.0.0.1:{free_port()}"
    peer = peer_at(transport, nowhere, nowhere, settings)
    assert await charge(peer, new_order()) == client.NotSent("connect-failed")
    await peer.close()
