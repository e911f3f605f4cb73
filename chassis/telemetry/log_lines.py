"""A line of log: its fields, how it looks on a terminal or for a machine, and where it is sent."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from chassis.settings import Settings
from chassis.telemetry.batch_queue import SendingThread
from chassis.telemetry.context import span_now

_FIELDS = "valerix_fields"
_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    _FIELDS,
}


class LogLine(msgspec.Struct, frozen=True):
    """One line on its way out: its fields, and when it was written (seconds since the epoch)."""

    fields: dict[str, Any]
    created_s: float


@lru_cache(4)
def _second(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))


class _Formatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def fields(self, entry: logging.LogRecord) -> dict[str, Any]:
        """The fields of the entry; made once for all handlers, and not to be changed."""
        known: dict[str, Any] | None = entry.__dict__.get(_FIELDS)
        if known is None:
            known = entry.__dict__[_FIELDS] = self._read(entry)
        return known

    def _read(self, entry: logging.LogRecord) -> dict[str, Any]:
        line: dict[str, Any] = {
            "timestamp": f"{_second(int(entry.created))}.{int(entry.msecs):03d}Z",
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
    def __init__(self, formatter: _Formatter, add: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._fields, self._add = formatter.fields, add

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(threading.current_thread(), SendingThread):
            return
        work = span_now.get()
        # Its trace is not recorded, so the line alone is of use only if something is wrong.
        if work is not None and not work.sampled and record.levelno < logging.WARNING:
            return
        self._add(LogLine(self._fields(record), record.created))


def configure_logs(settings: Settings, service: str, add: Callable[[LogLine], None] | None) -> None:
    """Write every line to the standard error, and hand it to `add` where lines are sent."""
    # The library's own switches (its HOWTO, "Optimization") for what no line of ours says: a walk
    # up the stack, and the names of thread and process.
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    formatter = TextFormatter(service) if as_text else JsonFormatter(service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    if add is not None:
        root.addHandler(_ExportHandler(formatter, add))
    root.setLevel(settings.log_level)
    # The edge writes one line a request; the server's own access log would write it twice.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "aiohttp"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
