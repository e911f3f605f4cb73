"""The module's shop behind its gateway."""

import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.harness.running import RunningFleet

_WITHIN_S = 30.0


class GatedShop:
    """A fleet with a gateway: `client` comes as customers do, `ask` at a process's own port."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet
        self.url = f"http://127.0.0.1:{fleet.ports['VALERIX_GATEWAY_HTTP_PORT']}"
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def ask(self, method: str, key: str, path: str, **rest: object) -> httpx.Response:
        return httpx.request(method, self.fleet.url(key) + path, timeout=30, **rest)  # type: ignore[arg-type]

    def order(self, **headers: str) -> httpx.Response:
        body = {"product_id": "PROD-002", "quantity": 1}
        return self.client.post("/orders", json=body, headers=headers)

    def metrics(self, path: str = "/metrics") -> str:
        return self.ask("GET", "gateway", path).text


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
