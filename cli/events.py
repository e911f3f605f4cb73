"""`valerix events`: what is on its way between processes, and whether all of it arrived."""

import time
from typing import Any
from urllib.parse import quote, urlencode

import click

from cli.ask import asked
from fleet.errors import CannotRun, Failed

_EVERY_S = 1.0


def tail(follow: bool, limit: int, **filters: str) -> None:
    """Print the newest events, the newest last; with `follow` also what comes after them, and again
    what was waiting once it is published. A relay that goes away meanwhile is waited for."""
    query = urlencode({"limit": limit, **{k: v for k, v in filters.items() if v}})
    seen, answers = set[tuple[str, str]](), False
    while True:
        try:
            events, answers = asked("relay", "GET", f"/events?{query}")["events"], True
        except (CannotRun, Failed) as error:
            # One that never answered is somewhere else, or not there.
            if not (follow and answers):
                raise
            click.echo(f"{error}; it is asked again", err=True)
            events = []
        for each in reversed(events):
            state = "confirmed" if each["confirmed_at"] else "waiting"
            if (each["event_id"], state) not in seen:
                seen.add((each["event_id"], state))
                about = f"{each['aggregate']}/{each['aggregate_id']}#{each['aggregate_seq']}"
                click.echo(f"{each['at']}  {each['type']:18} {about}  {state}  {each['trace_id']}")
        if not follow:
            return
        time.sleep(_EVERY_S)


def lag() -> None:
    """Print what is not published, and what each consumer has not taken."""
    found = asked("relay", "GET", "/events/lag")
    click.echo(
        f"{found['transport']}: position {found['position']}, {found['unpublished']} unpublished,"
        f" leader {found['leader'] or 'none'}"
    )
    if found["trouble"]:
        click.echo(f"the transport refuses: {found['trouble']}")
    for each in found["consumers"]:
        click.echo(f"{each['consumer']:20} {each['events']} behind, {each['oldest_s']:.1f} s")


def dead() -> None:
    """Print what was put aside, with its reason."""
    parked = asked("relay", "GET", "/events/parked")["parked"]
    for each in parked:
        about = f"{each['aggregate']}/{each['aggregate_id']}#{each['aggregate_seq']}"
        click.echo(
            f"{each['consumer']}  {each['event_id']}  {each['kind']}  {about}: {each['reason']}"
        )
    if not parked:
        click.echo("nothing is parked")


def replay(consumer: str, event_id: str) -> None:
    """Let a parked event be tried again."""
    path = f"/events/parked/{quote(consumer, safe='')}/{quote(event_id, safe='')}/replay"
    asked("relay", "POST", path)
    click.echo("it will be tried within a second: valerix events dead")


def verify(wait_s: float) -> None:
    """Print the gapless proof, as soon as it holds or `wait_s` are over; raises `Failed` where an
    event is missing or out of order, or still on its way after that time."""
    end = time.monotonic() + wait_s
    while True:
        found = asked("relay", "GET", "/events/verify")
        left_s = end - time.monotonic()
        if found["is_gapless"] or found["is_at_fault"] or left_s <= 0:
            break
        time.sleep(min(_EVERY_S, left_s))
    _print_proof(found)
    if found["is_at_fault"]:
        where = f"of {found['aggregates_at_fault']} aggregates, or in the one order of all"
        raise Failed(f"events are missing or out of order: {where}")
    if found["is_gapless"]:
        click.echo("gapless: every event is where it should be")
    elif wait_s:
        raise Failed(
            f"still on their way after {wait_s:g} s; `valerix events lag` and `valerix events dead`"
            " say where"
        )
    else:
        click.echo("nothing is missing so far; with --wait SECONDS it is waited for")


def _print_proof(found: dict[str, Any]) -> None:
    """How many events are where, what that leaves open, and a table of where that is."""
    click.echo(
        f"{found['aggregates']} aggregates: {found['committed']} events committed,"
        f" {found['positioned']} positioned, {found['confirmed']} published"
    )
    for consumer, wanted in sorted(found["wanted"].items()):
        click.echo(f"  {consumer:18} consumed {found['consumed'].get(consumer, 0)} of {wanted}")
    gaps = [_open_work(each) for each in found["gaps"]]
    widths = [max(map(len, column)) for column in zip(*gaps, strict=True)]
    for each in gaps:
        cells = (cell.ljust(width) for cell, width in zip(each, widths, strict=True))
        click.echo("  ".join(("", *cells)).rstrip())
    if hidden := found["aggregates_with_gaps"] - len(gaps):
        click.echo(f"  and {hidden} more aggregates")


def _open_work(gap: dict[str, Any]) -> tuple[str, str, str]:
    """Of one aggregate: which, how far it is, and what is wrong or still to be done."""
    behind = [
        f"{wanted - taken} not consumed yet by {consumer}"
        for consumer, wanted in sorted(gap["wanted"].items())
        if wanted > (taken := gap["consumed"].get(consumer, 0))
    ]
    unpublished = gap["committed"] - gap["confirmed"]
    still = [*([f"{unpublished} not published yet"] if unpublished else []), *behind]
    return (
        f"{gap['aggregate']}/{gap['aggregate_id']}",
        f"{gap['confirmed']} of {gap['committed']} published",
        f"WRONG: {gap['fault']}" if gap["fault"] else ", ".join(still),
    )
