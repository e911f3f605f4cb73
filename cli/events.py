"""`valerix events`: what is on its way between processes, and whether all of it arrived."""

import time
from urllib.parse import quote, urlencode

import click

from cli.ask import asked
from fleet.errors import Failed

_EVERY_S = 1.0


def tail(follow: bool, limit: int, **filters: str) -> None:
    """Print the newest events, the newest last; with `follow` also what comes after them."""
    seen: set[str] = set()
    while True:
        query = urlencode({"limit": limit, **{k: v for k, v in filters.items() if v}})
        page = asked("relay", "GET", f"/events?{query}")
        for each in reversed(page["events"]):
            if each["event_id"] not in seen:
                seen.add(each["event_id"])
                state = "confirmed" if each["confirmed_at"] else "waiting"
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


def verify() -> None:
    """Print the gapless proof; raises `Failed` where something is missing."""
    found = asked("relay", "GET", "/events/verify")
    taken = ", ".join(f"{name} {count}" for name, count in sorted(found["consumed"].items()))
    click.echo(
        f"{found['aggregates']} aggregates: committed {found['committed']}, positioned"
        f" {found['positioned']}, confirmed {found['confirmed']}, consumed {taken or 'by nobody'}"
    )
    for each in found["gaps"]:
        click.echo(f"  {each['aggregate']}/{each['aggregate_id']}: {each}")
    if not found["is_gapless"]:
        raise Failed(f"{found['aggregates_with_gaps']} aggregates are not whole")
