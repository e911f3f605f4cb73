"""The commands `valerix webhooks`; webhooks.py does what they say."""

from uuid import UUID

import click


@click.group()
def webhooks() -> None:
    """Where merchants want the events of their payments (docs/webhooks.md)."""


@webhooks.command("list")
def webhooks_list() -> None:
    """Every endpoint, with what was sent there, waits, or is dead."""
    from cli.webhooks import list_endpoints

    list_endpoints()


@webhooks.command("add")
@click.argument("merchant_id")
@click.argument("url")
@click.option("--type", "types", multiple=True, help="Such as payment.failed; every if absent.")
def webhooks_add(merchant_id: str, url: str, types: tuple[str, ...]) -> None:
    """Bring what happens to payments of MERCHANT_ID to URL; prints the secret, this once."""
    from cli.webhooks import add_endpoint

    add_endpoint(merchant_id, url, types)


@webhooks.command("remove")
@click.argument("endpoint_id", type=click.UUID)
def webhooks_remove(endpoint_id: UUID) -> None:
    """Bring nothing there any more; what waits is dead."""
    from cli.webhooks import remove_endpoint

    remove_endpoint(str(endpoint_id))


@webhooks.command("deliveries")
@click.option(
    "--state", default="", type=click.Choice(("", "waiting", "sent", "dead")), help="Only these."
)
@click.option("--merchant", default="", help="Only of this merchant.")
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True,
              help="How many of the newest.")  # fmt: skip
def webhooks_deliveries(state: str, merchant: str, limit: int) -> None:
    """What was brought where, newest first."""
    from cli.webhooks import list_deliveries

    list_deliveries(state, merchant, limit)


@webhooks.command("replay")
@click.argument("delivery_id", type=click.IntRange(1))
def webhooks_replay(delivery_id: int) -> None:
    """Try DELIVERY_ID once more, for as long as a new one."""
    from cli.webhooks import replay

    replay(delivery_id)
