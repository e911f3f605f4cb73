"""Incidents in sentences with numbers; what was not seen is named as unknown. Pure."""

from collections import Counter
from datetime import datetime

from frontend.timeline.formatting import actors, gremlin, listed, reaction_time, seconds, title
from frontend.timeline.lanes import lanes, length
from frontend.timeline.light_changes import reaction as of_the_lights
from frontend.timeline.light_changes import recovery
from frontend.timeline.view_models import IncidentView, MeasuredTime, ReactionView, TimelineView
from frontend.web.formatting import count
from frontend.web.labels import State
from observatory.timeline.incident import Incident, OrdersMeanwhile

# A sentence with more names than this nobody reads.
_NAMED = 4
_PHASE_LABELS: dict[str, tuple[str, str]] = {
    "loose": ("gremlin", "Loose now"),
    "red": ("failed", "Recovering"),
    "settling": ("degraded", "Settling"),
    "over": ("good", "Over"),
}


def timeline(found: tuple[Incident, ...], now: datetime) -> TimelineView:
    """Newest first."""
    return TimelineView(tuple(_row(each, now) for each in reversed(found)))


def reaction(found: tuple[Incident, ...]) -> ReactionView:
    """The newest incident that turned a light red, in one line."""
    for each in reversed(found):
        first = each.first_red
        if first is None:
            continue
        after = reaction_time(each.blamed_at, first.spans[0][0])
        text = f"Last: red in {after}"
        detail = f"A light was red {after} after {title(first.causes or each.windows)}"
        since, green = each.relieved_at, each.last_red_at
        if since is not None and green is not None and green > since:
            after = seconds(green - since)
            text, detail = f"{text}, green in {after}", f"{detail}, and green {after} after its end"
        return ReactionView(text, detail)
    return ReactionView()


def _row(each: Incident, now: datetime) -> IncidentView:
    state, word = _PHASE_LABELS[each.phase]
    return IncidentView(
        id=f"{each.on.timestamp():.0f}-{each.windows[0].service}-{each.windows[0].name}",
        title=title(each.windows),
        phase=each.phase,
        state=state,  # type: ignore[arg-type]
        word=word,
        actor=actors(each.windows),
        at=each.on,
        many=len(each.windows) > 1,
        figures=_figures(each),
        lanes=lanes(each, now),
        length=seconds(length(each, now)),
        sentences=tuple(
            sentence
            for sentence in (
                of_the_lights(each, now),
                _end(each, now),
                recovery(each),
                *_cost(each),
            )
            if sentence
        ),
    )


def _figures(each: Incident) -> tuple[MeasuredTime, ...]:
    red, green, off = each.first_red_at, each.last_red_at, each.off
    orders = each.orders
    made = [_figure("red after", "failed", each.on, red)]
    if red is not None:
        made = [MeasuredTime("red after", reaction_time(each.blamed_at, red), "failed")]
    since = each.relieved_at if each.reds and off is not None else None
    healed = green if since is not None and green is not None and green >= since else None
    made.append(_figure("green after its end", "good", since, healed))
    settled = None
    if off is not None and orders is not None and not orders.open_now:
        settled = orders.last_settled_at or off
    made.append(_figure("all settled after", "good", off, settled))
    return tuple(made)


def _figure(
    label: str, state: State, since: datetime | None, until: datetime | None
) -> MeasuredTime:
    if since is None or until is None:
        return MeasuredTime(label, "", "none")
    return MeasuredTime(label, seconds(until - since), state)


def _end(each: Incident, now: datetime) -> str:
    if each.off is None:
        return f"Loose for {seconds(now - each.on)}."
    last = max(each.windows, key=lambda window: window.off or each.on)
    after = seconds(each.off - each.on)
    by = f" by {last.ended_by}" if last.ended_by else ""
    if len(each.windows) > 1:
        how = "ran out by itself" if last.ended == "expired" else f"was called off{by}"
        return f"The last of {len(each.windows)} gremlins {how} after {after}."
    if last.ended == "expired":
        return f"Ran out by itself after {after}."
    return f"Called off after {after}{by}."


def _cost(each: Incident) -> list[str]:
    sentences = []
    orders = each.orders
    if orders is not None:
        placed = _made(orders)
        last = orders.last_settled_at
        if orders.open_now:
            of = f"{orders.open_now} of {orders.open_at_end}"
            sentences.append(f"{placed} meanwhile; {of} still open at its end are not settled yet.")
        elif orders.open_at_end and last is not None and each.off is not None:
            sentences.append(
                f"{placed} meanwhile, {orders.open_at_end} still open at its end; "
                f"all were settled {seconds(last - each.off)} later."
            )
        elif orders.placed or orders.payments:
            sentences.append(f"{placed} meanwhile, none left open.")
        else:
            sentences.append("Nobody ordered or paid meanwhile.")
    if (bites := _bites(each)) is not None:
        sentences.append(bites)
    if each.failures:
        request = "request" if each.failures == 1 else "requests"
        sentences.append(f"{count(each.failures)} {request} to the shop failed.")
    return sentences


def _made(of: OrdersMeanwhile) -> str:
    """The orders, and the payments without one; neither is named where there is only the other."""
    parts = []
    if of.placed or not of.payments:
        parts.append(f"{count(of.placed)} order{' was' if of.placed == 1 else 's were'} placed")
    if of.payments:
        parts.append(f"{count(of.payments)} payment{' was' if of.payments == 1 else 's were'} made")
    return " and ".join(parts)


def _bites(each: Incident) -> str | None:
    if each.bites is None:
        return None
    seen = "at least " if each.unseen_until is not None else ""
    if len(each.windows) == 1 or not each.bites:
        return f"It bit {seen}{_times(each.bites)}." if each.bites else "It bit nobody."
    bitten: Counter[str] = Counter()
    for window, number in zip(each.windows, each.counts, strict=True):
        bitten[gremlin(window)] += number or 0
    most = [f"{name} {_times(number)}" for name, number in bitten.most_common(_NAMED) if number]
    return f"They bit {seen}{_times(each.bites)}: {listed(most)}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{count(number)} times"
