"""What the order service concludes from each answer of inventory: a fact, or that it is unknown."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import msgspec
import pytest

from chassis.http.outbound import Peer
from chassis.outcome import Outcome
from fleet.settings import load
from services.inventory.client import Hold, HoldResult, InventoryClient
from services.inventory.contract import ReservationView
from tests.harness import wire

ORDER = uuid4()
ASK: dict[str, Callable[[InventoryClient], Awaitable[HoldResult]]] = {
    "reserve": lambda client: client.reserve(ORDER, "PROD-001", 2, deadline_s=1),
    "release": lambda client: client.release(ORDER, deadline_s=1),
    "commit": lambda client: client.commit(ORDER, deadline_s=1),
}


@pytest.fixture
async def client_at() -> AsyncIterator[Callable[[str], InventoryClient]]:
    """A client of whoever listens there."""
    peers: list[Peer] = []

    def build(url: str) -> InventoryClient:
        peers.append(Peer("inventory-service", url, load("order", {})))
        return InventoryClient(peers[-1])

    yield build
    for peer in peers:
        await peer.close()


def _view(state: str, order_id: UUID = ORDER) -> bytes:
    view = ReservationView(order_id, state, "PROD-001", 2)  # type: ignore[arg-type]
    return wire.http(200, msgspec.json.encode(view))


def _no(status: int, code: str, *headers: str) -> bytes:
    return wire.http(status, msgspec.json.encode({"code": code}), *headers)


ANSWERS = [
    (_view("HELD"), Hold.HELD),
    (_view("COMMITTED"), Hold.COMMITTED),
    (_view("RELEASED"), Hold.RELEASED),
    (_view("REJECTED"), Hold.REJECTED),
    (_view("HELD", uuid4()), Hold.UNKNOWN),
    (_view("LENT"), Hold.UNKNOWN),
    (wire.http(200, b"{}"), Hold.UNKNOWN),
    (wire.http(200, b"<html>"), Hold.UNKNOWN),
    (_no(409, "out-of-stock"), Hold.REJECTED),
    (_no(409, "fenced"), Hold.FENCED),
    (_no(409, "nothing-held"), Hold.CONTRACT),
    (_no(404, "product-not-found"), Hold.CONTRACT),
    (_no(422, "reservation-mismatch"), Hold.CONTRACT),
    (_no(400, "validation"), Hold.CONTRACT),
    (_no(503, "overloaded", "X-Valerix-Executed: no"), Hold.NOT_SENT),
    (_no(503, "gremlin"), Hold.UNKNOWN),
    (_no(500, "internal"), Hold.UNKNOWN),
    (_no(504, "caller-gone"), Hold.UNKNOWN),
    (_no(409, "in-progress"), Hold.UNKNOWN),
]


@pytest.mark.parametrize("asked", ASK)
@pytest.mark.parametrize(("answer", "hold"), ANSWERS)
async def test_an_answer_becomes_a_fact(
    client_at: Callable[[str], InventoryClient], asked: str, answer: bytes, hold: Hold
):
    async with wire.listen(wire.responds(answer)) as url:
        assert (await ASK[asked](client_at(url))).hold is hold


@pytest.mark.parametrize("asked", ASK)
async def test_a_cut_connection_is_unknown_and_a_refused_one_is_not(
    client_at: Callable[[str], InventoryClient], asked: str
):
    async with wire.listen(wire.reset) as url:
        assert (await ASK[asked](client_at(url))).hold is Hold.UNKNOWN
    assert (await ASK[asked](client_at(url))).hold is Hold.NOT_SENT


async def test_looking_passes_the_raw_answer_on(client_at: Callable[[str], InventoryClient]):
    async with wire.listen(wire.responds(wire.http(200, b'{"products":[]}'))) as url:
        client = client_at(url)
        assert (await client.stock()).body == b'{"products":[]}'
        assert (await client.reservation(ORDER)).outcome is Outcome.OK
        assert (await client.restock("PROD-001", 1)).outcome is Outcome.OK
