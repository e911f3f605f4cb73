"""Serves an ASGI app with uvicorn, within bounds."""

import signal
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from chassis.http.asgi import App
from chassis.http.connections import Connections, allow_descriptors
from chassis.http.protocol import BoundedProtocol
from chassis.settings import Settings


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


def serve(app: App, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code (0, or 1 when it could not start)."""
    # uvicorn raises the signal again when it is done, which would end the process before it has
    # sent its last spans; a stop that was asked for is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopping_already)
    allow_descriptors(settings)
    server = uvicorn.Server(config(app, settings))
    server.run()
    return 0 if server.started else 1


def _stopping_already(_number: int, _frame: FrameType | None) -> None:
    """Ignore the repeated signal: the server has stopped by then."""
