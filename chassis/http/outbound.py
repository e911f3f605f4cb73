"""One call to another service over HTTP: a total deadline, a bulkhead, connections kept open."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from chassis.contracts.checks import hand_over, is_contract, takes_turn
from chassis.database.pool import DatabaseTrouble
from chassis.http.shop_identity import REFUSALS, SHOP_PATH, ShopIdentity
from chassis.outcome import CallResult, Failure, Outcome, failed, outcome_of_http
from chassis.settings import Settings
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, remaining_s

logger = logging.getLogger(__name__)

# Responses are a few hundred bytes (a page of orders under 100 KiB); more is a fault.
_LARGEST_BODY = 1 << 20


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
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._connections = connections or settings.peer_connections
        self._places = asyncio.Semaphore(self._connections)
        self._wait_s = settings.peer_wait_s
        self._deadline_s = settings.peer_deadline_s
        self._headers = headers or {}
        # Who looks names up, where not every address they lead to may be asked.
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        # When the peer last failed to answer; 0.0 while it answers. The reconciler watches it.
        self.failing_since = 0.0
        self.recoveries = 0
        # Set by a process that calls another of the same shop.
        self.identity: ShopIdentity | None = None

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
                resolver=self._resolver() if self._resolver else None,
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
    ) -> CallResult:
        """Call and classify; never raises for a failure of the wire. `route` is the path template.

        `deadline_s` is the total time allowed, connection and body included; what is left of
        our own caller's time shortens it."""
        budget_s = self._deadline_s if deadline_s is None else deadline_s
        if (left_s := remaining_s()) is not None:
            budget_s = min(budget_s, left_s)
        if not recording.is_on():
            result = await self._bounded(method, path, json, budget_s, headers or {})
        else:
            with recording.span(self._span_name(method, path, route), CLIENT) as work:
                sent = {**work.headers, **(headers or {})}
                result = await self._bounded(method, path, json, budget_s, sent)
                work.attributes.update(self._describe(method, path, result))
                if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
                    work.error = work.attributes["error.type"] = result.code
        self._observe(result)
        return result

    def _span_name(self, method: str, path: str, route: str) -> str:
        return f"{method} {route or path}"

    def _describe(self, method: str, path: str, result: CallResult) -> dict[str, object]:
        """What the call's span says of it."""
        attributes: dict[str, object] = {
            "http.request.method": method,
            "server.address": self.name,
            "url.full": self._base_url + path,
            "valerix.outcome": result.outcome.value,
        }
        if result.status:
            attributes["http.response.status_code"] = result.status
        return attributes

    def _observe(self, result: CallResult) -> None:
        if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
            if result.code in REFUSALS and not self.failing_since:
                logger.error("%s at %s refuses this process: %s", self.name, self._base_url,
                             REFUSALS[result.code])  # fmt: skip
            self.failing_since = self.failing_since or time.monotonic()
        elif self.failing_since:
            self.failing_since = 0.0
            self.recoveries += 1

    async def _bounded(
        self, method: str, path: str, json: object, budget_s: float, headers: dict[str, str]
    ) -> CallResult:
        if budget_s <= 0:
            return failed(Failure.NO_TIME_LEFT)
        started = time.monotonic()
        try:
            async with asyncio.timeout(min(self._wait_s, budget_s)):
                await self._places.acquire()
        except TimeoutError:
            return failed(Failure.BULKHEAD_FULL)
        until = started + budget_s
        try:
            # aiohttp's own timeouts are per operation; only this one holds against a trickle.
            async with asyncio.timeout(until - time.monotonic()):
                ours = {} if self.identity is None else await self.identity.headers()
                left_ms = max(1, int((until - time.monotonic()) * 1000))
                sent = {**self._headers, **ours, **headers, "X-Timeout-Ms": str(left_ms)}
                return await self._send(method, path, json, sent)
        except DatabaseTrouble:
            return failed(Failure.CONNECT_FAILED, code="shop-unknown")
        except TimeoutError:
            return failed(Failure.TIMEOUT)
        except aiohttp.ClientConnectorError:
            return failed(Failure.CONNECT_FAILED)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(Failure.BROKEN, code=type(error).__name__)
        finally:
            self._places.release()

    async def _send(
        self, method: str, path: str, json: object, headers: dict[str, str]
    ) -> CallResult:
        data = None
        if json is not None:
            data = msgspec.json.encode(json)
            headers["Content-Type"] = "application/json"
        async with self._opened().request(
            method, self._base_url + path, data=data, headers=headers, allow_redirects=False
        ) as response:
            body = await response.content.read(_LARGEST_BODY)
            while not response.content.at_eof():
                more = await response.content.read(_LARGEST_BODY)
                body += more
                if len(body) > _LARGEST_BODY:
                    return failed(Failure.TOO_LARGE, status=response.status)
            return classify(
                response.status,
                body,
                not_executed=response.headers.get("X-Valerix-Executed") == "no",
                trace_id=response.headers.get("X-Trace-Id", ""),
                retry_after=response.headers.get("Retry-After", ""),
            )


def peer_probe(peer: Peer, as_shop: Peer, deadline_s: float) -> Callable[[], Awaitable[str]]:
    """For health: whether the other service answers its own health check in time, and does not
    refuse us, who ask it `as_shop`."""

    async def probe() -> str:
        result, ours = await asyncio.gather(
            peer.call("GET", "/health", route="/health", deadline_s=deadline_s),
            as_shop.call("GET", SHOP_PATH, route=SHOP_PATH, deadline_s=deadline_s),
        )
        if result.outcome is not Outcome.OK:
            return f"unreachable ({result.code})"
        return REFUSALS.get(ours.code, "reachable")

    return probe


def same_shop_probe(peer: Peer, deadline_s: float) -> Callable[[], Awaitable[str]]:
    """For readiness: not ready while the other service says that it is another shop's, or refuses
    our credential. One that does not answer says neither."""

    async def probe() -> str:
        result = await peer.call("GET", SHOP_PATH, route=SHOP_PATH, deadline_s=deadline_s)
        return REFUSALS.get(result.code, "of this shop, as far as it answers")

    return probe


def classify(
    status: int,
    body: bytes,
    *,
    not_executed: bool = False,
    trace_id: str = "",
    retry_after: str = "",
) -> CallResult:
    """What an HTTP response means to the caller; a refusal carries its problem's code."""
    code = "" if 200 <= status < 300 else _problem_code(body) or f"http-{status}"
    outcome = outcome_of_http(status, code, not_executed=not_executed)
    return CallResult(
        outcome, status, code=code, body=body, trace_id=trace_id, retry_after=retry_after
    )


class _ProblemCode(msgspec.Struct):
    code: str = ""


_PROBLEM = msgspec.json.Decoder(_ProblemCode)


def _problem_code(body: bytes) -> str:
    try:
        return _PROBLEM.decode(body).code
    except msgspec.MsgspecError:
        return ""


def decode(result: CallResult, shape: Any) -> Any:
    """The body as `shape`, or None when it breaks the contract (to be treated as UNKNOWN)."""
    if is_contract(shape) and takes_turn():
        hand_over(shape, "received", result.body)
    try:
        return msgspec.json.decode(result.body, type=shape)
    except msgspec.MsgspecError:
        return None
