"""Describes light changes; names a gremlin only when the timing proves it."""

from datetime import datetime, timedelta

from frontend.timeline.formatting import gremlin, listed, seconds
from frontend.web.formatting import clock
from observatory.sla import FAILING_SHARE, LIGHT_LABELS
from observatory.timeline.incident import ECHO_S, Incident, RedPeriods
from topology import LABELS


def reaction(each: Incident, now: datetime) -> str:
    """When which light turned red, after which gremlin."""
    unseen = each.unseen_until
    if unseen is not None and each.off is not None and unseen > each.off:
        return "That was before this dashboard was started: what the lights did is not known."
    sentences = []
    names = [LABELS[red.service] for red in each.reds]
    if unseen is not None:
        sentences.append(
            f"What the lights did before {clock(unseen)} is not known: "
            "this dashboard was not started yet."
        )
        if names:
            sentences.append(f"{listed(names)} {_be(names)} red later.")
    else:
        sentences += _reddenings(each)
    if not each.reds:
        sentences.append(_none_red(each, now))
    return " ".join(sentences)


def _none_red(each: Incident, now: datetime) -> str:
    if not each.had_traffic and each.orders and (each.orders.placed or each.orders.payments):
        return "Requests were made, but nothing was measured: what the lights did is not known."
    if not each.had_traffic:
        return "There was no traffic, so no light could change."
    if each.followed:
        return "No light was red before the next gremlin came, and from then on both count."
    if each.off is None or now < each.off + timedelta(seconds=ECHO_S):
        return "No light is red so far."
    return (
        "No light turned red: on average every service answered within its second, and at most "
        f"{FAILING_SHARE:.0%} of its requests failed."
    )


def _reddenings(each: Incident) -> list[str]:
    new = [red for red in each.reds if not red.before]
    already = [LABELS[red.service] for red in each.reds if red.before]
    sentences = []
    if new and all(red.causes == each.windows[:1] == each.windows for red in new):
        # One gremlin, and nothing else it could have been: no need to name it again.
        sentences.append(", ".join(_after(red, each, first=red is new[0]) for red in new) + ".")
    else:
        sentences += [f"{_blaming(red, each)}." for red in new]
    if already:
        sentences.append(f"{listed(already)} had been red already.")
    return sentences


def _after(red: RedPeriods, each: Incident, *, first: bool) -> str:
    turned = f" turned red{_how(red)}" if first or red.first == "failing" else ""
    return f"{LABELS[red.service]}{turned} after {seconds(red.spans[0][0] - each.on)}"


def _how(red: RedPeriods) -> str:
    """Too slow is what red used to mean alone; the other kind is named."""
    return f" (“{LIGHT_LABELS['failing']}”)" if red.first == "failing" else ""


def _blaming(red: RedPeriods, each: Incident) -> str:
    at = red.spans[0][0]
    light = f"{LABELS[red.service]} turned red{_how(red)}"
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
