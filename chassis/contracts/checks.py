"""Checks sampled messages in the background: a request hands a copy over and never waits.

What is wrong is counted, and written as a line of log with a masked example; the lines are what a
report is made of. A full queue drops and counts."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.contracts.schema import Violation, contract_of
from chassis.settings import Settings
from chassis.telemetry.context import current_trace_id

logger = logging.getLogger(__name__)

Direction = Literal["received", "sent"]
# Part of the line's message, by which lines are found again.
BREAKS = "breaks its contract"
# A second of large messages. One is at most as long as a request's body may be.
_MOST_BYTES, LARGEST = 1 << 20, 1 << 16
_GATHER_S = 0.25
# The first is written at once; of the same again one line in this time, with how many there were.
_WRITE_EVERY_S = 10.0
# Each is a field of a schema; more than these at once are counted by the metric alone.
_MOST_KEPT = 500


class Message(msgspec.Struct, frozen=True):
    """A copy of a message, the wire struct that it should be, and the trace it belongs to."""

    shape: type
    direction: Direction
    body: bytes
    trace_id: str | None


class _Seen(msgspec.Struct):
    """The same violation, again and again: the newest example, and how often it came since the last
    line, from `since` on."""

    violation: Violation
    trace_id: str | None
    since: datetime
    unwritten: int = 0
    written_at: float = float("-inf")


class ContractChecks:
    """The queue and what was found. `per_s` exchanges a second are checked, in bursts of as many;
    `clock` is monotonic seconds."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._turns, self._turns_at = per_s, clock()
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._handed_over = asyncio.Event()
        self._seen: dict[tuple[str, str, str, Direction], _Seen] = {}
        self.dropped = 0

    def takes_turn(self) -> bool:
        """Whether one more exchange may be checked now; if so it counts."""
        now = self._clock()
        self._turns = min(self._per_s, self._turns + (now - self._turns_at) * self._per_s)
        self._turns_at = now
        if self._turns < 1:
            return False
        self._turns -= 1
        return True

    def hand_over(
        self, shape: type, direction: Direction, body: bytes, trace_id: str | None = None
    ) -> None:
        """Queue a message; never waits, never raises. It belongs to the trace of the moment, if to
        no other."""
        if len(body) > LARGEST or self._queued_bytes + len(body) > _MOST_BYTES:
            self.dropped += 1
            return
        self._queued_bytes += len(body)
        self._queue.append(Message(shape, direction, body, trace_id or current_trace_id()))
        self._handed_over.set()

    async def run(self, count: Callable[[str], None]) -> None:
        """Check what comes until cancelled; `count` is given the schema of each violation."""
        await asyncio.to_thread(import_module, "jsonschema_rs")
        try:
            while True:
                while self._queue:
                    self.check_next(count)
                    # One message at a time: whoever is served meanwhile does not wait for the rest.
                    await asyncio.sleep(0)
                self.write()
                is_left = any(seen.unwritten for seen in self._seen.values())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WRITE_EVERY_S if is_left else None):
                        await self._handed_over.wait()
                # Rest, so that a busy service checks a few at once and not one after each request.
                await asyncio.sleep(_GATHER_S)
                self._handed_over.clear()
        finally:
            self.write(everything=True)

    def check_next(self, count: Callable[[str], None]) -> None:
        """Check the oldest message."""
        message = self._queue.popleft()
        self._queued_bytes -= len(message.body)
        contract = contract_of(message.shape)
        for violation in contract.violations(message.body):
            count(contract.name)
            self._note(contract.name, message, violation)

    def _note(self, schema: str, message: Message, violation: Violation) -> None:
        key = schema, violation.field, violation.rule, message.direction
        now = datetime.now(UTC)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= _MOST_KEPT:
                return
            seen = self._seen[key] = _Seen(violation, message.trace_id, now)
        if not seen.unwritten:
            seen.since = now
        seen.violation, seen.trace_id = violation, message.trace_id
        seen.unwritten += 1

    def write(self, *, everything: bool = False) -> None:
        """Write a line for what was seen, the first at once; `everything` before the end."""
        now = self._clock()
        for (schema, _, _, direction), seen in self._seen.items():
            if seen.unwritten and (everything or now - seen.written_at >= _WRITE_EVERY_S):
                logger.warning(
                    "%s %s",
                    schema,
                    BREAKS,
                    extra={
                        "schema": schema,
                        "direction": direction,
                        **msgspec.structs.asdict(seen.violation),
                        "count": seen.unwritten,
                        "since": seen.since.isoformat(),
                        **({"trace_id": seen.trace_id} if seen.trace_id else {}),
                    },
                )
                seen.unwritten, seen.written_at = 0, now


class ContractMetrics:
    """What was found and what was not looked at, for Prometheus."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._service = service
        self._violations = Counter(
            "valerix_contract_violations",
            "Places where a checked message breaks the schema of its contract.",
            ("service", "schema"),
            registry=registry,
        )
        Gauge(
            "valerix_contract_messages_dropped",
            "Messages that were to be checked and were not: too many waited, or it was too long.",
            ("service",),
            registry=registry,
        ).labels(service).set_function(lambda: 0 if _checks is None else _checks.dropped)

    def count(self, schema: str) -> None:
        """One violation."""
        self._violations.labels(self._service, schema).inc()

    async def run(self) -> None:
        """Check until cancelled; returns at once where nothing is to be checked."""
        if _checks is not None:
            await _checks.run(self.count)


_checks: ContractChecks | None = None


def start(settings: Settings) -> None:
    """Begin to take messages. Called once by `valerix run`, never by create_app."""
    global _checks
    per_s = settings.contract_checks_per_s
    _checks = ContractChecks(per_s) if per_s else None


def takes_turn() -> bool:
    """Whether an exchange is to be checked now."""
    return _checks is not None and _checks.takes_turn()


def is_on() -> bool:
    """Whether messages are checked at all."""
    return _checks is not None


def hand_over(shape: type, direction: Direction, body: bytes, trace_id: str | None = None) -> None:
    """Queue a copy of a message, which has had its turn or is always checked."""
    if _checks is not None:
        _checks.hand_over(shape, direction, body, trace_id)


def is_contract(shape: Any) -> bool:
    """Whether a type is a contract: a struct, and not only a reader's own view of one."""
    is_struct = isinstance(shape, type) and issubclass(shape, msgspec.Struct)
    return is_struct and not shape.__name__.startswith("_")
