"""What the templates are given about gremlins: the bar, the switchboard, the audit log."""

from datetime import datetime

from msgspec import Struct

from chassis.faults.kinds import FaultKind
from frontend.query_results import ActiveGremlin
from observatory.sources.down import Down


class GremlinRow(Struct, frozen=True):
    """A fault that is on right now."""

    gremlin: ActiveGremlin
    label: str
    service_name: str
    service_label: str
    detail: str
    remaining_s: int


class BarView(Struct, frozen=True):
    """The slim bar on every page."""

    gremlins: tuple[GremlinRow, ...]


class Switch(Struct, frozen=True):
    """One switch: a kind at a service."""

    key: str
    service: str
    active: GremlinRow | None


class KindRow(Struct, frozen=True):
    """One kind of gremlin with its switches."""

    kind: FaultKind
    switches: tuple[Switch, ...]


class BoardView(Struct, frozen=True):
    """The switchboard; `services` are the labels of its columns. `down` says why it is not known
    which switches are on; they can be pressed all the same."""

    rows: tuple[KindRow, ...]
    services: tuple[str, ...]
    active: int
    down: Down | None = None


class AuditRow(Struct, frozen=True):
    """Who did what to a gremlin, and when."""

    at: datetime
    action: str
    name: str
    label: str
    service_name: str
    actor: str
    detail: str


class AuditView(Struct, frozen=True):
    """The audit log, newest first."""

    rows: tuple[AuditRow, ...]
