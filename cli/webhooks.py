"""`valerix webhooks`: where merchants want their events, and what became of them."""

from urllib.parse import quote

import click

from chassis.http.query import with_query
from cli.ask import asked
from services.events.webhook_sender.contract import MOST_COUNTED

_KEY = "webhook_sender"


def list_endpoints() -> None:
    """Print one line an endpoint."""
    for each in asked(_KEY, "GET", "/endpoints")["endpoints"]:
        sent, waiting, dead = (
            f"{each[state]}{'+' if each[state] >= MOST_COUNTED else ''} {state}"
            for state in ("sent", "waiting", "dead")
        )
        because = f"  disabled: {each['disabled_because']}" if each["disabled_at"] else ""
        click.echo(
            f"{each['endpoint_id']}  {each['merchant_id']:8} {each['url']}  {sent},"
            f" {waiting}, {dead}{because}"
        )


def add_endpoint(merchant: str, url: str, types: tuple[str, ...]) -> None:
    """Make an endpoint and print its id and its secret, this once."""
    body = {"merchant_id": merchant, "url": url, **({"types": list(types)} if types else {})}
    made = asked(_KEY, "POST", "/endpoints", body)
    click.echo(f"{made['endpoint_id']}  {made['secret']}")


def remove_endpoint(endpoint_id: str) -> None:
    """Bring nothing there any more."""
    asked(_KEY, "DELETE", f"/endpoints/{quote(endpoint_id, safe='')}")
    click.echo(f"nothing is brought to {endpoint_id} any more")


def list_deliveries(state: str, merchant: str, limit: int) -> None:
    """Print the newest deliveries, one a line."""
    given = {"limit": limit, "state": state.upper(), "merchant_id": merchant}
    for each in asked(_KEY, "GET", with_query("/deliveries", **given))["deliveries"]:
        what = f"{each['state']:8} {each['type']:18} {each['payment_id']}  {each['merchant_id']:8}"
        why = f"tried {each['attempts']}x  {each['last_reason'] or ''}"
        click.echo(f"{each['delivery_id']:6} {what} {why}".rstrip())


def replay(delivery_id: int) -> None:
    """Try a delivery once more."""
    asked(_KEY, "POST", f"/deliveries/{delivery_id}/replay")
    click.echo("it is tried again, for another day: valerix webhooks deliveries")
