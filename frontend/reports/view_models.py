"""What the templates are given about reports."""

from msgspec import Struct

from frontend.web.labels import State
from observatory.capacity.plan import CapacityPlan
from observatory.retrospective.model import (
    Anomaly,
    RequestCount,
    RetrospectiveReport,
    SchemaViolation,
)


class ReportRow(Struct, frozen=True):
    """A report in the list; `share` is the failing part in words."""

    report: RetrospectiveReport
    state: State
    period: str
    share: str
    violations: int


class ReasonBar(Struct, frozen=True):
    """A reason, its count, and the width of its bar, as "12.5%"."""

    of: str
    reason: str
    count: int
    width: str


class AnomalyRow(Struct, frozen=True):
    """A figure outside its history, in words."""

    anomaly: Anomaly
    now: str
    usual: str
    more: bool


class RequestRow(Struct, frozen=True):
    """One kind of request; the times in words, empty where nothing was settled."""

    count: RequestCount
    p50: str
    p99: str


class ReportView(Struct, frozen=True):
    """One report, whole."""

    report: RetrospectiveReport
    state: State
    period: str
    share: str
    requests: tuple[RequestRow, ...]
    reasons: tuple[ReasonBar, ...]
    anomalies: tuple[AnomalyRow, ...]


class ReportsView(Struct, frozen=True):
    """The last reports, the newest first; `every` says how often one is written by itself."""

    rows: tuple[ReportRow, ...]
    every: str


class ContractsView(Struct, frozen=True):
    """What breaks its contract at the moment; `note` says what could not be read."""

    violations: tuple[SchemaViolation, ...]
    note: str


class LimitRow(Struct, frozen=True):
    """A limit in words, and whether the wanted orders pass it."""

    what: str
    orders_per_s: str
    why: str
    is_passed: bool


class CapacityView(Struct, frozen=True):
    """What so many orders a second take; `wanted` as it was typed, `refused` why that is no
    number, and no plan then. `needs`: process, replicas, cores, busy; `volumes`: what, how much."""

    wanted: str
    plan: CapacityPlan | None = None
    needs: tuple[tuple[str, str, str, str], ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()
    limits: tuple[LimitRow, ...] = ()
    refused: str = ""
