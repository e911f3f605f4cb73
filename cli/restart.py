"""`valerix restart`: a running shop is asked to restart one of its processes, and stays open."""

import asyncio
import time

import click

from fleet.client import ControlClient, RequestRefused, Verb
from fleet.errors import CannotRun, Failed
from fleet.run_dir import find_run_directory


def restart(process: str, *, away_s: float, kill: bool) -> None:
    """Return once it works again, and print how long that took."""
    home = find_run_directory()
    if home.running() is None:
        raise CannotRun("the shop is not running: start it with `valerix up`")
    verb: Verb = "kill" if kill else "restart"
    control, begun = ControlClient(home.control), time.monotonic()

    async def ask() -> None:
        number = await control.take_down(verb, process, away_s, "cli")
        click.echo(f"{process} is down; back in {away_s:g} s at the soonest")
        await control.wait_until_back(number)

    try:
        asyncio.run(ask())
    except RequestRefused as error:
        raise Failed(str(error)) from None
    click.echo(f"{process} is back after {time.monotonic() - begun:.1f} s")
