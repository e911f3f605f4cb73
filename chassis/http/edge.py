"""The outermost layer: one pass gives each request its limits, span, metrics and log line."""

import contextlib
import logging
import re
import time
from collections.abc import Iterable, Mapping

import msgspec
from google.protobuf.descriptor import ServiceDescriptor

from chassis.contracts.checks import takes_turn
from chassis.contracts.routes import RouteContracts
from chassis.contracts.tap import tapped
from chassis.database.pool import Effects, effects_now
from chassis.faults.gremlins import EXEMPT, Gremlins
from chassis.faults.inject import inject
from chassis.faults.request import CallerLeft, Dropped
from chassis.http.asgi import App, Message, Receive, Scope, Send
from chassis.http.body_bounds import capped, timed
from chassis.http.metrics import HttpMetrics
from chassis.http.origin import OriginCheck
from chassis.http.problems import PROBLEM, Problem, send_problem, shed
from chassis.http.route_templates import Routes
from chassis.identity.caller import Callers
from chassis.rpc.bridge import REFUSAL, RPC
from chassis.rpc.codes import code_of
from chassis.settings import RpcSettings, Settings
from chassis.telemetry import recording
from chassis.telemetry.context import SERVER, Span, deadline_now, span_now

logger = logging.getLogger("request")

# Asked again and again by machines, and answered however many requests are being served.
_WATCHED = r"/metrics(/.*)?|/health(/.*)?|/v1/(traces|logs|metrics)"
_NEVER_SHED = re.compile(_WATCHED)
# Measured, but neither logged nor traced, and whose shop a process is of, and the keys of tokens,
# which all processes ask each other for. Telemetry that arrives would make more telemetry.
_QUIET = re.compile(rf"{_WATCHED}|/shop|/\.well-known/jwks\.json")
_WANTED = frozenset(
    {b"traceparent", b"tracestate", b"x-timeout-ms", b"sec-fetch-site", b"origin", b"host"}
    | {b"content-length", b"transfer-encoding", b"authorization"}
)
# A browser that guesses a content type may run as a page what somebody sent us as data.
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_WITH_ALLOW = (204, 405)  # the framework's answer to OPTIONS, and to a method that does not fit
CALLER_LEFT, NO_ANSWER = 499, 0
# Accepted, but not decided: 202. The body did not arrive in time: 408. Nobody waited: 499.
_UNFINISHED = frozenset({202, 408, CALLER_LEFT})


class Visit(msgspec.Struct):
    """What the edge records about one request."""

    method: str
    path: str
    status: int = NO_ANSWER
    bites: str = ""


class Edge:
    """ASGI in, ASGI out. Nothing above it, so 404s and crashes are seen as well."""

    def __init__(
        self,
        app: App,
        *,
        service: str,
        settings: Settings,
        metrics: HttpMetrics,
        routes: Routes,
        gremlins: Gremlins | None,
        contracts: Mapping[tuple[str, str], RouteContracts],
        callers: Callers,
    ) -> None:
        self.app = app
        self._service = service
        self._metrics = metrics
        self._routes = routes
        self._gremlins = gremlins
        self.contracts = contracts
        self._callers = callers
        self._origins = OriginCheck(settings)
        self._limit = settings.max_in_flight
        self._body_timeout_s = settings.body_timeout_s
        self._body_limit = settings.body_limit_bytes
        self._in_flight = 0
        # What is served over gRPC as well, and with which settings (chassis/rpc/server.py).
        self.rpc: tuple[ServiceDescriptor, RpcSettings] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass the lifespan through)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = _wanted(scope["headers"])
        visit = Visit(scope["method"], scope["path"])
        if visit.method == "HEAD":
            # What answers GET answers HEAD; the server sends the same headers and no body.
            scope, send = {**scope, "method": "GET"}, _head_alone(send)
        parent = _text(headers.get(b"traceparent")), _text(headers.get(b"tracestate"))
        work = recording.begin(visit.method, SERVER, *parent)
        # Calls made by a probe (SELECT 1, another service's health) are not traced either.
        work.sampled = work.sampled and _QUIET.fullmatch(visit.path) is None
        tokens = span_now.set(work), deadline_now.set(_deadline(headers.get(b"x-timeout-ms")))
        effects = effects_now.set(Effects())
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            marked = _marked(receive, send, visit, work, self._routes)
            if self.contracts and not _QUIET.fullmatch(visit.path) and takes_turn():
                template = self._routes.template(visit.path)
                if contracts := self.contracts.get((scope["method"], template)):
                    receive, marked = tapped(receive, marked, contracts)
            await self._serve(scope, receive, marked, visit, headers)
        except CallerLeft:
            visit.status = CALLER_LEFT
        except Dropped:
            visit.status = NO_ANSWER
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)
            self._finish(scope, visit, work, time.perf_counter() - started)
            span_now.reset(tokens[0])
            deadline_now.reset(tokens[1])
            effects_now.reset(effects)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, visit: Visit, headers: dict[bytes, bytes]
    ) -> None:
        exempt = EXEMPT.fullmatch(visit.path) is not None
        given: Problem | None = (scope.get("extensions") or {}).get(REFUSAL)
        if refusal := given or self._refusal(visit, headers, exempt=exempt):
            await send_problem(send, refusal)
            return
        if _has_body(headers):
            receive = timed(receive, self._body_timeout_s)
        if shown := headers.get(b"authorization"):
            await self._callers.resolve(scope, shown.decode("latin-1"))
        if self._gremlins is not None and self._gremlins.active and not exempt:
            template = self._routes.template(visit.path)
            if bites := self._gremlins.biting(scope["method"], template):
                visit.bites = ",".join(bite.view.name for bite in bites)
                receive = capped(receive, self._body_limit)
                try:
                    await inject(self.app, scope, receive, send, bites, self._gremlins)
                except Problem as problem:
                    await send_problem(send, problem)
                return
        await self.app(scope, receive, send)

    def _refusal(
        self, visit: Visit, headers: dict[bytes, bytes], *, exempt: bool
    ) -> Problem | None:
        if refusal := self._origins.refusal(visit.method, headers):
            return refusal
        if self._in_flight > self._limit and not exempt and not _NEVER_SHED.fullmatch(visit.path):
            self._metrics.shed.inc()
            return shed("Too many requests are being served already; nothing was done")
        return None

    def _finish(self, scope: Scope, visit: Visit, work: Span, seconds: float) -> None:
        template = scope.get("path_template") or self._routes.template(visit.path)
        # An exemplar leads to a trace: where none is kept there is no exemplar.
        trace_id = work.trace_id if work.sampled else ""
        self._metrics.observe(visit.method, template, visit.status, seconds, trace_id)
        if _QUIET.fullmatch(template) and visit.status < 500:
            return
        fields = {
            "method": visit.method,
            "route": template,
            "status": visit.status,
            "duration_ms": round(seconds * 1000, 1),
        }
        if visit.bites:
            fields["gremlin"] = visit.bites
        problem = str(work.attributes.get(PROBLEM, ""))
        if problem:
            fields["problem"] = problem
        rpc = _rpc(scope, visit.status, problem)
        if rpc:
            self._metrics.count_rpc(rpc["rpc.method"], rpc["rpc.response.status_code"])
            fields["rpc"] = rpc["rpc.method"]
        level = _level(visit.status)
        if logger.isEnabledFor(level):
            logger.log(level, "%s %s", visit.method, template, extra=fields)
        if recording.is_on():
            work.name = rpc.get("rpc.method") or f"{visit.method} {template}"
            work.end_ns = work.start_ns + int(seconds * 1e9)
            work.attributes.update(
                {
                    "http.request.method": visit.method,
                    "http.route": template,
                    "http.response.status_code": visit.status,
                    "url.scheme": scope["scheme"],
                    "url.path": visit.path,
                    **rpc,
                }
            )
            if is_failed(visit.status):
                work.error = work.error or f"http {visit.status:03d}"
                work.attributes.setdefault("error.type", f"{visit.status:03d}")
            recording.record(work)


