"""The gremlin API on the wire: the request, the view, the audit's rows, and their bounds."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chassis.faults.kinds import Kind

Milliseconds = Annotated[int, Meta(ge=0, le=60_000)]
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


class PutGremlin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Let a gremlin loose: what it does, to which share of which requests, for how long."""

    kind: Kind
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    routes: Annotated[
        list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=32)
    ] = msgspec.field(default_factory=lambda: ["*"])
    delay_ms: Milliseconds = 0
    jitter_ms: Milliseconds = 0
    status: Literal[500, 503] = 503
    ttl_s: Annotated[int, Meta(ge=1, le=3600)] | None = None


class GremlinView(msgspec.Struct, frozen=True, kw_only=True):
    """A gremlin as the API shows it. `bites` counts this process since the gremlin started here."""

    name: str
    kind: Kind
    service: str
    routes: list[str]
    probability: float
    delay_ms: int
    jitter_ms: int
    status: int
    started_at: datetime
    expires_at: datetime
    started_by: str
    remaining_s: float
    bites: int


class AuditEvent(msgspec.Struct, frozen=True):
    """Something that happened to a gremlin, and who did it."""

    at: datetime
    action: Literal["started", "changed", "calmed", "expired"]
    name: str
    kind: str
    actor: str
    detail: dict[str, Any]
