"""A report, as it is written to a file and answered by the API."""

from datetime import datetime

from msgspec import Struct


class RequestCount(Struct, frozen=True):
    """Orders, or merchants' payment requests: how many were made in the period, how many of these
    were taken, how many not, how many are open still, and how many were cancelled by who made them
    before they were taken (reports of before this was counted have them among the failed)."""

    of: str
    requests: int
    succeeded: int
    failed: int
    open: int
    p50_ms: float | None
    p99_ms: float | None
    cancelled: int = 0


class FailureReason(Struct, frozen=True):
    """Why requests failed."""

    of: str
    reason: str
    count: int


class SchemaViolation(Struct, frozen=True, kw_only=True):
    """A field that broke its contract, with the newest example: what the schema expected, and the
    form of what was found, masked. `direction` is the process's: it received it or sent it."""

    service: str
    schema: str
    field: str
    rule: str
    expected: str
    found: str
    direction: str
    count: int
    first_at: datetime
    last_at: datetime
    trace_id: str


class Anomaly(Struct, frozen=True, kw_only=True):
    """A figure outside its own history: what it was, what it usually is, how many usual deviations
    lie between, and how many earlier periods that was judged from."""

    of: str
    what: str
    unit: str
    now: float
    usual: float
    deviations: float
    periods: int


class GremlinTime(Struct, frozen=True, kw_only=True):
    """A gremlin that was on in the period; `off` is None while it is."""

    service: str
    name: str
    kind: str
    strength: str
    actor: str
    on: datetime
    off: datetime | None


class RetrospectiveReport(Struct, frozen=True, kw_only=True):
    """A report on the time from `since` to `until`. `written_by` says who asked for it; `note` what
    could not be read, and is empty where all could."""

    name: str
    written_at: datetime
    written_by: str
    since: datetime
    until: datetime
    total_requests: int
    failures: int
    requests: tuple[RequestCount, ...]
    reasons: tuple[FailureReason, ...]
    violations: tuple[SchemaViolation, ...]
    anomalies: tuple[Anomaly, ...]
    gremlins: tuple[GremlinTime, ...]
    method: str
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.total_requests or self.violations or self.gremlins)
