"""Spans of messages, after OpenTelemetry's semantic conventions for messaging."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chassis.messaging.envelope import CloudEvent
from chassis.telemetry import recording
from chassis.telemetry.context import Span, parse_traceparent

# While little happens each event has its span in the trace of the work that made it, so that an
# order is one trace from its request to its audit line. Of a larger batch one span links to the
# traces: a busy shop makes a thousand events a second, and its spans would cost more than the
# events.
_FEW, _MOST_LINKS = 8, 32


@contextmanager
def event_spans(
    operation: str, kind: int, destination: str, events: Sequence[CloudEvent]
) -> Iterator[None]:
    """Spans around the work of one batch: `operation` is "send" or "process"."""
    if not recording.is_on() or not events:
        yield
        return
    works = list(_begun(operation, kind, destination, events))
    try:
        yield
    except BaseException as error:
        for work in works:
            work.error = type(error).__name__
        raise
    finally:
        for work in works:
            work.end_ns = time.time_ns()
            recording.record(work)


def _begun(
    operation: str, kind: int, destination: str, events: Sequence[CloudEvent]
) -> Iterator[Span]:
    traced = [event for event in events if event.traceparent]
    known = {
        "messaging.system": "valerix",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }
    if len(events) <= _FEW:
        for event in traced:
            work = recording.begin(f"{operation} {event.type}", kind, event.traceparent)
            work.attributes |= {
                **known,
                "messaging.message.id": str(event.id),
                "valerix.event.type": event.type,
            }
            yield work
        return
    work = recording.begin(f"{operation} {destination}", kind)
    work.attributes |= {**known, "messaging.batch.message_count": len(events)}
    linked = (parse_traceparent(event.traceparent) for event in traced[:_MOST_LINKS])
    work.links.extend(each[:2] for each in linked if each)
    yield work
