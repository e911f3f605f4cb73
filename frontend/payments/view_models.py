"""What the templates are given about payments: the list, and one payment's page."""

from datetime import datetime

from msgspec import Struct

from frontend.orders.view_models import Piece
from frontend.payments.records import (
    DecisionRecord,
    LedgerLine,
    PaymentRecord,
    PolicyRecord,
    RefundRecord,
    UnpaidRequest,
)
from frontend.traces.view_models import Tick
from frontend.web.labels import State


class PaymentRow(Struct, frozen=True):
    """One line of the list; `took_ms` is None while the payment is open."""

    payment: PaymentRecord
    state: State
    word: str
    why: str
    took_ms: int | None


class PaymentsView(Struct, frozen=True):
    """A page of payments, newest first. `older` and `newest` are addresses, empty where there is
    nothing else."""

    rows: tuple[PaymentRow, ...]
    unpaid: tuple[UnpaidRequest, ...]
    filtered: bool
    older: str
    newest: str


class PartRow(Struct, frozen=True):
    """A part of the plan's bar; `x` and `width` are shares of the amount, as "12.5%"."""

    leg_n: int
    account: str
    amount_minor: int
    fee_minor: int
    x: str
    width: str


class AccountRow(Struct, frozen=True):
    """What was thought of an account: `fee_minor` is what `scored_minor` would have cost there."""

    account: str
    state: State
    word: str
    why: str
    rate: str
    takes: str
    fee_minor: int | None = None
    scored_minor: int | None = None


class DecisionView(Struct, frozen=True):
    """Why the payment went where it went, in sentences, and what was thought of each account."""

    sentences: tuple[str, ...]
    accounts: tuple[AccountRow, ...] = ()
    policy: PolicyRecord | None = None
    asked: tuple[tuple[str, str], ...] = ()


class TryLane(Struct, frozen=True):
    """One thing over time: an attempt, a breaker or a gremlin; `bands` lie behind its pieces."""

    label: str
    state: str
    word: str
    pieces: tuple[Piece, ...]
    bands: tuple[Piece, ...] = ()


class TryRow(Struct, frozen=True):
    """One attempt as a line; the times are milliseconds after the payment began."""

    leg_n: int
    n: int
    provider: str
    state: State
    word: str
    detail: str
    amount_minor: int
    held_ms: int | None
    settled_ms: int | None
    reference: str


class PaymentStory(Struct, frozen=True):
    """One payment's page."""

    row: PaymentRow
    title: str
    state: State
    why: str
    currency: str
    decision: DecisionView
    parts: tuple[PartRow, ...]
    # The plan before, if this one took its place, and why.
    replaced: tuple[PartRow, ...]
    replaced_why: str
    lanes: tuple[TryLane, ...]
    ticks: tuple[Tick, ...]
    total: str
    tries: tuple[TryRow, ...]
    ledger: tuple[LedgerLine, ...]
    refunds: tuple[RefundRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    settled: bool
    began_at: datetime
