"""`valerix down`, `logs` and `reset`: end the running shop, read its logs, forget its data."""

import os
import shutil
import time
from collections.abc import Sequence

import click
import psutil

from cli.connect import demand_stopped
from fleet.errors import CannotRun, Failed
from fleet.run_dir import InUse, RunDirectory, find_run_directory

# Each process gets its time to finish, PostgreSQL last; together less than a minute.
_DOWN_WITHIN_S = 60.0
_POLL_S = 0.1


def stop_shop() -> None:
    """End the shop as Ctrl-C in its terminal would, also one that still starts, and return once
    nothing of it runs."""
    home = find_run_directory()
    try:
        with home.locked():
            click.echo(f"no shop runs in {home.path}")
            return
    except InUse as in_use:
        if in_use.holder is None or not in_use.holder.is_shop:
            raise  # another command, which ends by itself
        pid = in_use.holder.pid
    try:
        psutil.Process(pid).terminate()
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        raise CannotRun(f"the shop (pid {pid}) is another user's") from None
    _wait_until_free(home, pid)
    click.echo("stopped; the data stays (`valerix reset` forgets it)")


def _wait_until_free(home: RunDirectory, pid: int) -> None:
    """The shop holds its folder until everything that it started has ended."""
    end = time.monotonic() + _DOWN_WITHIN_S
    while True:
        try:
            with home.locked():
                return
        except InUse:
            if time.monotonic() >= end:
                raise Failed(f"the shop (pid {pid}) runs on: its terminal says why") from None
        time.sleep(_POLL_S)


def show_logs(processes: Sequence[str], lines: int, *, follow: bool) -> None:
    """The newest lines of each log, by tail(1), which this process becomes."""
    home = find_run_directory()
    wanted = [home.log(key) for key in processes] or sorted(home.logs.glob("*.log"))
    found = [str(log) for log in wanted if log.exists()]
    if not found:
        raise CannotRun(f"there are no such logs in {home.logs}: start a shop with `make up`")
    tail = shutil.which("tail")
    if tail is None:
        raise CannotRun(f"tail(1) is not installed; the logs are files in {home.logs}")
    os.execv(tail, [tail, f"-n{lines}", *(["-F"] if follow else []), *found])  # noqa: S606 - no shell


def reset_shop(*, asks: bool) -> None:
    """Throw away the shop's database and what the dashboard kept; the logs stay."""
    demand_stopped("forget its data")
    home = find_run_directory()
    if not home.data.exists():
        click.echo(f"there is no data in {home.path}")
        return
    if asks:
        click.confirm(f"Forget all orders, payments and telemetry in {home.path}?", abort=True)
    with home.locked():
        home.forget()
    click.echo("forgotten; the next start is a first one")
