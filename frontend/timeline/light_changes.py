"""What the lights did about the gremlins, in sentences that blame no more than can be known."""

from datetime import datetime, timedelta

from frontend.timeline.formatting import gremlin, listed, seconds
from frontend.web.templating import clock
from observatory.timeline.incident import ECHO_S, Incident, RedPeriods
from topology import LABELS


def reaction(each: Incident, now: datetime) -> str:
    """When which light turned red, after which gremlin."""
    unseen = each.unseen_until
    if unseen is not None and each.off is not None and unseen > each.off:
        return "That was before this dashboard was started: what the lights did is not known."
    said = []
    names = [LABELS[red.service] for red in each.reds]
    if unseen is not None:
        said.append(
            f"What the lights did before {clock(unseen)} is not known: "
            "this dashboard was not started yet."
        )
        if names:
            said.append(f"{listed(names)} {_be(names)} red later.")
    else:
        said += _reddenings(each)
    if not each.reds:
        said.append(_none_red(each, now))
    return " ".join(said)


def _none_red(each: Incident, now: datetime) -> str:
    if not each.had_traffic and each.orders and each.orders.placed:
        return "Orders were placed, but nothing was measured: what the lights did is not known."
    if not each.had_traffic:
        return "There was no traffic, so no light could change."
    if each.followed:
        return "No light was red before the next gremlin came, and from then on both count."
    if each.off is None or now < each.off + timedelta(seconds=ECHO_S):
        return "No light is red so far."
    return "No light turned red: on average every service answered within its second."


def _reddenings(each: Incident) -> list[str]:
    new = [red for red in each.reds if not red.before]
    already = [LABELS[red.service] for red in each.reds if red.before]
    said = []
    if new and all(red.causes == each.windows[:1] == each.windows for red in new):
        # One gremlin, and nothing else it could have been: no need to name it again.
        said.append(", ".join(_after(red, each, first=red is new[0]) for red in new) + ".")
    else:
        said += [f"{_blaming(red, each)}." for red in new]
    if already:
        said.append(f"{listed(already)} had been red already.")
    return said


def _after(red: RedPeriods, each: Incident, *, first: bool) -> str:
    turned = " turned red" if first else ""
    return f"{LABELS[red.service]}{turned} after {seconds(red.spans[0][0] - each.on)}"


def _blaming(red: RedPeriods, each: Incident) -> str:
    at = red.spans[0][0]
    light = f"{LABELS[red.service]} turned red"
    if not red.causes:
        return f"{light} after {seconds(at - each.on)}, with no gremlin that could explain it"
    known = [f"{seconds(at - cause.on)} after {gremlin(cause)}" for cause in red.causes]
    if len(known) == 1:
        return f"{light} {known[0]}"
    return f"{light} {listed(known, 'or')}: which of them did it cannot be told"


def recovery(each: Incident) -> str:
    """When every light was green again."""
    off = each.off
    if not each.reds or off is None:
        return ""
    if each.cut_at is not None:
        return "The next gremlin came before every light was green."
    green = each.last_red_at
    if green is None:
        still = [LABELS[red.service] for red in each.reds if red.spans[-1][1] is None]
        return f"{listed(still)} {'is' if len(still) == 1 else 'are'} still red."
    since = each.relieved_at
    if since is None or green < since:
        return "Every light was green again before its end."
    after = seconds(green - since)
    if all(red.then == "none" for red in each.reds):
        return f"No light was red {after} later, but nobody ordered any more either."
    if since != off:
        ended = [c for red in each.reds for c in red.causes if c.off == since]
        return f"Every light was green {after} after {gremlin(ended[0])} had ended."
    return f"Every light was green {after} later."


def _be(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"
