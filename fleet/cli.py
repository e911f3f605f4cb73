"""The command line: every verb a person or a script can say to the shop."""

import click


@click.group()
def main() -> None:
    """A small shop under glass."""
