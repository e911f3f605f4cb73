"""Receives OTLP from any sender: bounded in size, time and number, decoded in a thread."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from chassis.http.app import as_problem
from chassis.http.problems import Problem
from observatory import limits
from observatory.otlp.allowed_senders import AllowedSenders
from observatory.otlp.normalize import Malformed, Normalizer
from observatory.otlp.packing import ACCEPTED, unpack
from observatory.otlp.pieces import TooLarge
from observatory.otlp.request import JSON, PROTOBUF, Batch, Signal, accepted, refused, turns
from observatory.store.store import TelemetryStore

logger = logging.getLogger(__name__)

# Storing one item takes some 20 microseconds: after this many, pages get their turn.
_ITEMS_AT_A_TIME = 50
_READ = object()
_RETRY = {"Retry-After": "1"}


class Receiver:
    """The routes of OTLP/HTTP, and what they share with OTLP/gRPC (grpc_receiver.py): the bounds,
    and the one thread that decodes batches."""

    def __init__(
        self,
        store: TelemetryStore,
        *,
        senders: AllowedSenders | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._senders = senders
        self._clock = clock
        # One: two would not be faster under one interpreter lock, only take more memory.
        self._thread = ThreadPoolExecutor(1, "otlp-decode")
        self._places, self._bytes = limits.REQUESTS_AT_ONCE, limits.BODIES_BYTES
        # Of the large requests, one is decoded at a time.
        self._one = asyncio.Lock()

    def routes(self) -> list[HTTPRouteHandler]:
        """The routes to add to the app."""
        route: dict[str, Any] = {**_ROUTE, "exception_handlers": {Exception: self._refuse}}

        @post("/v1/traces", **route)
        async def receive_traces(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await self._receive(request, "traces")

        @post("/v1/logs", **route)
        async def receive_logs(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await self._receive(request, "logs")

        @post("/v1/metrics", **route)
        async def receive_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await self._receive(request, "metrics")

        return [receive_traces, receive_logs, receive_metrics]

    async def close(self) -> None:
        """Stop receiving; what is being decoded is discarded."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _receive(self, request: Request[Any, Any, Any], signal: Signal) -> Response[bytes]:
        self.demand_right(request.headers, request.client.host if request.client else "")
        media_type, encoding = _media_type(request), _encoding(request)
        with self.place() as body:
            await self._fill(body, request)
            response = await self.receive(signal, bytes(body), media_type, encoding)
        return Response(response, status_code=200, media_type=media_type)

    def demand_right(self, headers: Mapping[str, str], address: str) -> None:
        """Raises `Problem` where this sender may not send; without `senders`, everybody may."""
        if self._senders is not None:
            self._senders.demand(headers, address)

    @contextmanager
    def place(self) -> Iterator[bytearray]:
        """A place for one request, and its body to be filled by `add`; raises `Problem` (503)."""
        if self._places == 0:
            raise _overloaded()
        self._places -= 1
        body = bytearray()
        try:
            yield body
        finally:
            self._places += 1
            self._give_back(len(body))

    def add(self, body: bytearray, part: bytes) -> None:
        """Add to the body of a place, as long as there is memory for it; raises `Problem` (503)."""
        self._take(len(part))
        body += part

    async def receive(self, signal: Signal, body: bytes, media_type: str, encoding: str) -> bytes:
        """Decode a request and keep what it contains; the response. Raises `Problem`."""
        with ExitStack() as memory:
            try:
                if encoding:
                    body = await self._in_thread(unpack, body, encoding)
                    self._take(len(body))
                    memory.callback(self._give_back, len(body))
                async with self._one if len(body) > limits.LARGE_BYTES else nullcontext():
                    batch = await self._decode(signal, body, media_type)
                    await self._keep(batch)
            except Malformed as malformed:
                raise Problem(400, "malformed", str(malformed)) from None
            except TooLarge as large:
                raise Problem(413, "too-large", str(large)) from None
        self._store.changed(signal)
        return accepted(signal, media_type, batch.rejected, batch.reason)

    def _take(self, size: int) -> None:
        if size > self._bytes:
            raise _overloaded()
        self._bytes -= size

    def _give_back(self, size: int) -> None:
        self._bytes += size

    def note_refusal(self, error: Exception) -> Problem:
        """Count a request that was refused, and log what is a fault of ours."""
        problem = as_problem(error)
        self._store.losses.refused_requests += 1
        if problem.status >= 500 and problem.status != 503:
            logger.error("receiving telemetry failed", exc_info=error)
        return problem

    async def _fill(self, body: bytearray, request: Request[Any, Any, Any]) -> None:
        try:
            async with asyncio.timeout(limits.BODY_S):
                async for part in request.stream():
                    self.add(body, part)
        except TimeoutError:
            raise late_body() from None

    async def _decode(self, signal: Signal, body: bytes, media_type: str) -> Batch:
        batch = Batch()
        parts = turns(batch, signal, body, media_type, Normalizer(self._clock()))
        # The thread takes what is queued in order, so requests take turns.
        while await self._in_thread(next, parts, _READ) is not _READ:
            pass
        return batch

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _keep(self, batch: Batch) -> None:
        self._store.count(batch)
        for number, (span, packed) in enumerate(batch.spans, 1):
            self._store.keep_span(span, packed)
            self._store.seen(span)
            if number % _ITEMS_AT_A_TIME == 0:
                await asyncio.sleep(0)
        self._store.metrics.add(batch.points)
        for number, (line, packed) in enumerate(batch.lines, 1):
            self._store.keep_line(line, packed)
            if number % _ITEMS_AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _refuse(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Every refusal as OTLP requires it: google.rpc.Status, in the sender's own encoding."""
        problem = self.note_refusal(error)
        sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        # A sender of neither gets the one that a person can read.
        media_type = PROTOBUF if sent == PROTOBUF else JSON
        return Response(
            refused(problem.status, media_type, problem.detail),
            status_code=problem.status,
            media_type=media_type,
            headers=problem.headers,
        )


def _media_type(request: Request[Any, Any, Any]) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON, PROTOBUF):
        raise Problem(415, "unsupported-media-type", f"Send {PROTOBUF} or {JSON}")
    return media_type


def _encoding(request: Request[Any, Any, Any]) -> str:
    """How the body is packed; empty for not at all."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return ""
    if encoding not in ACCEPTED:
        raise Problem(
            415,
            "unsupported-encoding",
            f"{encoding[:40]} is not accepted: send it with gzip or deflate, or uncompressed",
            headers={"Accept-Encoding": ", ".join(ACCEPTED)},
        )
    return encoding


def late_body() -> Problem:
    """A sender too slow for its place."""
    return Problem(408, "request-timeout", "The body did not arrive in time")


def _overloaded() -> Problem:
    return Problem(503, "overloaded", "Too much telemetry at once", headers=_RETRY)


_ROUTE: dict[str, Any] = {
    "status_code": 200,
    "request_max_body_size": limits.BODY_BYTES,
    # OTLP is a standard of its own and does not belong on the shop's API page.
    "include_in_schema": False,
}
