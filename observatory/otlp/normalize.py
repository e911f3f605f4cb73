"""Makes the stored span or line from its fields, however they were encoded."""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from observatory import limits
from observatory.limits import Clipper
from observatory.store.model import Event, Link, Pairs, StoredLine, StoredSpan

Plain = object
_UNKNOWN = "unknown_service"
# The lowest number of each of OpenTelemetry's six levels, and Python's name for it.
LEVELS = ((21, "CRITICAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (5, "DEBUG"), (1, "TRACE"))


class Malformed(Exception):
    """A request, span or line that cannot be read; the message says why, without quoting it."""


class Resource(msgspec.Struct, frozen=True):
    """Who sent it."""

    service: str = _UNKNOWN
    instance: str = ""


class Normalizer:
    """Makes the records of one request; `now_ns` is when it arrived. Times more than `behind_ns`
    before that are taken for those of a broken clock."""

    def __init__(self, now_ns: int, behind_ns: int = limits.BEHIND_NS) -> None:
        self._now_ns = now_ns
        self._earliest_ns, self._latest_ns = now_ns - behind_ns, now_ns + limits.AHEAD_NS
        self.clipper = Clipper()
        self.adjusted = 0

    def resource(self, attributes: Iterable[tuple[str, Plain]]) -> Resource:
        """The sender, from its resource attributes."""
        found = dict(islice(attributes, 4 * limits.ATTRIBUTES))
        name = text_of(found.get("service.name", "")).strip() or _UNKNOWN
        instance = text_of(found.get("service.instance.id", ""))
        return Resource(self.clipper.line(name, 64), self.clipper.line(instance, 100))

    def pairs(self, attributes: Iterable[tuple[str, Plain]], found: int) -> Pairs:
        """Attributes as text, a bounded number of them; `found` is how many there are."""
        clip = self.clipper
        clip.count(found, limits.ATTRIBUTES)
        return tuple(
            (clip.line(key, limits.KEY_CHARS), clip.lines(text_of(value)))
            for key, value in islice(attributes, limits.ATTRIBUTES)
        )

    def span(
        self,
        resource: Resource,
        *,
        ids: tuple[str, str, str],
        name: str,
        kind: int,
        times: tuple[int, int],
        status: tuple[int, str],
        attributes: Pairs,
        events: Sequence[tuple[int, str, Pairs]] = (),
        links: Iterable[tuple[str, str]] = (),
    ) -> StoredSpan:
        """A span; `ids` are trace, span and parent, `status` is OpenTelemetry's code and text."""
        trace_id, span_id, parent_id = ids
        if not is_id(trace_id, 32) or not is_id(span_id, 16):
            raise Malformed("a span needs a trace id of 16 bytes and a span id of 8")
        if parent_id and not is_id(parent_id, 16):
            raise Malformed("a parent span id has 8 bytes")
        start_ns, end_ns, marks = self._times(*times)
        clip = self.clipper
        return StoredSpan(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            service=resource.service,
            instance=resource.instance,
            name=clip.line(name) or "unnamed",
            kind=kind if 0 < kind < 6 else 1,
            start_ns=start_ns,
            end_ns=end_ns,
            failed=status[0] == 2,
            error=clip.line(status[1], limits.MESSAGE_CHARS) if status[0] == 2 else "",
            attributes=attributes,
            events=tuple(
                [
                    Event(min(max(at, start_ns), end_ns), clip.line(what) or "event", pairs)
                    for at, what, pairs in events
                ]
            ),
            links=tuple([Link(*link) for link in links if is_id(link[0], 32)]),
            marks=marks,
        )

    def line(
        self,
        resource: Resource,
        *,
        ids: tuple[str, str],
        at_ns: int,
        severity: int,
        message: str,
        attributes: Pairs,
    ) -> StoredLine:
        """A line of log; `ids` are trace and span. A line is kept without an invalid reference."""
        in_trace = is_id(ids[0], 32)
        severity = severity if 0 < severity <= 24 else 9
        at_ns = at_ns or self._now_ns
        at_ns, _, _ = self._times(at_ns, at_ns)
        return StoredLine(
            at_ns=at_ns,
            severity=severity,
            level=level_of(severity),
            service=resource.service,
            message=self.clipper.line(message, limits.MESSAGE_CHARS),
            trace_id=ids[0] if in_trace else "",
            span_id=ids[1] if in_trace and is_id(ids[1], 16) else "",
            attributes=attributes,
        )

    def _times(self, start_ns: int, end_ns: int) -> tuple[int, int, tuple[str, ...]]:
        marks: tuple[str, ...] = ()
        latest = self._latest_ns
        if not self._earliest_ns <= start_ns <= latest:
            length_ns = min(max(0, end_ns - start_ns), limits.AHEAD_NS)
            start_ns, end_ns = self._now_ns - length_ns, self._now_ns
            marks = ("its clock was wrong, so it is shown at its arrival",)
        if end_ns > latest:
            end_ns, marks = max(start_ns, self._now_ns), (*marks, "ended in the future")
        if end_ns < start_ns:
            end_ns, marks = start_ns, (*marks, "ended before it began")
        self.adjusted += bool(marks)
        return start_ns, end_ns, marks


def level_of(severity: int) -> str:
    """OpenTelemetry's number as the name that the services log."""
    return next((name for least, name in LEVELS if severity >= least), "INFO")


def severity_of(level: str) -> int:
    """The lowest number of a level; 0 (everything) for an unknown one."""
    return next((least for least, name in LEVELS if name == level.upper()), 0)


def is_id(text: str, digits: int) -> bool:
    """Lower-case hex of this length, not all zero."""
    return len(text) == digits and not text.strip("0123456789abcdef") and text != "0" * digits


def text_of(value: Plain) -> str:
    """An attribute's value as text; lists and maps as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return value[: limits.VALUE_CHARS].hex()
    return "" if value is None else msgspec.json.encode(value, enc_hook=str).decode()
