"""What is kept of a span and of a line of log, whoever sent it and in whatever encoding."""

from datetime import UTC, datetime

from msgspec import Struct, msgpack

Pairs = tuple[tuple[str, str], ...]

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
KINDS = ("", "internal", "server", "client", "producer", "consumer")
BITE = "valerix.gremlin."
# As many as there are kinds of gremlins; a longer list of names is not ours.
_BITES = 8


class Event(Struct, frozen=True, array_like=True, gc=False):
    """A moment inside a span."""

    at_ns: int
    name: str
    attributes: Pairs = ()


class Link(Struct, frozen=True, array_like=True, gc=False):
    """Another trace's span that this one continues."""

    trace_id: str
    span_id: str


class StoredSpan(Struct, frozen=True, array_like=True, gc=False):
    """One unit of work. Ids are lower-case hex; times are nanoseconds since the epoch and
    possible: `marks` says what had to be corrected for that. `resource` has what its sender says of
    itself beside its service and instance."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    instance: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    failed: bool = False
    error: str = ""
    attributes: Pairs = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    marks: tuple[str, ...] = ()
    resource: Pairs = ()

    def attribute(self, *names: str) -> str:
        """The first of these attributes that is there, or an empty string."""
        for wanted in names:
            for key, value in self.attributes:
                if key == wanted:
                    return value
        return ""

    @property
    def status(self) -> int | None:
        """The HTTP status; 0 when the connection was cut, None when it was not HTTP."""
        code = self.attribute("http.response.status_code", "http.status_code")
        return int(code) if code.isdecimal() and len(code) <= 3 else None

    @property
    def gremlins(self) -> tuple[str, ...]:
        """The names of those that bit this span; "gremlin" for a bite without a name."""
        if not any(key.startswith(BITE) for key, _ in self.attributes):
            return ()
        names = self.attribute("valerix.gremlin.name").split(",")[:_BITES]
        return tuple(dict.fromkeys(name for name in names if name)) or ("gremlin",)


class StoredLine(Struct, frozen=True, array_like=True, gc=False):
    """One line of log; `severity` is OpenTelemetry's 1 to 24. Its `sequence` number is given to it
    on arrival."""

    at_ns: int
    severity: int
    level: str
    service: str
    message: str
    trace_id: str
    span_id: str
    attributes: Pairs = ()
    sequence: int = 0

    @property
    def at(self) -> datetime:
        """When it was written."""
        return moment(self.at_ns)

    def attribute(self, *names: str) -> str:
        """The first of these attributes that is there, or an empty string."""
        return next((v for wanted in names for k, v in self.attributes if k == wanted), "")


def moment(at_ns: int) -> datetime:
    """Nanoseconds since the epoch as a time with its zone."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC)


pack = msgpack.Encoder().encode
unpack_span = msgpack.Decoder(StoredSpan).decode
unpack_pairs = msgpack.Decoder(Pairs).decode
