"""An incident as a small time bar: one lane a gremlin, one a red light, one for open work."""

from datetime import datetime, timedelta

from chassis.faults.kinds import KIND_LABELS
from frontend.timeline.view_models import Lane, LaneBar
from observatory.sla import LIGHT_LABELS
from observatory.timeline.incident import Incident
from topology import LABELS

WIDTH = 1000
_GREMLINS = 4
# A moment must still be seen.
_THIN = 4


def length(each: Incident, now: datetime) -> timedelta:
    """From the first gremlin until everything was well again, or until now."""
    return max(_end(each, now) - each.on, timedelta(seconds=1))


def lanes(each: Incident, now: datetime) -> tuple[Lane, ...]:
    """What was on when, from top to bottom in the order it happens."""
    whole = length(each, now)

    def bar(since: datetime, until: datetime | None) -> LaneBar:
        start = _share(since - each.on, whole)
        width = _share((until or _end(each, now)) - each.on, whole) - start
        return LaneBar(min(start, WIDTH - _THIN), max(width, _THIN))

    shown = [
        Lane(
            f"{KIND_LABELS.get(window.kind, window.kind)}",
            "gremlin",
            (bar(window.on, window.off),),
            f"on {LABELS[window.service].lower()}",
        )
        for window in each.windows[:_GREMLINS]
    ]
    shown += [
        Lane(
            LABELS[red.service],
            "failed",
            tuple(bar(since, until or each.cut_at) for since, until in red.spans),
            LIGHT_LABELS["failing"].lower() if red.first == "failing" else "red",
        )
        for red in each.reds
    ]
    orders = each.orders
    if each.off is not None and orders is not None and orders.open_at_end:
        until = None if orders.open_now else orders.last_settled_at
        shown.append(Lane("Open work", "degraded", (bar(each.off, until),), "settling"))
    return tuple(shown)


def _end(each: Incident, now: datetime) -> datetime:
    if each.off is None or (each.phase != "over" and each.cut_at is None):
        return now
    settled = each.orders.last_settled_at if each.orders else None
    last = [each.off, settled, each.cut_at, *(end for red in each.reds for _, end in red.spans)]
    return max(moment for moment in last if moment is not None)


def _share(part: timedelta, whole: timedelta) -> int:
    return min(WIDTH, max(0, round(WIDTH * part / whole)))
