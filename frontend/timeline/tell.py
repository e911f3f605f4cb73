"""Incidents in sentences with numbers; what was not seen is said, never guessed. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from frontend.paint import THIN, clock, count
from frontend.timeline.incident import ECHO_S, Incident, Reddening
from frontend.timeline.lanes import lanes, length
from frontend.timeline.views import Figure, IncidentView, ReactionView, TimelineView
from frontend.timeline.windows import Window
from frontend.views import State
from frontend.words import KIND_LABELS, LABELS

_WORDS: dict[str, tuple[str, str]] = {
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
        red = each.first_red_at
        if red is None:
            continue
        after = seconds(red - each.on)
        text = f"Last: red in {after}"
        detail = f"A light was red {after} after {_title(each.windows)}"
        if each.off is not None and each.last_red_at is not None and each.last_red_at > each.off:
            after = seconds(each.last_red_at - each.off)
            text, detail = f"{text}, green in {after}", f"{detail}, and green {after} after its end"
        return ReactionView(text, detail)
    return ReactionView()


def seconds(length: timedelta) -> str:
    """A measured time: 4.2 s, 14 s, 2 min 5 s."""
    total = max(0.0, length.total_seconds())
    if total < 9.95:
        return f"{total:.1f}{THIN}s"
    whole = round(total)
    if whole < 120:
        return f"{whole}{THIN}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}{THIN}min" + (f" {rest}{THIN}s" if rest else "")


def _row(each: Incident, now: datetime) -> IncidentView:
    state, word = _WORDS[each.phase]
    return IncidentView(
        id=f"{each.on.timestamp():.0f}-{each.windows[0].service}-{each.windows[0].name}",
        title=_title(each.windows),
        phase=each.phase,
        state=state,  # type: ignore[arg-type]
        word=word,
        actor=each.windows[0].actor,
        at=each.on,
        figures=_figures(each),
        lanes=lanes(each, now),
        length=seconds(length(each, now)),
        sentences=tuple(
            sentence
            for sentence in (_reaction(each, now), _end(each, now), _recovery(each), *_cost(each))
            if sentence
        ),
    )


def _title(windows: tuple[Window, ...]) -> str:
    names = list(dict.fromkeys(f"{_label(w)} on {LABELS[w.service].lower()}" for w in windows))
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _label(window: Window) -> str:
    return f"{KIND_LABELS.get(window.kind, window.kind)} {window.detail}".strip()


def _figures(each: Incident) -> tuple[Figure, ...]:
    red, green, off = each.first_red_at, each.last_red_at, each.off
    orders = each.orders
    made = [_figure("red after", "failed", each.on, red)]
    healed = green if off is not None and green is not None and green >= off else None
    made.append(_figure("green after its end", "good", off, healed))
    settled = None
    if off is not None and orders is not None and not orders.open_now:
        settled = orders.last_settled_at or off
    made.append(_figure("all settled after", "good", off, settled))
    return tuple(made)


def _figure(label: str, state: State, since: datetime | None, until: datetime | None) -> Figure:
    if since is None or until is None:
        return Figure(label, "", "none")
    return Figure(label, seconds(until - since), state)


def _reaction(each: Incident, now: datetime) -> str:
    unseen = each.unseen_until
    if unseen is not None and each.off is not None and unseen > each.off:
        return "The dashboard was not watching then: what the lights did is not known."
    said = []
    names = [LABELS[red.service] for red in each.reds]
    if unseen is not None:
        said.append(f"What the lights did before {clock(unseen)} is not known: nobody watched.")
        if names:
            said.append(f"{' and '.join(names)} {_be(names)} red later.")
    else:
        said += _reddenings(each)
    if not each.reds and not each.had_traffic:
        said.append("There was no traffic, so no light could change.")
    elif not each.reds:
        waiting = each.off is None or now < each.off + timedelta(seconds=ECHO_S)
        said.append(
            "No light is red so far."
            if waiting
            else "No light turned red: on average every service answered within its second."
        )
    return " ".join(said)


def _reddenings(each: Incident) -> list[str]:
    said = []
    new = [
        f"{LABELS[red.service]}{' turned red' * first} after {seconds(red.spans[0][0] - each.on)}"
        for first, red in _with_first(red for red in each.reds if not red.before)
    ]
    already = [LABELS[red.service] for red in each.reds if red.before]
    if new:
        said.append(", ".join(new) + ".")
    if already:
        said.append(f"{' and '.join(already)} had been red already.")
    return said


def _with_first(reds: Iterable[Reddening]) -> Iterator[tuple[bool, Reddening]]:
    return ((index == 0, red) for index, red in enumerate(reds))


def _be(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _end(each: Incident, now: datetime) -> str:
    if each.off is None:
        return f"Loose for {seconds(now - each.on)}."
    last = max(each.windows, key=lambda window: window.off or each.on)
    after = seconds(each.off - each.on)
    if len(each.windows) > 1:
        return f"The last of {len(each.windows)} gremlins ended after {after}."
    if last.ended == "expired":
        return f"Ran out by itself after {after}."
    return f"Called off after {after}" + (f" by {last.ended_by}." if last.ended_by else ".")


def _recovery(each: Incident) -> str:
    if not each.reds or each.off is None:
        return ""
    if each.cut_at is not None:
        return "The next gremlin came before every light was green."
    green = each.last_red_at
    if green is None:
        still = [LABELS[red.service] for red in each.reds if red.spans[-1][1] is None]
        return f"{' and '.join(still)} {'is' if len(still) == 1 else 'are'} still red."
    if green < each.off:
        return "Every light was green again before its end."
    after = seconds(green - each.off)
    if all(red.then == "none" for red in each.reds):
        return f"No light was red {after} later, but nobody ordered any more either."
    return f"Every light was green {after} later."


def _cost(each: Incident) -> list[str]:
    said = []
    orders = each.orders
    if orders is not None:
        placed = f"{count(orders.placed)} order{' was' if orders.placed == 1 else 's were'} placed"
        last = orders.last_settled_at
        if orders.open_now:
            of = f"{orders.open_now} of {orders.open_at_end}"
            said.append(f"{placed} meanwhile; {of} still open at its end are not settled yet.")
        elif orders.open_at_end and last is not None and each.off is not None:
            said.append(
                f"{placed} meanwhile, {orders.open_at_end} still open at its end; "
                f"all were settled {seconds(last - each.off)} later."
            )
        elif orders.placed:
            said.append(f"{placed} meanwhile, none left open.")
        else:
            said.append("Nobody ordered meanwhile.")
    if each.bites is not None:
        seen = "at least " if each.unseen_until is not None else ""
        times = "once" if each.bites == 1 else f"{count(each.bites)} times"
        said.append(f"It bit {seen}{times}." if each.bites else "It bit nobody.")
    if each.failures:
        request = "request" if each.failures == 1 else "requests"
        said.append(f"{count(each.failures)} {request} to the shop failed.")
    return said
