"""An order's whole life on one axis: its states, stock, money and faults, and its traces; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from frontend.orders.view_models import LifeLane, OrderTraces, Piece
from frontend.query_results import OrderDetails
from frontend.traces.presenter import trace_line
from frontend.traces.view_models import Tick, TraceLine
from frontend.traces.waterfall import ticks
from frontend.web.formatting import clock, cut, share, took
from frontend.web.labels import (
    ATTEMPT_LABELS,
    PAYMENT_LABELS,
    RESERVATION_LABELS,
    is_settled,
    order_label,
    step_label,
)
from observatory.store.results import TraceRow

_MS = timedelta(milliseconds=1)
# Thinner than this nobody sees.
_THINNEST = 0.004
_NAMES = 3


class Axis(Struct, frozen=True):
    """From the first thing known of what a page is about to the last."""

    begin: datetime
    end: datetime

    @property
    def total_ms(self) -> float:
        return max((self.end - self.begin) / _MS, 0.001)

    def piece(self, since: datetime, until: datetime | None, state: str, word: str) -> Piece:
        """A part of a lane; one without an end goes on to the end of the axis."""
        end = min(until or self.end, self.end)
        width = max((end - since) / _MS / self.total_ms, _THINNEST)
        at = min((since - self.begin) / _MS / self.total_ms, 1 - width)
        after = took(max(0.0, (since - self.begin) / _MS))
        title = f"{word} from +{after}, {clock(since)}"
        return Piece(share(at), share(width), state, title)


def life(
    details: OrderDetails | None, rows: Sequence[TraceRow], now: datetime, *, elsewhere: str = ""
) -> OrderTraces:
    """The lanes that are known, and the traces below them, all to one scale."""
    rows = sorted(rows, key=lambda row: row.at)
    if details is None and not rows:
        return OrderTraces((), "", elsewhere=elsewhere)
    axis = _axis(details, rows, now)
    lanes = [*(_lanes(details, axis) if details else ()), *_faults(rows, axis)]
    return OrderTraces(
        tuple(_trace(row, axis) for row in rows),
        took(axis.total_ms),
        tuple(lanes),
        few(ticks(axis.total_ms)),
        elsewhere=elsewhere,
    )


def _axis(details: OrderDetails | None, rows: Sequence[TraceRow], now: datetime) -> Axis:
    moments = [row.at for row in rows]
    moments += [row.at + row.duration_ms * _MS for row in rows]
    if details is not None:
        moments += [details.order.created_at, *(step.at for step in details.steps)]
        moments += [at for attempt in details.attempts for _, at in attempt.states]
        moments += details.reserved_at
        if not is_settled(details.order.status, details.order.payment):
            moments.append(now)
    return Axis(min(moments), max(moments))


def few(marks: tuple[Tick, ...]) -> tuple[Tick, ...]:
    """The axis is a third as wide as a waterfall's: the marks of a narrow one, the SLA's, and none
    at its end, which the total names."""
    return tuple(mark for mark in marks if mark.sla or not (mark.late or mark.near))


def _trace(row: TraceRow, axis: Axis) -> TraceLine:
    line = trace_line(row, axis.total_ms)
    return replace(line, x=share(min((row.at - axis.begin) / _MS / axis.total_ms, 0.996)))


def _lanes(details: OrderDetails, axis: Axis) -> Iterable[LifeLane]:
    yield _states(details, axis)
    if details.reservation is not None and details.reserved_at:
        yield _stock(details.reservation, details.reserved_at, axis)
    if any(attempt.states for attempt in details.attempts):
        yield _money(details, axis)


def _states(details: OrderDetails, axis: Axis) -> LifeLane:
    ends = [*(step.at for step in details.steps[1:]), None]
    pieces = []
    for step, end in zip(details.steps, ends, strict=True):
        state, word, _ = step_label(step.status, step.reason)
        pieces.append(axis.piece(step.at, end, state, word))
    order = details.order
    state, word, _ = order_label(order.status, order.reason, order.payment)
    return LifeLane("State", state, word, tuple(pieces))


def _stock(state_now: str, at: tuple[datetime, ...], axis: Axis) -> LifeLane:
    """Held from its first moment; what it became since its second."""
    state, word = RESERVATION_LABELS.get(state_now, ("none", state_now.lower()))
    pieces = [axis.piece(at[-1], None, state, word)]
    if at[0] < at[-1]:
        held, holds = RESERVATION_LABELS["HELD"]
        pieces.insert(0, axis.piece(at[0], at[-1], held, holds))
    return LifeLane("Stock", state, word, tuple(pieces))


def _money(details: OrderDetails, axis: Axis) -> LifeLane:
    payment, pieces = details.order.payment or "", []
    for attempt in details.attempts:
        ends = [*(at for _, at in attempt.states[1:]), None]
        for (code, at), end in zip(attempt.states, ends, strict=True):
            state, word = ATTEMPT_LABELS.get(code, ("none", code.lower()))
            pieces.append(axis.piece(at, end, state, f"try {attempt.number} {word}"))
    state, word = PAYMENT_LABELS.get(payment, ("none", payment))
    tries = len(details.attempts)
    return LifeLane(
        "Money", state, f"{word}, {tries} tr{'y' if tries == 1 else 'ies'}", tuple(pieces)
    )


def _faults(rows: Sequence[TraceRow], axis: Axis) -> Iterable[LifeLane]:
    """The gremlins that bit its requests, each while that request ran."""
    bitten = [row for row in rows if row.gremlins]
    if not bitten:
        return
    names = list(dict.fromkeys(name for row in bitten for name in row.gremlins))
    word = ", ".join(cut(name, 40) for name in names[:_NAMES])
    yield LifeLane(
        "Faults met",
        "gremlin",
        word + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""),
        tuple(
            axis.piece(
                row.at,
                row.at + row.duration_ms * _MS,
                "gremlin",
                "bitten by " + ", ".join(row.gremlins),
            )
            for row in bitten
        ),
    )
