"""`valerix restart`: a running shop is asked to restart one of its processes, and stays open."""

import asyncio
import time
from typing import Literal

import click

from fleet.client import ControlClient, Process, RequestRefused
from fleet.errors import CannotRun, Failed
from fleet.run_dir import find_run_directory


def restart(process: Process, *, away_s: float, kill: bool) -> None:
    """Return once it works again; says how long that took."""
    home = find_run_directory()
    if home.running() is None:
        raise CannotRun("the shop is not running: start it with `valerix up`")
    verb: Literal["kill", "restart"] = "kill" if kill else "restart"
    backstage, begun = ControlClient(home.control), time.monotonic()

    async def ask() -> None:
        number = await backstage.ask(verb, process, away_s, "cli")
        click.echo(f"{process} is down; back in {away_s:g} s at the soonest")
        await backstage.back(number)

    try:
        asyncio.run(ask())
    except RequestRefused as error:
        raise Failed(str(error)) from None
    click.echo(f"{process} is back after {time.monotonic() - begun:.1f} s")
