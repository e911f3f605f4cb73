"""Makes the stored span or line from its fields, however they were encoded."""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from observatory import limits
from observatory.limits import Clipper
from observatory.store.model import Event, Link, Pairs, StoredLine, StoredSpan

Plain = object
_UNKNOWN = "unknown_service"
_NO_PARENT = "0" * 16
# What a span has fields for.
_OF_RESOURCE = frozenset({"service.name", "service.instance.id"})
# A span of a broken clock is shown no longer than this.
_LONGEST_NS = 60 * 10**9
# The lowest number of each of OpenTelemetry's six levels, and Python's name for it.
LEVELS = ((21, "CRITICAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (5, "DEBUG"), (1, "TRACE"))
# What other libraries call them: syslog, log4j, .NET, Go. OpenTelemetry's own may end in 2, 3 or 4.
_OTHER_NAMES = {
    **dict.fromkeys(("FATAL", "CRIT", "ALERT", "EMERG", "EMERGENCY", "PANIC"), "CRITICAL"),
    **dict.fromkeys(("ERR", "SEVERE"), "ERROR"),
    "WARN": "WARNING",
    **dict.fromkeys(("INFORMATION", "INFORMATIONAL", "NOTICE"), "INFO"),
    **dict.fromkeys(("VERBOSE", "FINEST"), "TRACE"),
    **dict.fromkeys(("FINE", "FINER"), "DEBUG"),
}


class Malformed(Exception):
    """A request, span or line that cannot be read; the message says why, without quoting it."""


class Resource(msgspec.Struct, frozen=True):
    """Who sent it."""

    service: str = _UNKNOWN
    instance: str = ""
    others: Pairs = ()


class Normalizer:
    """Makes the records of one request; `now_ns` is when it arrived. What is read from a `stored`
    copy arrived long before: no age of it is wrong or worth a word."""

    def __init__(self, now_ns: int, *, stored: bool = False) -> None:
        self._now_ns = now_ns
        self._stored = stored
        self.clipper = Clipper()
        self.adjusted = 0

    def resource(self, attributes: Iterable[tuple[str, Plain]]) -> Resource:
        """The sender, from its resource attributes."""
        found = dict(islice(attributes, 4 * limits.ATTRIBUTES))
        name = text_of(found.get("service.name", "")).strip() or _UNKNOWN
        instance = text_of(found.get("service.instance.id", ""))
        others = [pair for pair in found.items() if pair[0] not in _OF_RESOURCE]
        clip = self.clipper.line
        return Resource(clip(name, 64), clip(instance, 100), self.pairs(others, len(others)))

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
        # Some senders write a root's parent as zeros.
        parent_id = "" if parent_id == _NO_PARENT else parent_id
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
            resource=resource.others,
        )

    def line(
        self,
        resource: Resource,
        *,
        ids: tuple[str, str],
        at_ns: int,
        severity: tuple[int, str],
        message: str,
        attributes: Pairs,
        event: str = "",
    ) -> StoredLine:
        """A line of log; `ids` are trace and span, `severity` is OpenTelemetry's number and text.
        A line is kept without an invalid reference. One without a body is its event's name."""
        in_trace = is_id(ids[0], 32)
        at_ns = at_ns or self._now_ns
        at_ns, _, marks = self._times(at_ns, at_ns)
        number, own_name = _severity(*severity)
        added = (
            ("severity_text", self.clipper.line(own_name, limits.KEY_CHARS)),
            ("event.name", self.clipper.line(event) if message else ""),
            ("valerix.clock", ", ".join(marks)),
        )
        attributes = tuple([pair for pair in added if pair[1]]) + attributes
        text = message or event or "a line without a body"
        return StoredLine(
            at_ns=at_ns,
            severity=number,
            level=level_of(number),
            service=resource.service,
            message=self.clipper.line(text, limits.MESSAGE_CHARS),
            trace_id=ids[0] if in_trace else "",
            span_id=ids[1] if in_trace and is_id(ids[1], 16) else "",
            attributes=attributes,
        )

    def arrival(self, at_ns: int) -> int:
        """The time of a value that has one moment: its own, unless that cannot be."""
        return self._times(at_ns, at_ns)[0]

    def _times(self, start_ns: int, end_ns: int) -> tuple[int, int, tuple[str, ...]]:
        """Possible times, and what a reader must know of them: a sender's own time is kept wherever
        it can be true."""
        marks: tuple[str, ...] = ()
        ahead_ns, now_ns = start_ns - self._now_ns, self._now_ns
        if start_ns <= 0 or ahead_ns > limits.WRONG_NS or self._is_too_old(ahead_ns):
            length_ns = min(max(0, end_ns - start_ns), _LONGEST_NS)
            start_ns, end_ns = now_ns - length_ns, now_ns
            marks = ("its clock was wrong, so it is shown at its arrival",)
        elif ahead_ns > limits.AHEAD_NS:
            # All of it is as far ahead as its beginning.
            marks, now_ns = (f"its clock was {_about(ahead_ns)} ahead",), start_ns
        if end_ns > now_ns + limits.AHEAD_NS:
            end_ns, marks = max(start_ns, now_ns), (*marks, "ended in the future")
        if end_ns < start_ns:
            end_ns, marks = start_ns, (*marks, "ended before it began")
        self.adjusted += bool(marks)
        if not marks and not self._stored and -ahead_ns > limits.LATE_NS:
            marks = (f"arrived {_about(-ahead_ns)} late",)
        return start_ns, end_ns, marks

    def _is_too_old(self, ahead_ns: int) -> bool:
        return not self._stored and -ahead_ns > limits.WRONG_NS


def _about(ns: int) -> str:
    """A length of time in the unit that shows it best."""
    for seconds, unit in ((86_400, "days"), (3_600, "hours")):
        if ns >= 2 * seconds * 10**9:
            return f"{ns / (seconds * 10**9):.0f} {unit}"
    return f"{ns / (60 * 10**9):.0f} minutes"


def _severity(number: int, text: str) -> tuple[int, str]:
    """OpenTelemetry's number, from the text where the sender gave no number; and the text itself
    where nothing here has that name."""
    if 0 < number <= 24 or not text:
        return (number if 0 < number <= 24 else 9), ""
    name = text.strip().upper()
    name = _OTHER_NAMES.get(name.rstrip("234"), name.rstrip("234"))
    known = severity_of(name)
    return (known, "") if known else (9, text)


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
