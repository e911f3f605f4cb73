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
    """One switch: a kind at a service; where `is_possible` is false, the kind cannot bite it."""

    key: str
    service: str
    active: GremlinRow | None
    is_possible: bool = True


class KindRow(Struct, frozen=True):
    """One kind of gremlin with its switches."""

    kind: FaultKind
    switches: tuple[Switch, ...]


class SwitchGroup(Struct, frozen=True):
    """Processes side by side, with a row for each kind that can bite any of them; `services` are
    the labels of the columns. A group `is_folded` away while
    nothing bites its members, if it is not what one breaks first."""

    name: str
    rows: tuple[KindRow, ...]
    services: tuple[str, ...]
    is_folded: bool = False
    active: int = 0


class BoardView(Struct, frozen=True):
    """The switchboard. `down` says why it is not known which switches are on; they can be pressed
    all the same."""

    groups: tuple[SwitchGroup, ...]
    active: int
    down: Down | None = None


class AuditRow(Struct, frozen=True):
    """Who did what to a gremlin, or to traffic and load, and when."""

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
