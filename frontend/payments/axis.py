"""A payment's attempts on one axis of time, with the breakers and gremlins of that time; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from chassis.faults.kinds import KIND_LABELS
from frontend.orders.axis import Axis
from frontend.orders.view_models import Piece
from frontend.payments.records import BreakerChange, PaymentDetails, TryRecord
from frontend.payments.view_models import TryLane
from frontend.web.labels import ATTEMPT_LABELS, MOVING_PAYMENTS
from observatory.timeline.fault_windows import FaultWindow
from topology import LABELS, SERVICES

# What bites a payment on its way: its service, and where its accounts are.
_ON_THE_WAY = frozenset({"payment", *(each.key for each in SERVICES if each.is_outside)})
_IN_PROCESS = frozenset({"mock", "flaky"})
_OVER = frozenset({"FAILED", "VOIDED", "REFUNDED"})
# So much of the axis lies after the last change, so that it can be seen.
_AFTER = 0.05
_MOST_GREMLINS = 4
# How an attempt is drawn while it lasts: asked is grey, unanswered amber, held a lighter green.
_CLASSES = {"IN_FLIGHT": "none", "UNKNOWN": "degraded", "AUTHORISED": "good held"}


def axis_of(details: PaymentDetails, now: datetime) -> Axis:
    """From the payment's begin to its last change, or until now while it is open."""
    moments = [each.at for one in details.tries for each in one.states]
    end = max([details.payment.created_at, *moments])
    if details.payment.state in MOVING_PAYMENTS:
        return Axis(details.payment.created_at, max(now, end))
    return Axis(details.payment.created_at, end + (end - details.payment.created_at) * _AFTER)


def lanes(
    details: PaymentDetails, windows: Sequence[FaultWindow], axis: Axis
) -> tuple[TryLane, ...]:
    """An attempt a lane, then the breakers that were open, then the gremlins that were loose."""
    open_times = {
        account: _open(details.breakers, account)
        for account in dict.fromkeys(each.account for each in details.breakers)
    }
    during = [each for each in windows if each.service in _ON_THE_WAY and _meets(axis, each)]
    return (
        *(_try(each, axis, open_times.get(each.provider, []), during) for each in details.tries),
        *_breakers(open_times, axis),
        *(_gremlin(each, axis) for each in during[:_MOST_GREMLINS]),
    )


def _try(
    each: TryRecord,
    axis: Axis,
    open_times: Sequence[tuple[datetime, datetime | None, str]],
    windows: Sequence[FaultWindow],
) -> TryLane:
    ends = [*(change.at for change in each.states[1:]), None]
    pieces = []
    for change, end in zip(each.states, ends, strict=True):
        state, word = ATTEMPT_LABELS.get(change.state, ("none", change.state.lower()))
        # What is over takes no time: its mark is where it ended.
        until = change.at if change.state in _OVER else end
        pieces.append(axis.piece(change.at, until, _CLASSES.get(change.state, state), word))
    bands = [
        _clipped(axis, since, until, "degraded", "breaker open")
        for since, until, _ in open_times
        if _within(axis, since, until)
    ]
    bands += [
        _clipped(axis, window.on, window.off, "gremlin", KIND_LABELS.get(window.kind, window.kind))
        for window in windows
        if window.service == "payment" or each.provider not in _IN_PROCESS
    ]
    state, word = ATTEMPT_LABELS.get(each.state, ("none", each.state.lower()))
    label = f"{each.provider}, leg {each.leg_n}" + (f", try {each.n}" if each.n > 1 else "")
    return TryLane(label, state, word, tuple(pieces), tuple(bands))


def _breakers(
    open_times: dict[str, list[tuple[datetime, datetime | None, str]]], axis: Axis
) -> Iterable[TryLane]:
    for account, times in open_times.items():
        found = [each for each in times if _within(axis, each[0], each[1])]
        if found:
            pieces = tuple(
                _clipped(axis, since, until, "degraded", f"open: {why}")
                for since, until, why in found
            )
            yield TryLane(f"Breaker of {account}", "degraded", f"open: {found[-1][2]}", pieces)


def _gremlin(window: FaultWindow, axis: Axis) -> TryLane:
    word = KIND_LABELS.get(window.kind, window.kind)
    label = f"Gremlin on {LABELS[window.service].lower()}"
    piece = _clipped(axis, window.on, window.off, "gremlin", f"{word} {window.detail}".strip())
    return TryLane(label, "gremlin", word, (piece,))


def _open(
    changes: Sequence[BreakerChange], account: str
) -> list[tuple[datetime, datetime | None, str]]:
    """When the account's breaker was open, and why; without an end while it is."""
    mine = [each for each in changes if each.account == account]
    ends = [*(each.at for each in mine[1:]), None]
    return [
        (each.at, end, each.reason or "it did not answer")
        for each, end in zip(mine, ends, strict=True)
        if each.state == "open"
    ]


def _meets(axis: Axis, window: FaultWindow) -> bool:
    return _within(axis, window.on, window.off)


def _within(axis: Axis, since: datetime, until: datetime | None) -> bool:
    return since < axis.end and (until is None or until > axis.begin)


def _clipped(axis: Axis, since: datetime, until: datetime | None, state: str, word: str) -> Piece:
    return axis.piece(max(since, axis.begin), until, state, word)
