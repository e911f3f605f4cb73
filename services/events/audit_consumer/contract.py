"""What the audit consumer answers on the wire."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct


class AuditLine(Struct, frozen=True, kw_only=True):
    """One line of the log. `subject` is whose doing it was: who acted, or else whose order, payment
    or wallet it is about; null where the event names nobody. `hash` is the SHA-256 over the
    line and the hash of the line before."""

    n: int
    event_id: UUID
    type: str
    source: str
    aggregate: str
    aggregate_id: str
    aggregate_seq: int
    happened_at: datetime
    at: datetime
    trace_id: str | None
    subject: str | None
    data: dict[str, Any]
    hash: str


class AuditPage(Struct, frozen=True):
    """Newest first; `next` is the cursor of the page after, null on the last."""

    lines: list[AuditLine]
    next: str | None


class ChainView(Struct, frozen=True, kw_only=True):
    """Whether the chain holds; `broken_at` is the first line that does not."""

    is_intact: bool
    lines: int
    broken_at: int | None
