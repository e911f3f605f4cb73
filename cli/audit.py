"""`valerix audit`: the audit log of the page Gremlins, as text."""

import json

import click

from cli.ask import asked


def show_audit(as_json: bool) -> None:
    """One line an entry, newest first."""
    found = asked("dashboard", "GET", "/api/audit")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found["rows"]:
        click.echo(
            f"{row['at'][:19]}Z  {row['action']:17}  {row['label']:18}  {row['service_name']:18}"
            f"  {row['actor']:12}  {row['detail']}".rstrip()
        )