def _rpc(scope: Scope, status: int, problem: str) -> dict[str, str]:
    """What a span says of a call over gRPC (by the semantic conventions); of another, nothing."""
    method: str = (scope.get("extensions") or {}).get(RPC, "")
    if not method:
        return {}
    code = code_of(status, problem)
    return {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": code}


def _wanted(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that the edge reads. One that is sent twice becomes a list (RFC 9110, 5.3),
    which is no valid value where there may be only one: two different hosts are none."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            found[name] = found[name] + b", " + value if name in found else value
    return found


def _has_body(headers: dict[bytes, bytes]) -> bool:
    """Whether a body is to come (RFC 9112, 6.3); without one, who leaves cuts nothing short."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def is_failed(status: int) -> bool:
    """Whether the request failed: on our side, unanswered, or given up by its caller."""
    return status >= 500 or status in (NO_ANSWER, CALLER_LEFT)


def _level(status: int) -> int:
    """The level of a request's line, injected or not: who looks for errors must find it."""
    if status in _UNFINISHED:
        return logging.WARNING
    return logging.ERROR if is_failed(status) else logging.INFO


def _has_left(receive: Receive) -> bool:
    """Whether the caller has closed the connection; asked without waiting."""
    asked = receive().__await__()
    try:
        next(asked)
    except StopIteration as given:
        return bool(given.value["type"] == "http.disconnect")
    asked.close()
    return False


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("latin-1")


def _deadline(raw: bytes | None) -> float | None:
    """X-Timeout-Ms is relative, so clocks need not agree. A value that is not valid is no limit."""
    if raw is None or not raw.isdigit() or len(raw) > 9:
        return None
    return time.monotonic() + int(raw) / 1000


def _head_alone(send: Send) -> Send:
    """A GET's answer ends with its headers, or an event stream would hold HEAD for ever."""
    complete = False

    async def send_head(message: Message) -> None:
        nonlocal complete
        if message["type"] == "http.response.start":
            await send(message)
        elif not complete:
            complete = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


def _marked(receive: Receive, send: Send, visit: Visit, work: Span, routes: Routes) -> Send:
    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.status = message["status"]
            # A response that nobody waits for is no success, whatever it says. 400 says it already:
            # the caller left before its body had come.
            if visit.status != 400 and _has_left(receive):
                visit.status = CALLER_LEFT
            trace_id = work.trace_id.encode()
            headers = [*message["headers"], (b"x-trace-id", trace_id), _NO_SNIFFING]
            if visit.status in _WITH_ALLOW and (allowed := routes.allowed(visit.path)):
                # The framework leaves out HEAD, and methods of a path that has several handlers.
                headers = [each for each in headers if each[0] != b"allow"]
                headers.append((b"allow", allowed))
            message["headers"] = headers
        # The caller has left, which is not an error; uvicorn drops the bytes.
        with contextlib.suppress(ConnectionError):
            await send(message)

    return send_marked
