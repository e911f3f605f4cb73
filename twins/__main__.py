"""Supervises one small shop, a twin or ours: `python -m twins NAME KEY...` (see small_shop.py)."""

import click

from fleet import children
from fleet.up import Layout, run_shop
from twins.twin import OURS


@click.command()
@click.argument("name")
@click.argument("keys", nargs=-1, required=True)
def main(name: str, keys: tuple[str, ...]) -> None:
    """Run it until a signal; its data is thrown away."""

    def command(key: str) -> list[str]:
        return children.python_command("twins.run", name, key)

    ours = children.run_command
    run_shop(Layout(keys, ours if name == OURS else command, keeps_data=False))


if __name__ == "__main__":
    main()
