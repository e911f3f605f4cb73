"""What an event looks like on any transport: CloudEvents 1.0 in its JSON format.

Source: CloudEvents 1.0.2, sections "Context Attributes" and "Type System"; the extensions
`traceparent` (distributed tracing) and `sequence` are documented there, `aggregate`, `aggregateid`
and `position` are ours. An extension's integer has 32 bits, so both numbers travel as text:
`sequence` in ten digits, which sort as they count."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

# A fact of ours has less than a kibibyte; a body that is longer is nobody's event.
MOST_BYTES = 1 << 16
MEDIA_TYPE = "application/cloudevents+json"
_LONG = Meta(min_length=1, max_length=200)


class NotAnEvent(Exception):
    """A body that cannot be read as an event; the message says why."""


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact. `subject` is "aggregate/aggregateid"; `sequence` counts the events of the aggregate
    from 1, `position` those of the whole shop; `traceparent` is the work that made it."""

    # Spelled out in every message: a default would be left out of it.
    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, _LONG]
    type: Annotated[str, Meta(pattern=r"^[a-z]+\.[a-z]+$", max_length=60)]
    subject: Annotated[str, _LONG]
    time: datetime
    datacontenttype: Literal["application/json"]
    dataschema: Annotated[str, _LONG]
    aggregate: Annotated[str, _LONG]
    aggregateid: Annotated[str, _LONG]
    sequence: Annotated[str, Meta(pattern=r"^[0-9]{10}$")]
    position: Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]
    data: dict[str, Any]
    traceparent: str | None = None

    @property
    def seq(self) -> int:
        """The event's number within its aggregate."""
        return int(self.sequence)

    @property
    def key(self) -> tuple[str, str]:
        """Which aggregate it is about."""
        return self.aggregate, self.aggregateid


def schema_of(event_type: str) -> str:
    """The name of the schema of `data`. A change that a reader must know of is a new number."""
    return f"urn:valerix:event:{event_type}:1"


_decode = msgspec.json.Decoder(CloudEvent).decode
_encode = msgspec.json.Encoder().encode


def write(event: CloudEvent) -> bytes:
    """The event as bytes."""
    return _encode(event)


def data_of(event: CloudEvent) -> bytes:
    """The event's `data` as bytes."""
    return _encode(event.data)


def read(body: bytes) -> CloudEvent:
    """The event in a body; raises `NotAnEvent`."""
    if len(body) > MOST_BYTES:
        raise NotAnEvent(f"{len(body)} bytes; an event has at most {MOST_BYTES}")
    try:
        event = _decode(body)
    except msgspec.DecodeError as error:
        raise NotAnEvent(str(error)) from None
    if event.seq < 1 or event.subject != f"{event.aggregate}/{event.aggregateid}":
        raise NotAnEvent("its subject or its sequence contradicts its aggregate")
    return event


def matches(patterns: tuple[str, ...], event_type: str) -> bool:
    """Whether a type is one of `patterns`: "order.created", or "order.*" for all of them."""
    room = event_type.partition(".")[0]
    return event_type in patterns or f"{room}.*" in patterns
