"""The module's shop behind its gateway."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import httpx
import msgspec
import pytest

from chassis.rpc.status import TRAILER, problem_in
from tests.harness.running import RunningFleet
from tests.harness.serving import ask

_WITHIN_S = 30.0


class RpcRefusal(NamedTuple):
    """How a call was refused: code, the status and the problem in its details, what was done."""

    code: str
    status: int
    problem: str
    executed: str | None


class GatedShop:
    """A fleet with a gateway: `client` comes as customers do, `ask` at a process's own port."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet
        self.url = f"http://127.0.0.1:{fleet.ports['VALERIX_GATEWAY_HTTP_PORT']}"
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def ask(self, method: str, key: str, path: str, **rest: object) -> httpx.Response:
        return ask(method, self.fleet.url(key) + path, **rest)

    def order(self, **headers: str) -> httpx.Response:
        body = {"product_id": "PROD-002", "quantity": 1}
        return self.client.post("/orders", json=body, headers=headers)

    def call(
        self, method: str, message: bytes = b"", *, ends: bool = True, **metadata: str
    ) -> RpcRefusal:
        """Refused over gRPC, at the gateway; where not `ends`, before all of it was sent."""
        port, is_answered = self.fleet.ports["VALERIX_GATEWAY_GRPC_PORT"], threading.Event()

        def messages() -> Iterator[bytes]:
            yield message
            is_answered.wait(0 if ends else _WITHIN_S)

        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(f"/{method}")
            try:
                with pytest.raises(grpc.RpcError) as refused:
                    list(call(messages(), metadata=tuple(metadata.items()), timeout=_WITHIN_S))
            finally:
                is_answered.set()
        return _refusal(refused.value)

    def metrics(self, path: str = "/metrics") -> str:
        return self.ask("GET", "gateway", path).text


def _refusal(error: Any) -> RpcRefusal:
    trailers = dict(error.trailing_metadata())
    found = problem_in(trailers[TRAILER])
    assert found is not None, "these are not details of the shop's"
    status, problem = found
    assert trailers["x-valerix-status"] == str(status)
    assert msgspec.json.decode(problem)["detail"] == error.details()
    return RpcRefusal(
        error.code().name, status, msgspec.json.decode(problem)["code"],
        trailers.get("x-valerix-executed"),
    )  # fmt: skip


def eventually(look: object, within_s: float = _WITHIN_S) -> None:
    """Wait until `look()` is true."""
    end = time.monotonic() + within_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if look():  # type: ignore[operator]
                return
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shop(fleet: RunningFleet) -> Iterator[GatedShop]:
    gated = GatedShop(fleet)
    try:
        yield gated
    finally:
        gated.client.close()


@pytest.fixture
def calm(shop: GatedShop) -> Iterator[None]:
    """Every gremlin at the gateway ends with the test."""
    yield
    shop.ask("DELETE", "gateway", "/gremlins").raise_for_status()
