"""Beyond loopback nobody who shows nothing is answered, but for a short list of routes."""

from collections.abc import AsyncIterator

import aiohttp
import httpx
import pytest

from chassis.http.outbound import Peer
from tests.harness.routes import exposed, routes_of
from topology import KEYS

pytestmark = pytest.mark.asyncio
# For machines that ask before there is anybody to be: probes and scrapers, who say and learn
# nothing but how the process is.
EVERYWHERE = {
    "GET /health", "GET /health/live", "GET /health/ready", "GET /metrics",
}  # fmt: skip
OPEN = {
    # How to become somebody, and what others check tokens with.
    "identity": {
        "POST /login", "GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server",
    },
    # The same for people, and how the page looks; its form carries what only the page has.
    "dashboard": {"GET /login", "GET /static/{name}"},
    # What Envoy counts, as everybody's own metrics.
    "gateway": {"GET /metrics/envoy"},
}  # fmt: skip
# What a credential of another kind decides: a signature, a client's secret, an account's key.
_REFUSED = {401, 403}
OTHERWISE = {
    "/webhooks/{provider}": {400, 404, 503},
    "/oauth2/token": {400},
    "/oauth2/revoke": {400},
    # Nothing is there, whoever asks.
    "/v1/payment_intents/search": {404},
    "/v1/charges/search": {404},
}


@pytest.fixture(autouse=True)
async def connections_closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Nothing here is started, so nothing is stopped that would close what a probe has opened."""
    peers, opened = set[Peer](), Peer._opened  # noqa: SLF001

    def remembered(peer: Peer) -> aiohttp.ClientSession:
        peers.add(peer)
        return opened(peer)

    monkeypatch.setattr(Peer, "_opened", remembered)
    yield
    for peer in peers:
        await peer.close()


@pytest.mark.parametrize("key", KEYS)
async def test_without_a_token_only_a_short_list_is_answered(key: str):
    edge = exposed(key)
    transport = httpx.ASGITransport(app=edge, raise_app_exceptions=False)  # type: ignore[arg-type]
    opened = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for route in routes_of(key, edge):
            answer = await client.request(route.method, route.path)
            usual = OTHERWISE.get(route.template, _REFUSED)
            is_sent_to_login = answer.headers.get("location", "").startswith("/login?back=")
            if answer.status_code not in usual and not is_sent_to_login:
                opened.add(f"{route.method} {route.template}")
    assert opened == EVERYWHERE | OPEN.get(key, set())
