"""uvicorn's HTTP connection with bounds on what comes before a request: size, lines and time."""

import asyncio
import re
import sys
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.addresses import network_of
from chassis.http.connections import Connections
from chassis.http.problems import MEDIA_TYPE, NOT_EXECUTED, Problem
from chassis.settings import Settings

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
# What may be one: a token (RFC 9110, section 5.6.2), which is not all that arrives at a port.
_METHOD, _METHOD_SIZE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} "), 33
# Parsed and waiting behind the request that is being answered; no client of ours sends even two.
_MOST_PIPELINED = 16
# A client that takes nothing for this long has gone, or holds a request's place on purpose.
_STALLED_S = 30.0


class Answers:
    """What the answers of a connection are written to. A head waits for the body that follows at
    once: together they are one system call, and wake the client once. Without one it goes at the
    loop's next turn."""

    __slots__ = ("_begun", "_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head, self._begun = b"", False

    def write(self, data: bytes) -> None:
        """The first is the head."""
        if not self._begun:
            self._head, self._begun = data, True
            self._loop.call_soon(self.flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)

    def end(self) -> None:
        """The answer is complete: what is written next is the head of another."""
        self.flush()
        self._begun = False

    def flush(self) -> None:
        """What waits goes now."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """After what was written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is being closed, by whomever."""
        return self._transport.is_closing()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It also puts `valerix.abort` into scope["extensions"]: gremlins that drop
    a connection need the socket."""

    def __init__(
        self, *args: Any, settings: Settings, connections: Connections, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self._register = connections
        self._peer = ""
        self._limit_bytes, self._limit_lines = settings.head_limit_bytes, settings.head_limit_lines
        self._head_timeout_s = settings.head_timeout_s
        self._body_timeout_s = settings.body_timeout_s
        self._begins_with = b""
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        # Bytes of the head or of trailers; and bytes of which the parser has handed nothing on.
        self._head_bytes = self._unparsed_bytes = 0
        self._is_idle = False  # between two requests
        self._in_head = True  # part of a head is here, and not all of it
        self._in_message = False  # the body's end has not come
        # Of a request that is refused while others before it are being answered.
        self._last_answer: Problem | None = None

    # ---- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._answers = Answers(transport, self.loop)
        self._peer = network_of(self.client[0] if self.client else "")
        self._register.admit(self, self._peer)
        if not transport.is_closing():
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self._stop_timer()
        self.resume_writing()
        self._register.forget(self, self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._last_answer is not None:
            return
        self._unparsed_bytes += len(data)
        self._begins_with = data[:_METHOD_SIZE]
        was_idle = self._is_idle
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unparsed_bytes > self._limit_bytes:
            self.refuse(self._too_large())
        elif self._is_idle and (was_idle or self._in_head):
            self._expect_head()  # a part of one is here, or line ends before it

    def pause_writing(self) -> None:
        """The client takes its answer too slowly, or not at all."""
        super().pause_writing()
        self._stalled = self.loop.call_later(_STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken enough of its answer."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
            super().resume_writing()

    # ---- the parser's reports -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins on this connection."""
        super().on_message_begin()
        self._head_bytes = 0
        self._in_head = self._in_message = True
        self.scope["extensions"] = {"valerix.abort": self.transport.abort}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line; or a trailer, which is counted and dropped: as a header it would count
        after the others were judged (RFC 9110, section 6.5.1)."""
        self._count(len(name) + len(value) + 4)
        if not self._in_head:
            return
        if len(self.headers) >= self._limit_lines:
            raise Problem(
                431, "head-too-large", f"A request has at most {self._limit_lines} header lines"
            )
        # The parser leaves white space at the end (RFC 9110, section 5.5).
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """The head is complete: the request is handed to the app."""
        self._refuse_bad_head()
        self._unparsed_bytes = 0
        self._in_head = self._is_idle = False
        self._stop_timer()
        self._register.has_head(self, self._peer)
        self._take_absolute_form()
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", self._answers)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._unparsed_bytes = 0
        self._in_message = False
        self._stop_timer()
        super().on_message_complete()
        if self.cycle.response_complete:  # the end of a body that nobody read
            self._is_idle = True
            self._start_timer(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        """The answer is complete. What is left of a body nobody reads may come for a while."""
        self._answers.end()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._last_answer is not None and self.cycle.response_complete:
            self.refuse(self._last_answer)
            return
        if self.timeout_keep_alive_task is None:  # answering the next request
            return
        if self._in_head:
            self._expect_head()
            return
        self._register.answered(self)
        if self._in_message:
            self._start_timer(self._body_timeout_s, self.transport.close)
        else:
            self._is_idle = True

    # ---- bounds ---------------------------------------------------------------------------------

    def refuse(self, problem: Problem) -> None:
        """Answer from below the app, and close: after the answers to the requests before it, and
        not at all where the fault is in the body of one that is being served and may be done."""
        is_served = not getattr(self.cycle, "response_complete", True)
        if is_served and (self._in_head or not self._in_message):
            self._stop_timer()
            self._last_answer = problem
            return
        self._register.forget(self, self._peer)
        if not is_served:
            body = problem.body()
            headers = {
                "Content-Type": MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
                **problem.headers,
            }
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"
            self.transport.write(f"{status}\r\n{lines}\r\n".encode() + body)
        self.transport.close()

    def close_idle(self) -> None:
        """Make room for another connection."""
        self._register.forget(self, self._peer)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Bytes that the parser or one of the bounds above refuses get a problem document."""
        error = sys.exception()
        reason = error.__context__ if error else None
        if isinstance(reason, Problem):
            self.refuse(reason)
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and (
            _METHOD.match(self._begins_with)
        ):
            self.refuse(_unknown_method())
        else:
            self.refuse(Problem(400, "malformed", "This is not an HTTP request"))

    def _refuse_bad_head(self) -> None:
        """Raises `Problem` for a request that is not handed to the app."""
        if self.parser.get_method().decode("ascii") not in METHODS:
            raise _unknown_method()
        if len(self.pipeline) >= _MOST_PIPELINED:
            text = f"More than {_MOST_PIPELINED} requests wait on this connection; this one was not"
            again = {"Retry-After": "1", **NOT_EXECUTED}
            raise Problem(429, "too-many-pipelined", f"{text} read", retryable=True, headers=again)
        codings = b", ".join(v for name, v in self.headers if name == b"transfer-encoding").lower()
        if codings not in (b"", b"chunked"):
            raise Problem(
                501, "unknown-transfer-encoding", "A body comes whole or chunked, and as it is"
            )
        has_host = any(name == b"host" for name, _ in self.headers)
        if self.parser.get_http_version() == "1.1" and not has_host:
            raise Problem(400, "malformed", "A request of HTTP/1.1 needs a Host header")

    def _take_absolute_form(self) -> None:
        """Of an address that names a host, that host is the one that is meant, whatever the header
        says (RFC 9112, section 3.2.2)."""
        if self.url.startswith((b"/", b"*")):
            return
        target = httptools.parse_url(self.url)
        if not target.host:
            return
        host = b"[%s]" % target.host if b":" in target.host else target.host
        authority = host + (b":%d" % target.port if target.port else b"")
        self.headers[:] = [each for each in self.headers if each[0] != b"host"]
        self.headers.append((b"host", authority))
        self.url = (target.path or b"/") + (b"?" + target.query if target.query else b"")

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limit_bytes:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(
            431, "head-too-large", f"A request's head has at most {self._limit_bytes} bytes"
        )

    def _expect_head(self) -> None:
        self._is_idle, self._in_head = False, True
        self._register.awaits_head(self, self._peer)
        self._start_timer(self._head_timeout_s, self._head_is_late)

    def _head_is_late(self) -> None:
        text = f"The head of the request did not arrive within {self._head_timeout_s:g} s"
        self.refuse(Problem(408, "request-timeout", text, retryable=True))

    def _start_timer(self, delay_s: float, act: Any) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(delay_s, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _unknown_method() -> Problem:
    return Problem(501, "unknown-method", f"Methods here are {', '.join(sorted(METHODS))}")
