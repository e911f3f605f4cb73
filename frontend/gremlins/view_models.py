"""What the templates are given about gremlins: the bar, the switchboard, the diary."""

from datetime import datetime

from msgspec import Struct


class Gremlin(Struct, frozen=True):
    """A fault that is on right now."""

    name: str
    kind: str
    label: str
    service: str
    service_name: str
    service_label: str
    detail: str
    probability: float
    started_by: str
    started_at: datetime
    expires_at: datetime
    remaining_s: int


class BarView(Struct, frozen=True):
    """The slim bar on every page."""

    gremlins: tuple[Gremlin, ...]


class Cell(Struct, frozen=True):
    """One switch: a kind at a service."""

    key: str
    service: str
    gremlin: Gremlin | None


class KindRow(Struct, frozen=True):
    """One kind of gremlin with its switches."""

    kind: str
    label: str
    does: str
    hint: str
    delay_ms: int
    delay_max_ms: int
    cells: tuple[Cell, ...]


class BoardView(Struct, frozen=True):
    """The switchboard. `locked` means that the operator has not signed in yet."""

    rows: tuple[KindRow, ...]
    services: tuple[tuple[str, str], ...]
    active: int


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
    """The gremlins' diary, newest first."""

    rows: tuple[AuditRow, ...]
