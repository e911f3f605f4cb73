"""The figures at the end of an act, each measured by the platform; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from chassis.faults.kinds import KIND_LABELS
from observatory.timeline.fault_windows import FaultWindow
from observatory.timeline.incident import Incident
from scenarios.conditions import OrderCounts
from scenarios.recording import RecordedMoment, Recording
from scenarios.twin_process import TwinFigures
from topology import LABELS

Tone = Literal["good", "degraded", "failed", "none", "gremlin"]
# The audit log has the database's clock, the act has this process's.
_SKEW = timedelta(seconds=2)


class SummaryFigure(Struct, frozen=True):
    """One number; `seconds` or `count`, whichever it is, None where it was not measured."""

    label: str
    tone: Tone
    seconds: float | None = None
    count: int | None = None
    detail: str = ""


class Summary(Struct, frozen=True):
    """What was broken, how soon it showed, how soon it was over, and what it cost."""

    faults: tuple[str, ...]
    figures: tuple[SummaryFigure, ...]
    # Services whose gremlins could not be called off in time; they run out by themselves.
    not_calm: tuple[str, ...] = ()
    beside: TwinFigures | None = None


class Measurements(Struct, frozen=True):
    """What a summary is made from; None where it could not be measured."""

    incidents: Sequence[Incident]
    counts: OrderCounts | None
    lost: int | None
    charged_twice: int | None
    not_calm: tuple[str, ...] = ()
    figures: TwinFigures | None = None


class _Fault(Struct, frozen=True):
    """The faults of an act as one stretch of time."""

    names: tuple[str, ...]
    on: datetime
    off: datetime | None
    red_at: datetime | None
    green_at: datetime | None
    settled_at: datetime | None
    by_gremlins: bool = True


def summarize(
    actor: str, began: datetime, recording: Recording, measurements: Measurements
) -> Summary:
    """The numbers of the act that `actor` played since `began`."""
    mine = [
        each
        for each in measurements.incidents
        if each.on >= began - _SKEW and any(window.actor == actor for window in each.windows)
    ]
    fault = _of_gremlins(mine) if mine else _of_outages(recording)
    figures = [*(_times(fault, began, recording) if fault else ()), *_costs(measurements)]
    faults = (*(fault.names if fault else ()), *dict.fromkeys(recording.accounts))
    return Summary(faults, tuple(figures), measurements.not_calm, measurements.figures)


def _of_gremlins(found: Sequence[Incident]) -> _Fault:
    """As the timeline has it: the two pages must not differ."""
    first, last = found[0], found[-1]
    orders = last.orders
    settled = None
    if last.off is not None and orders is not None and not orders.open_now:
        settled = orders.last_settled_at or last.off
    healed = last.last_red_at
    if last.off is None or (healed is not None and healed < last.off):
        healed = None
    names = dict.fromkeys(_name(window) for each in found for window in each.windows)
    return _Fault(tuple(names), first.on, last.off, first.first_red_at, healed, settled)


def _of_outages(recording: Recording) -> _Fault | None:
    """A process that died leaves no gremlin's window: its dot and the orders give the times."""
    if not recording.outages:
        return None
    on = recording.outages[0].at

    def well(moment: RecordedMoment) -> bool:
        return not moment.ill and not moment.red

    whole = recording.last_change_to(on, well)
    settled = recording.last_change_to(on, lambda moment: moment.open == 0)
    return _Fault(
        tuple(outage.what for outage in recording.outages),
        on,
        None,
        recording.first(on, lambda moment: not well(moment)),
        whole,
        settled,
        by_gremlins=False,
    )


def _times(fault: _Fault, began: datetime, recording: Recording) -> list[SummaryFigure]:
    fired = recording.first(fault.on, lambda moment: bool(moment.firing))
    # Green and settled are counted from the calm, or where nobody called calm, from the fault.
    since, after = fault.off or fault.on, "calm" if fault.off else "the fault"
    # Violet is what a gremlin did; a process that was killed has no colour of its own.
    tone: Tone = "gremlin" if fault.by_gremlins else "none"
    calmed = SummaryFigure(
        "calm after", "gremlin", _between(fault.on, fault.off), detail="the fault"
    )
    return [
        SummaryFigure("fault on", tone, _between(began, fault.on), detail="after the curtain"),
        SummaryFigure("red after", "failed", _between(fault.on, fault.red_at), detail="the fault"),
        SummaryFigure("alert after", "failed", _between(fault.on, fired), detail="the fault"),
        *([calmed] if fault.off else []),
        SummaryFigure("green after", "good", _between(since, fault.green_at), detail=after),
        SummaryFigure("settled after", "good", _between(since, fault.settled_at), detail=after),
    ]


def _costs(measurements: Measurements) -> list[SummaryFigure]:
    orders = measurements.counts.orders if measurements.counts else {}
    payments = measurements.counts.payments if measurements.counts else {}
    wallets = measurements.counts.wallets if measurements.counts else {}
    figures = []
    # An act is about orders, unless nobody placed one and somebody paid without one.
    if wallets and not orders.get("placed") and not payments.get("made"):
        paid = sum(each.paid for each in wallets.values())
        figures += [
            SummaryFigure("paid", "good", count=paid, detail="payments from a wallet"),
            _none_is_good("lost", measurements.lost, "answers that were not true"),
        ]
    elif orders.get("placed") or not payments.get("made"):
        figures += [
            SummaryFigure("orders", "none", count=orders.get("placed"), detail="placed meanwhile"),
            SummaryFigure("confirmed", "good", count=orders.get("confirmed"), detail="of them"),
            _none_is_good("lost", measurements.lost, "orders that were promised"),
        ]
    else:
        in_part = payments.get("in_part")
        figures += [
            SummaryFigure("payments", "none", count=payments.get("made"), detail="made meanwhile"),
            SummaryFigure("taken", "good", count=payments.get("succeeded"), detail="of them"),
            _none_is_good("in part", in_part, "of which only a part was kept"),
            _none_is_good("lost", measurements.lost, "answers that were not true"),
        ]
    twice = measurements.charged_twice
    return [*figures, _none_is_good("charged twice", twice, "by the gateway's own records")]


def _none_is_good(label: str, number: int | None, detail: str) -> SummaryFigure:
    tone: Tone = "none" if number is None else "failed" if number else "good"
    return SummaryFigure(label, tone, count=number, detail=detail)


def _between(since: datetime, until: datetime | None) -> float | None:
    return None if until is None else max(0.0, (until - since).total_seconds())


def _name(window: FaultWindow) -> str:
    label = f"{KIND_LABELS.get(window.kind, window.kind)} {window.detail}".strip()
    return f"{label} on {LABELS[window.service].lower()}"
