"""Spans and log lines of a process: begun here, queued off the work's way, sent by threads."""

import logging
import time
from contextvars import Token
from typing import Any

from chassis.settings import Settings
from chassis.telemetry.batch_queue import BatchQueue, stop_all
from chassis.telemetry.context import (
    INTERNAL,
    Span,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    parse_tracestate,
    span_now,
)
from chassis.telemetry.log_lines import LogLine, configure_logs
from chassis.telemetry.sampling import DEFAULT_SAMPLER, make_sampler
from chassis.telemetry.senders import make_senders

logger = logging.getLogger(__name__)

_spans: BatchQueue[Span] | None = None
_lines: BatchQueue[LogLine] | None = None
_recording = True
_is_sampled = make_sampler(DEFAULT_SAMPLER, 1.0)


def start(settings: Settings, *, service: str) -> None:
    """Configure logs and start sending. Called once by `valerix run`, never by create_app.

    Raises `BadSetting` where an OTEL_ variable cannot be used."""
    global _spans, _lines, _recording, _is_sampled
    spans, lines = make_senders(settings, service)
    _spans = BatchQueue("spans", spans) if spans else None
    _lines = BatchQueue("log lines", lines) if lines else None
    _recording = _spans is not None
    _is_sampled = make_sampler(settings.otel.sampler, settings.otel.sampler_ratio)
    configure_logs(settings, service, _lines.add if _lines else None)
    for warning in settings.otel.warnings:
        logger.warning("%s", warning)
    for queue in _queues():
        queue.start()


def stop() -> None:
    """Send what is queued, bounded in time; for the end of the process."""
    stop_all(_queues())


def dropped() -> int:
    """Spans and log lines thrown away because the collector was slow, dead or refusing."""
    return sum(queue.dropped for queue in _queues())


def _queues() -> list[BatchQueue[Any]]:
    return [queue for queue in (_spans, _lines) if queue is not None]


def record(span: Span) -> None:
    """Queue a finished span, if its trace is sampled. Never blocks, never raises."""
    if _spans is not None and span.sampled:
        _spans.add(span)


def is_on() -> bool:
    """Whether spans are worth making: they are sent somewhere."""
    return _recording


def begin(
    name: str, kind: int, traceparent: str | None = None, tracestate: str | None = None
) -> Span:
    """A started span: child of the remote parent if there is one, of the work in hand otherwise.

    The sampler decides where a trace enters the process; a span inside follows its parent."""
    remote = parse_traceparent(traceparent)
    parent = span_now.get()
    handed_down = ""
    if remote is not None:
        trace_id, parent_id, asked = remote
        sampled = _is_sampled(trace_id, asked)
        handed_down = parse_tracestate(tracestate)
    elif parent is not None:
        trace_id, parent_id, sampled = parent.trace_id, parent.span_id, parent.sampled
        handed_down = parent.tracestate
    else:
        trace_id, parent_id = new_trace_id(), ""
        sampled = _is_sampled(trace_id, None)
    return Span(
        trace_id=trace_id,
        span_id=new_span_id(),
        parent_id=parent_id,
        name=name,
        kind=kind,
        start_ns=time.time_ns(),
        sampled=sampled,
        tracestate=handed_down,
    )


class _Spanned:
    """A class and no generator: each of an order's twenty spans would pay for one."""

    __slots__ = ("_token", "_work")
    _token: Token[Span | None]

    def __init__(self, work: Span) -> None:
        self._work = work

    def __enter__(self) -> Span:
        self._token = span_now.set(self._work)
        return self._work

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        work = self._work
        if error is not None:
            work.error = work.error or error.__name__
        span_now.reset(self._token)
        work.end_ns = time.time_ns()
        record(work)


def span(name: str, kind: int = INTERNAL, *, link: str | None = None) -> _Spanned:
    """A span around a piece of work; `link` is the traceparent of the work it continues."""
    work = begin(name, kind)
    if link is not None and (linked := parse_traceparent(link)) is not None:
        work.links.append((linked[0], linked[1]))
    return _Spanned(work)
