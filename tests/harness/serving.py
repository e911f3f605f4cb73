"""Our apps behind a real socket: uvicorn as in production, in the test's own event loop."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import httpx
import msgspec
import uvicorn

from chassis.http.asgi import App
from chassis.http.edge import Edge
from chassis.http.server import config
from chassis.settings import Settings
from fleet.settings import load, shape_of
from topology import PROCESSES, find

# The pauses of background work, shortened; every deadline stays what production has.
QUICK: dict[str, object] = {
    "gremlin_poll_s": 0.1,
    "stop_grace_s": 1.0,
    "pool_size": 8,
    "reconcile_poll_s": 0.1,
    "reconcile_backoff_s": 0.1,
    "reconcile_backoff_max_s": 0.5,
    "payment_decline_rate": 0.0,
    "payment_stripe_accounts": "",
    "payment_probe_base_s": 0.1,
    "payment_probe_max_s": 0.5,
}


# All is plain HTTP; the certificates of the world take 35 ms to load, for every client again.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def knock(url: str, **options: Any) -> httpx.AsyncClient:
    """A client of one of our own servers."""
    return httpx.AsyncClient(base_url=url, verify=_NO_CERTIFICATES, **{"timeout": 20, **options})


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    """One request to one of our own servers."""
    return httpx.request(method, url, verify=_NO_CERTIFICATES, **{"timeout": 30, **options})


class Server(uvicorn.Server):
    """Leaves the signals to pytest: Ctrl-C must still end the run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures nothing."""
        yield


@asynccontextmanager
async def serve(app: App, settings: Settings) -> AsyncIterator[str]:
    """The app on `settings.port` (0: a free one); yields its base URL."""
    server = Server(config(app, settings))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the server did not start"
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def known(service: str, values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that the service has a setting for."""
    fields = shape_of(service).__struct_fields__
    return {name: value for name, value in values.items() if name in fields}


# Where nobody listens: on the usual ports somebody's own shop may be open.
_NOWHERE = {f"{each.key}_url": "http://127.0.0.1:9" for each in PROCESSES}


def settings_of(service: str, database_url: str, *, port: int = 0, **overrides: Any) -> Settings:
    """A service's settings with QUICK pauses, on a free port unless told otherwise. It finds only
    those whose address is given."""
    given = {**known(service, QUICK), **_NOWHERE, "database_url": database_url, **overrides}
    settings = load(service, {}, **given)
    return msgspec.structs.replace(settings, port=port)


def create_service(key: str, settings: Settings) -> Edge:
    """The app of a service, by its key in the topology."""
    app: Edge = import_module(f"{find(key).package}.app").create_app(settings)
    return app


@asynccontextmanager
async def serve_rpc(app: Edge, at: App | None = None, port: int = 0) -> AsyncIterator[str]:
    """What the app serves over gRPC, on a free port; yields its address as a URL. `at` is what
    its calls come to instead, such as a hop before it."""
    # Here, or every test that serves would load gRPC.
    from chassis.rpc.server import serving

    assert app.rpc is not None, "it speaks no gRPC"
    service, settings = app.rpc
    settings = msgspec.structs.replace(settings, grpc_port=port)
    async with serving(at or app, service, settings) as bound:
        yield f"http://127.0.0.1:{bound}"
