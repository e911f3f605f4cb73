"""What every process tells of its gremlins: the `data` of two events, written by triggers
(infra/migrations/sql/0018_events.up.sql)."""

from typing import Literal

from msgspec import Struct


class GremlinStarted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gremlin is loose, or was changed."""

    service: str
    name: str
    kind: str
    action: Literal["started", "changed"]
    actor: str


class GremlinEnded(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gremlin was called off, or its time was up."""

    service: str
    name: str
    kind: str
    action: Literal["calmed", "expired"]
    actor: str
