"""One call as an ASGI request: its metadata are headers, its deadline is X-Timeout-Ms."""

import asyncio
import time
from collections.abc import Iterable

import msgspec

from chassis.http.asgi import App, Message, Scope
from chassis.http.problems import Problem
from chassis.rpc.codes import code_of

# Set by the bridge for the edge: which method is called, and why it is refused before it begins.
RPC, REFUSAL = "valerix.rpc", "valerix.refusal"
# What is about the bytes of the other wire, or about browsers, and nothing that a call says.
_OF_THE_WIRE = frozenset(
    {"content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "te",
     "host", "accept-encoding", "x-timeout-ms"}
)  # fmt: skip
# What an answer says beside its body.
_KEPT = frozenset(
    {"x-trace-id", "x-valerix-executed", "retry-after", "idempotent-replayed", "location",
     "www-authenticate"}
)  # fmt: skip


class RpcResponse(msgspec.Struct, frozen=True):
    """What came back; `status` is 0 where the connection would have broken."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The code of the problem, where it is one."""
        return _code(self.body) if self.status >= 400 else ""

    @property
    def code(self) -> str:
        """The name of the code of google.rpc."""
        return code_of(self.status, self.problem)

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """What goes with it as metadata: as over HTTP, and the status that it has there."""
        metadata = [("x-valerix-status", str(self.status))] if self.status else []
        if self.problem:
            metadata.append(("x-valerix-problem", self.problem))
        return [*metadata, *self.headers.items()]


class _Code(msgspec.Struct):
    code: str = ""


def _code(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Code).code
    except msgspec.MsgspecError:
        return ""


class RpcRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call: which method, what HTTP request it is, who asks, until when (monotonic seconds)."""

    name: str
    verb: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str | bytes], ...] = ()
    client: tuple[str, int] | None = None
    until: float | None = None
    refusal: Problem | None = None


class Exchange:
    """One request on its way through the app. `leave` is for when its caller has gone."""

    def __init__(self, app: App, request: RpcRequest) -> None:
        self._app, self._request = app, request
        self._gone = asyncio.Event()
        self._delivered = False
        self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    def leave(self) -> None:
        """The caller is no longer there: whoever waits for that learns it."""
        self._gone.set()

    async def run(self) -> RpcResponse:
        """Serve it."""
        await self._app(self._scope(), self._receive, self._send)
        return RpcResponse(self._status, self._headers, b"".join(self._parts))

    def _scope(self) -> Scope:
        asked = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "method": asked.verb,
            "scheme": "http",
            "path": asked.path,
            "raw_path": asked.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": _headers(asked),
            "client": asked.client,
            "server": None,
            "state": {},
            "extensions": {"valerix.abort": self.leave, RPC: asked.name, REFUSAL: asked.refusal},
        }

    async def _receive(self) -> Message:
        if not self._delivered:
            self._delivered = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = (
                (name.decode().lower(), value.decode()) for name, value in message["headers"]
            )
            self._headers = {name: value for name, value in headers if name in _KEPT}
        else:
            self._parts.append(message.get("body", b""))


def _headers(asked: RpcRequest) -> list[tuple[bytes, bytes]]:
    headers = list(_carried(asked.headers))
    if asked.body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(asked.body)).encode()))
    if asked.until is not None:
        left_ms = max(0, int((asked.until - time.monotonic()) * 1000))
        headers.append((b"x-timeout-ms", str(left_ms)[:9].encode()))
    return headers


def _carried(metadata: Iterable[tuple[str, str | bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in metadata:
        if name not in _OF_THE_WIRE and not name.startswith((":", "grpc-")) and name[-4:] != "-bin":
            yield name.encode(), value if isinstance(value, bytes) else value.encode()
