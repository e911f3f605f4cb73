"""The outermost layer: one pass gives each request its limits, span, metrics and log line."""

import asyncio
import contextlib
import logging
import re
import time

import msgspec

from chassis.faults.gremlins import EXEMPT, Gremlins
from chassis.faults.inject import inject
from chassis.faults.request import CallerLeft, Dropped
from chassis.http.asgi import App, Message, Receive, Scope, Send
from chassis.http.metrics import HttpMetrics
from chassis.http.operator_auth import is_foreign
from chassis.http.problems import Problem, send_problem, shed
from chassis.settings import Settings
from chassis.telemetry import recording
from chassis.telemetry.context import SERVER, Span, deadline_now, span_now

logger = logging.getLogger("request")

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_UNSAFE = frozenset({"POST", "PUT", "DELETE", "PATCH"})
# Asked every two seconds by machines: measured, but neither logged nor traced. Nor is telemetry
# that arrives, or it would make more telemetry.
_QUIET = re.compile(r"/metrics|/health(/.*)?|/v1/(traces|logs|metrics)")
_WANTED = frozenset({b"traceparent", b"x-timeout-ms", b"sec-fetch-site", b"host"})
CALLER_LEFT, NO_ANSWER = 499, 0


class Routes:
    """The route templates of an app, so that a path can be named before Litestar routes it."""

    def __init__(self, templates: list[str]) -> None:
        self.known = frozenset(t for t in templates if not EXEMPT.fullmatch(t))
        self._patterns = [
            (re.compile(re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(t))), t)
            for t in templates
            if "{" in t
        ]

    def template(self, path: str) -> str:
        """The template of `path`, or "unmatched"."""
        if path in self.known:
            return path
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                return template
        return "unmatched"


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
    ) -> None:
        self.app = app
        self._service = service
        self._metrics = metrics
        self._routes = routes
        self._gremlins = gremlins
        self._is_guarded = bool(settings.operator_token)
        self._limit = settings.max_in_flight
        self._body_timeout_s = settings.body_timeout_s
        self._body_limit = settings.body_limit_bytes
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass the lifespan through)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {k: v for k, v in scope["headers"] if k in _WANTED}
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        visit = Visit(method, scope["path"])
        work = recording.begin(method, SERVER, _text(headers.get(b"traceparent")))
        # Calls made by a probe (SELECT 1, another service's health) are not traced either.
        work.sampled = work.sampled and _QUIET.fullmatch(visit.path) is None
        tokens = span_now.set(work), deadline_now.set(_deadline(headers.get(b"x-timeout-ms")))
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            await self._serve(scope, receive, _marked(send, visit, work), visit, headers)
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

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, visit: Visit, headers: dict[bytes, bytes]
    ) -> None:
        exempt = EXEMPT.fullmatch(visit.path) is not None
        if refusal := self._refusal(visit, headers, exempt=exempt):
            await send_problem(send, refusal)
            return
        receive = _bounded(receive, self._body_timeout_s)
        if self._gremlins is not None and self._gremlins.active and not exempt:
            template = self._routes.template(visit.path)
            if bites := self._gremlins.biting(visit.method, template):
                visit.bites = ",".join(bite.view.name for bite in bites)
                receive = _capped(receive, self._body_limit)
                try:
                    await inject(self.app, scope, receive, send, bites, self._gremlins)
                except Problem as problem:
                    await send_problem(send, problem)
                return
        await self.app(scope, receive, send)

    def _refusal(
        self, visit: Visit, headers: dict[bytes, bytes], *, exempt: bool
    ) -> Problem | None:
        # Another site's page may post to localhost from the visitor's browser; no browser
        # lets a page forge this header.
        if visit.method in _UNSAFE and headers.get(b"sec-fetch-site") == b"cross-site":
            return Problem(403, "cross-site", "Another site's page may not change the shop")
        # Nor may one whose name was made to lead here (DNS rebinding); behind a token it may.
        open_ = visit.method in _UNSAFE and not self._is_guarded
        if open_ and is_foreign(headers.get(b"host", b"")):
            return Problem(403, "foreign-host", "Under this name an operator token must be set")
        if self._in_flight > self._limit and not exempt and not _QUIET.fullmatch(visit.path):
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
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s %s", visit.method, template, extra=fields)
        if recording.is_on():
            work.name = f"{visit.method} {template}"
            work.end_ns = work.start_ns + int(seconds * 1e9)
            work.attributes.update(
                {
                    "http.request.method": visit.method,
                    "http.route": template,
                    "http.response.status_code": visit.status,
                    "url.scheme": scope["scheme"],
                    "url.path": visit.path,
                }
            )
            if visit.status >= 500 or visit.status == NO_ANSWER:
                work.error = work.error or f"http {visit.status:03d}"
                work.attributes.setdefault("error.type", f"{visit.status:03d}")
            recording.record(work)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("latin-1")


def _deadline(raw: bytes | None) -> float | None:
    """X-Timeout-Ms is relative, so clocks need not agree. A value that is not valid is no limit."""
    if raw is None or not raw.isdigit() or len(raw) > 9:
        return None
    return time.monotonic() + int(raw) / 1000


def _marked(send: Send, visit: Visit, work: Span) -> Send:
    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            visit.status = message["status"]
            trace_id = work.trace_id.encode()
            message["headers"] = [*message["headers"], (b"x-trace-id", trace_id)]
        # The caller has left, which is not an error; uvicorn drops the bytes.
        with contextlib.suppress(ConnectionError):
            await send(message)

    return send_marked


def _capped(receive: Receive, limit: int) -> Receive:
    """The framework limits only what it reads itself; a gremlin reads the body before it."""
    size = 0

    async def receive_capped() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise Problem(413, "too-large", f"A body has at most {limit} bytes")
        return message

    return receive_capped


def _bounded(receive: Receive, timeout_s: float) -> Receive:
    """The whole body has `timeout_s`: a deadline on each piece would let a trickle go on."""
    complete = False
    until = asyncio.get_running_loop().time() + timeout_s

    async def receive_bounded() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            complete = True
            raise Problem(
                408,
                "request-timeout",
                f"The body did not arrive within {timeout_s:g} s",
                retryable=True,
            ) from None
        complete = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            # The framework would report it as an error of ours.
            raise Problem(400, "body-incomplete", "The connection closed before the body's end")
        return message

    return receive_bounded
