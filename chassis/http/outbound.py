"""One call to another service: a total deadline, a bulkhead, and what one may conclude."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import aiohttp
import msgspec

from chassis.settings import Settings
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, remaining_s

# Answers of the shop are a few hundred bytes (a page of orders under 100 KiB); more is a fault.
_LARGEST_ANSWER = 1 << 20


class Outcome(Enum):
    """PROTOCOL: what a caller may conclude. NOT_SENT and DEFINITE_NO alone exclude an effect."""

    OK = "ok"
    DEFINITE_NO = "definite-no"
    IN_PROGRESS = "in-progress"
    NOT_SENT = "not-sent"
    UNKNOWN = "unknown"


class Answer(msgspec.Struct, frozen=True):
    """What came back. `code` is the problem's code; `status` is 0 where there was no answer."""

    outcome: Outcome
    status: int = 0
    code: str = ""
    body: bytes = b""
    trace_id: str = ""


class Peer:
    """A service we call. Each peer has its own connections, so one slow peer cannot use them up."""

    def __init__(
        self,
        name: str,
        base_url: str,
        settings: Settings,
        *,
        connections: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._connections = connections or settings.peer_connections
        self._places = asyncio.Semaphore(self._connections)
        self._wait_s = settings.peer_wait_s
        self._deadline_s = settings.peer_deadline_s
        self._headers = headers or {}
        self._session: aiohttp.ClientSession | None = None
        # When the peer last failed to answer; 0.0 while it answers. The reconciler watches it.
        self.failing_since = 0.0
        self.recoveries = 0

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._connections,
                # Shorter than the server's 75 s: we never write to a connection it is closing.
                keepalive_timeout=15.0,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        route: str = "",
        deadline_s: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call and classify; never raises for trouble on the wire. `route` is the path template.

        `deadline_s` is the total time allowed, connection and body included; what is left of
        our own caller's time shortens it."""
        budget_s = self._deadline_s if deadline_s is None else deadline_s
        if (left_s := remaining_s()) is not None:
            budget_s = min(budget_s, left_s)
        if not recording.is_on():
            answer = await self._bounded(method, path, json, budget_s, headers or {})
        else:
            with recording.span(f"{method} {route or path}", CLIENT) as work:
                sent = {"traceparent": work.traceparent, **(headers or {})}
                answer = await self._bounded(method, path, json, budget_s, sent)
                work.attributes.update(
                    {
                        "http.request.method": method,
                        "server.address": self.name,
                        "url.full": self._base_url + path,
                        "valerix.outcome": answer.outcome.value,
                    }
                )
                if answer.status:
                    work.attributes["http.response.status_code"] = answer.status
                if answer.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
                    work.error = work.attributes["error.type"] = answer.code
        self._observe(answer)
        return answer

    def _observe(self, answer: Answer) -> None:
        if answer.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
            self.failing_since = self.failing_since or time.monotonic()
        elif self.failing_since:
            self.failing_since = 0.0
            self.recoveries += 1

    async def _bounded(
        self, method: str, path: str, json: object, budget_s: float, headers: dict[str, str]
    ) -> Answer:
        if budget_s <= 0:
            return Answer(Outcome.NOT_SENT, code="no-time-left")
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._places.acquire(), min(self._wait_s, budget_s))
        except TimeoutError:
            return Answer(Outcome.NOT_SENT, code="bulkhead-full")
        try:
            left_s = budget_s - (time.monotonic() - started)
            sent = {**self._headers, **headers, "X-Timeout-Ms": str(max(1, int(left_s * 1000)))}
            # aiohttp's own timeouts are per operation; only this one holds against a trickle.
            async with asyncio.timeout(left_s):
                return await self._send(method, path, json, sent)
        except TimeoutError:
            return Answer(Outcome.UNKNOWN, code="timeout")
        except aiohttp.ClientConnectorError:
            return Answer(Outcome.NOT_SENT, code="connect-failed")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(Outcome.UNKNOWN, code=type(error).__name__)
        finally:
            self._places.release()

    async def _send(self, method: str, path: str, json: object, headers: dict[str, str]) -> Answer:
        data = None
        if json is not None:
            data = msgspec.json.encode(json)
            headers["Content-Type"] = "application/json"
        async with self._opened().request(
            method, self._base_url + path, data=data, headers=headers, allow_redirects=False
        ) as response:
            body = await response.content.read(_LARGEST_ANSWER)
            while not response.content.at_eof():
                more = await response.content.read(_LARGEST_ANSWER)
                body += more
                if len(body) > _LARGEST_ANSWER:
                    return Answer(Outcome.UNKNOWN, response.status, code="answer-too-large")
            shed = response.headers.get("X-Valerix-Executed") == "no"
            trace_id = response.headers.get("X-Trace-Id", "")
            return classify(response.status, body, shed=shed, trace_id=trace_id)


def peer_probe(peer: Peer, deadline_s: float) -> Callable[[], Awaitable[str]]:
    """For health: whether the other service answers its own health check in time."""

    async def probe() -> str:
        answer = await peer.call("GET", "/health", route="/health", deadline_s=deadline_s)
        return "reachable" if answer.outcome is Outcome.OK else f"unreachable ({answer.code})"

    return probe


def classify(status: int, body: bytes, *, shed: bool = False, trace_id: str = "") -> Answer:
    """PROTOCOL, "Outcomes": the class of an HTTP answer."""
    if 200 <= status < 300:
        return Answer(Outcome.OK, status, body=body, trace_id=trace_id)
    code = _problem_code(body)
    if status in (503, 429):
        outcome = Outcome.NOT_SENT if shed else Outcome.UNKNOWN
    elif status == 409 and code in ("in-progress", "idempotency-in-progress"):
        outcome = Outcome.IN_PROGRESS
    elif 400 <= status < 500 and status != 408:
        outcome = Outcome.DEFINITE_NO
    else:
        outcome = Outcome.UNKNOWN
    return Answer(outcome, status, code=code or f"http-{status}", body=body, trace_id=trace_id)


class _ProblemCode(msgspec.Struct):
    code: str = ""


_PROBLEM = msgspec.json.Decoder(_ProblemCode)


def _problem_code(body: bytes) -> str:
    try:
        return _PROBLEM.decode(body).code
    except msgspec.MsgspecError:
        return ""


def decode(answer: Answer, shape: Any) -> Any:
    """The body as `shape`, or None when it breaks the contract (to be treated as UNKNOWN)."""
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError:
        return None
