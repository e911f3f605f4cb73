"""Traces and logs, started once per process; they go to bounded queues, off the work's way."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from chassis.settings import Settings
from chassis.telemetry.context import (
    INTERNAL,
    Span,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    span_now,
)
from chassis.telemetry.exporter import Exporter

_FIELDS = "valerix_fields"
_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    _FIELDS,
}

_exporter: Exporter | None = None
_recording = True


def start(settings: Settings, *, service: str) -> None:
    """Configure logs and start the exporter. Called once by `valerix run`, never by create_app."""
    global _exporter, _recording
    _recording = settings.telemetry == "on" and bool(settings.otlp_endpoint)
    _configure_logs(settings, service)
    if _recording:
        _exporter = Exporter(
            settings.otlp_endpoint, service, settings.environment, settings.otlp_headers
        )
        _exporter.start()


def stop() -> None:
    """Flush what is queued, bounded in time; for the end of the process."""
    if _exporter is not None:
        _exporter.stop()


def dropped() -> int:
    """Spans and log lines thrown away because the collector was slow, dead or refusing."""
    return 0 if _exporter is None else _exporter.dropped


def record(span: Span) -> None:
    """Hand over a finished span, if its trace is sampled. Never blocks, never raises."""
    if _exporter is not None and span.sampled:
        _exporter.add_span(span)


def is_on() -> bool:
    """Whether spans are worth making: somebody is told of them."""
    return _recording


def begin(name: str, kind: int, traceparent: str | None = None) -> Span:
    """A started span: child of the remote parent if there is one, of the work in hand otherwise."""
    remote = parse_traceparent(traceparent)
    parent = span_now.get()
    if remote is not None:
        trace_id, parent_id, sampled = remote
    elif parent is not None:
        trace_id, parent_id, sampled = parent.trace_id, parent.span_id, parent.sampled
    else:
        trace_id, parent_id, sampled = new_trace_id(), "", True
    return Span(
        trace_id=trace_id,
        span_id=new_span_id(),
        parent_id=parent_id,
        name=name,
        kind=kind,
        start_ns=time.time_ns(),
        sampled=sampled,
    )


@contextmanager
def span(name: str, kind: int = INTERNAL, *, link: str | None = None) -> Iterator[Span]:
    """A span around a piece of work; `link` is the traceparent of the work it continues."""
    work = begin(name, kind)
    if link is not None and (linked := parse_traceparent(link)) is not None:
        work.links.append((linked[0], linked[1]))
    token = span_now.set(work)
    try:
        yield work
    except BaseException as error:
        work.error = work.error or type(error).__name__
        raise
    finally:
        span_now.reset(token)
        work.end_ns = time.time_ns()
        record(work)


class _Formatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def fields(self, entry: logging.LogRecord) -> dict[str, Any]:
        """What the entry says; worked out once, whoever asks, and not to be changed."""
        known: dict[str, Any] | None = entry.__dict__.get(_FIELDS)
        if known is None:
            known = entry.__dict__[_FIELDS] = self._read(entry)
        return known

    def _read(self, entry: logging.LogRecord) -> dict[str, Any]:
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.created))
            + f".{int(entry.msecs):03d}Z",
            "level": entry.levelname,
            "service": self._service,
            "message": entry.getMessage(),
        }
        work = span_now.get()
        if work is not None:
            line["trace_id"], line["span_id"] = work.trace_id, work.span_id
        line.update({k: v for k, v in entry.__dict__.items() if k not in _RESERVED})
        if entry.exc_info:
            line["exception"] = self.formatException(entry.exc_info)
        return line


class JsonFormatter(_Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return msgspec.json.encode(self.fields(record), enc_hook=str).decode()


class TextFormatter(_Formatter):
    """The same fields for a reader at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        line = dict(self.fields(record))
        head = [line.pop(k) for k in ("timestamp", "level", "service", "message")]
        exception = line.pop("exception", None)
        line.pop("span_id", None)
        tail = " ".join(f"{key}={_plain(value)}" for key, value in line.items())
        text = f"{head[0][11:23]} {head[1]:<7} {head[2]:<17} {_plain(head[3])} {tail}".rstrip()
        return text if exception is None else f"{text}\n{exception}"


def _plain(value: object) -> str:
    # A log line is one line: control characters of a guest must not forge a second one.
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


class _ExportHandler(logging.Handler):
    def __init__(self, formatter: _Formatter) -> None:
        super().__init__()
        self._fields = formatter.fields

    def emit(self, record: logging.LogRecord) -> None:
        if _exporter is None or threading.current_thread() is _exporter.thread:
            return
        work = span_now.get()
        # Its trace is nowhere to be found, and the line itself tells nobody's story: unless
        # something is wrong.
        if work is not None and not work.sampled and record.levelno < logging.WARNING:
            return
        _exporter.add_log(self._fields(record), record.created)


def _configure_logs(settings: Settings, service: str) -> None:
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    formatter = TextFormatter(service) if as_text else JsonFormatter(service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if settings.telemetry == "on" and settings.otlp_endpoint:
        root.addHandler(_ExportHandler(formatter))
    root.setLevel(settings.log_level)
    # The edge writes one line a request; the server's own access log would write it twice.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "aiohttp"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
