"""The story in numbers at the end of an act, each measured by the platform; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from chassis.faults.kinds import KIND_LABELS
from observatory.timeline.fault_windows import FaultWindow
from observatory.timeline.incident import Incident
from scenarios.conditions import OrderCounts
from scenarios.recording import RecordedMoment, Recording
from topology import LABELS

Tone = Literal["good", "degraded", "failed", "none", "gremlin"]
# The diary's clock is the database's, the act's own is ours.
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


class Measurements(Struct, frozen=True):
    """What a card is made from; None where it could not be asked."""

    incidents: Sequence[Incident]
    books: OrderCounts | None
    lost: int | None
    charged_twice: int | None
    not_calm: tuple[str, ...] = ()


class _Fault(Struct, frozen=True):
    """The trouble of an act as one stretch of time."""

    names: tuple[str, ...]
    on: datetime
    off: datetime | None
    red_at: datetime | None
    green_at: datetime | None
    settled_at: datetime | None
    by_gremlins: bool = True


def summarize(actor: str, began: datetime, journal: Recording, evidence: Measurements) -> Summary:
    """The numbers of the act that `actor` played since `began`."""
    mine = [
        each
        for each in evidence.incidents
        if each.on >= began - _SKEW and any(window.actor == actor for window in each.windows)
    ]
    fault = _of_gremlins(mine) if mine else _of_slips(journal)
    figures = [*(_times(fault, began, journal) if fault else ()), *_costs(evidence)]
    return Summary(fault.names if fault else (), tuple(figures), evidence.not_calm)


def _of_gremlins(found: Sequence[Incident]) -> _Fault:
    """As the timeline tells it: the two pages must not differ."""
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


def _of_slips(journal: Recording) -> _Fault | None:
    """A process that died leaves no gremlin's window: its dot and the orders tell the time."""
    if not journal.slips:
        return None
    on = journal.slips[0].at

    def well(entry: RecordedMoment) -> bool:
        return not entry.ill and not entry.red

    whole = journal.last_change_to(on, well)
    settled = journal.last_change_to(on, lambda entry: entry.open == 0)
    return _Fault(
        tuple(slip.what for slip in journal.slips),
        on,
        None,
        journal.first(on, lambda entry: not well(entry)),
        whole,
        settled,
        by_gremlins=False,
    )


def _times(fault: _Fault, began: datetime, journal: Recording) -> list[SummaryFigure]:
    fired = journal.first(fault.on, lambda entry: bool(entry.firing))
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


def _costs(evidence: Measurements) -> list[SummaryFigure]:
    orders = evidence.books.orders if evidence.books else {}
    return [
        SummaryFigure("orders", "none", count=orders.get("placed"), detail="placed meanwhile"),
        SummaryFigure("confirmed", "good", count=orders.get("confirmed"), detail="of them"),
        _none_is_good("lost", evidence.lost, "orders that were promised"),
        _none_is_good("charged twice", evidence.charged_twice, "in the gateway's own book"),
    ]


def _none_is_good(label: str, number: int | None, detail: str) -> SummaryFigure:
    tone: Tone = "none" if number is None else "failed" if number else "good"
    return SummaryFigure(label, tone, count=number, detail=detail)


def _between(since: datetime, until: datetime | None) -> float | None:
    return None if until is None else max(0.0, (until - since).total_seconds())


def _name(window: FaultWindow) -> str:
    label = f"{KIND_LABELS.get(window.kind, window.kind)} {window.detail}".strip()
    return f"{label} on {LABELS[window.service].lower()}"
