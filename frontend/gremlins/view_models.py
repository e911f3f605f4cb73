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
    """One switch: a kind of fault, and the one that is on, if there is."""

    kind: FaultKind
    active: GremlinRow | None


class ProcessFaults(Struct, frozen=True):
    """The switches of one process, one for each kind that can bite it; `active` are on."""

    key: str
    label: str
    switches: tuple[Switch, ...]
    active: int


class BoardView(Struct, frozen=True):
    """The switches of some processes. `down` says why it is not known which are on; they can be
    pressed all the same."""

    processes: tuple[ProcessFaults, ...]
    active: int
    down: Down | None = None


class AuditRow(Struct, frozen=True):
    """Who did what to a gremlin, or to traffic, load and processes, and when."""

    at: datetime
    action: str
    name: str
    label: str
    service_name: str
    actor: str
    detail: str
    is_gremlin: bool = True


class AuditView(Struct, frozen=True):
    """The audit log, newest first."""

    rows: tuple[AuditRow, ...]
