"""Serves an ASGI app with uvicorn, and lets the app cut the connection it is answering."""

import signal
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.http.asgi import App
from chassis.http.problems import MEDIA_TYPE, Problem
from chassis.settings import Settings


class CuttableProtocol(HttpToolsProtocol):
    """Puts `valerix.abort` into scope["extensions"]: gremlins that drop one need the socket."""

    def on_message_begin(self) -> None:
        """A request begins on this connection."""
        super().on_message_begin()
        self.scope["extensions"] = {"valerix.abort": self.transport.abort}  # type: ignore[dict-item]

    def send_400_response(self, msg: str) -> None:
        """Bytes that are not HTTP get a problem document, like every other refusal."""
        body = Problem(400, "malformed", "This is not an HTTP request").body()
        head = (
            f"HTTP/1.1 400 Bad Request\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def config(app: App, settings: Settings) -> uvicorn.Config:
    """How every service is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=CuttableProtocol,
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
    server = uvicorn.Server(config(app, settings))
    server.run()
    return 0 if server.started else 1


def _stopping_already(_number: int, _frame: FrameType | None) -> None:
    """Ignore the repeated signal: the server has stopped by then."""
