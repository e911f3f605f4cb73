"""What the code below the edge may know of its request: the trace and the deadline."""

import os
import random
import re
import time
from contextvars import ContextVar

import msgspec


class Span(msgspec.Struct):
    """One unit of work in a trace. Times are nanoseconds since the epoch; ids are hex."""

    trace_id: str
    span_id: str
    name: str
    kind: int
    parent_id: str = ""
    start_ns: int = 0
    end_ns: int = 0
    attributes: dict[str, object] = msgspec.field(default_factory=dict)
    events: list[tuple[int, str, dict[str, object]]] = msgspec.field(default_factory=list)
    links: list[tuple[str, str]] = msgspec.field(default_factory=list)
    error: str = ""
    sampled: bool = True
    # What other tracing systems handed down with the trace; passed on as it came.
    tracestate: str = ""

    @property
    def traceparent(self) -> str:
        """The W3C header that makes this span the parent of another process's span."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    @property
    def headers(self) -> dict[str, str]:
        """The W3C headers of a call that is made in this span."""
        if not self.tracestate:
            return {"traceparent": self.traceparent}
        return {"traceparent": self.traceparent, "tracestate": self.tracestate}


INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5

# Version, trace id, span id, flags, and what a later version than 00 may add. "ff" is no version.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.DOTALL,
)
_TRACEPARENT_SIZE = 128
# One entry of a tracestate: a key, of one system or of a tenant of it, and an opaque value.
_ENTRY = re.compile(
    r"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_ENTRIES, _LONG_ENTRY, _TRACESTATE_SIZE = 32, 128, 512

span_now: ContextVar[Span | None] = ContextVar("span_now", default=None)
# Monotonic seconds after which the caller has given up (from its X-Timeout-Ms).
deadline_now: ContextVar[float | None] = ContextVar("deadline_now", default=None)


# Seeded by the system once a process, a forked one too, or both would give the same ids. An id is
# no secret, and asking the system for each of an order's twenty-three costs a quarter of a
# millisecond.
_ids = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_ids.seed)


def new_trace_id() -> str:
    """32 hex digits, never all zero."""
    return f"{_ids.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """16 hex digits, never all zero."""
    return f"{_ids.getrandbits(64) or 1:016x}"


def current_traceparent() -> str | None:
    """The traceparent of the work in hand, to be stored or sent on."""
    span = span_now.get()
    return span.traceparent if span else None


def current_trace_id() -> str | None:
    """The trace id of the work in hand, for logs and answers."""
    span = span_now.get()
    return span.trace_id if span else None


def parse_traceparent(header: str | None) -> tuple[str, str, bool] | None:
    """(trace id, parent span id, sampled) of a W3C traceparent; None if it is not one.

    Source: W3C Trace Context level 2, section 3.2. Anything malformed is ignored, never echoed."""
    if header is None or len(header) > _TRACEPARENT_SIZE:
        return None
    found = _TRACEPARENT.fullmatch(header)
    if found is None or (found[1] == "00" and found[5] is not None):
        return None
    return found[2], found[3], bool(int(found[4], 16) & 1)


def parse_tracestate(header: str | None) -> str:
    """A W3C tracestate in its shortest form; empty if it is not one.

    Source: W3C Trace Context level 2, section 3.3. Where it is longer than 512 characters, long
    entries go first, then those at the end (3.3.1.5): our own calls keep to a peer's bounds."""
    entries = [entry for part in (header or "").split(",") if (entry := part.strip(" \t"))]
    found = [_ENTRY.fullmatch(entry) for entry in entries]
    keys = {entry[1] for entry in found if entry}
    if len(keys) < len(entries) or len(entries) > _MOST_ENTRIES:
        return ""
    if len(",".join(entries)) > _TRACESTATE_SIZE:
        entries = [entry for entry in entries if len(entry) <= _LONG_ENTRY]
    while len(",".join(entries)) > _TRACESTATE_SIZE:
        entries.pop()
    return ",".join(entries)


def remaining_s() -> float | None:
    """Seconds until the caller gives up; None when it set no limit."""
    deadline = deadline_now.get()
    return None if deadline is None else deadline - time.monotonic()
