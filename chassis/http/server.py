"""Serves an ASGI app with uvicorn, within bounds; a service with a proto over gRPC as well."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from chassis.http.asgi import App
from chassis.http.connections import Connections, allow_descriptors
from chassis.http.edge import Edge
from chassis.http.protocol import BoundedProtocol
from chassis.settings import Settings

logger = logging.getLogger(__name__)


def config(app: App, settings: Settings) -> uvicorn.Config:
    """How every service is served."""
    protocol = partial(BoundedProtocol, settings=settings, connections=Connections(settings))
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=cast("type[BoundedProtocol]", protocol),  # called like a class
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # The client's address is not used, so no proxy header needs to be trusted.
        proxy_headers=False,
        date_header=False,
        timeout_keep_alive=int(settings.keep_alive_s),
        timeout_graceful_shutdown=int(settings.stop_grace_s),
        backlog=512,
    )


class _Server(uvicorn.Server):
    """Both wires, in one event loop: gRPC begins after HTTP, and ends before it."""

    def __init__(self, how: uvicorn.Config) -> None:
        super().__init__(how)
        self._more = contextlib.AsyncExitStack()
        self._stop: Callable[[], object] = lambda: None

    async def main_loop(self) -> None:
        """Until a signal ends it. uvicorn's own looks ten times a second whether one has."""
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._stop = partial(loop.call_soon_threadsafe, stopping.set)
        # The headers of every response, and whether a signal has come already.
        if not await self.on_tick(0):
            await stopping.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn does, and end `main_loop`."""
        super().handle_exit(sig, frame)
        self._stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, then gRPC."""
        await super().startup(sockets)
        app = self.config.app
        if not self.started or not isinstance(app, Edge) or app.rpc is None:
            return
        # Not before: a process that has it must not fork, and one without a proto does not need it.
        from chassis.rpc.server import serving

        service, settings = app.rpc
        try:
            await self._more.enter_async_context(serving(app, service, settings))
        except (OSError, RuntimeError) as error:
            logger.error("gRPC cannot be served on port %d of %s: %s",
                         settings.grpc_port, settings.host, error)  # fmt: skip
            self.started, self.should_exit = False, True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """gRPC first: what it serves needs the app's connections."""
        await self._more.aclose()
        await super().shutdown(sockets)


def serve(app: App, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code (0, or 1 when it could not start)."""
    allow_descriptors(settings)
    server = _Server(config(app, settings))
    # uvicorn listens while it serves: a signal that comes before would be lost, or end the process.
    # And it raises again what it heard, which would end the process before it has sent its last
    # spans; a stop that was asked for is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run()
    return 0 if server.started else 1
