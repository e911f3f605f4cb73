"""How a command in another terminal finds the shop: the one that runs, or its database."""

import contextlib
import os
from collections.abc import Iterator
from typing import TypeVar

import click
import msgspec

from chassis.settings import BadSetting, Settings
from fleet.errors import CannotRun
from fleet.postgres import PostgresServer, serving
from fleet.run_dir import find_run_directory
from fleet.settings import load_as

S = TypeVar("S", bound=Settings)


@contextlib.contextmanager
def open_database() -> Iterator[str]:
    """The URL of the database to work on; the embedded one is started for the duration if need be.

    Notes go to standard error: standard output is for the result.
    """
    if given := os.environ.get("VALERIX_DATABASE_URL"):
        yield given
        return
    home = find_run_directory()
    if running := home.running():
        yield running.database_url
        return
    with home.locked(), serving(PostgresServer(home.data, home.log("postgres"), say=_note)) as url:
        yield url


def is_idle() -> bool:
    """Whether nothing runs on the embedded database; of a given one this is not known."""
    return "VALERIX_DATABASE_URL" not in os.environ and find_run_directory().running() is None


def demand_history() -> None:
    """Raise one line when there is no database yet: an empty one would prove nothing."""
    if is_idle() and not (home := find_run_directory()).data.exists():
        raise CannotRun(
            f"no shop has run in {home.path}: start one with `make up`, or say in"
            " VALERIX_DATABASE_URL where its database is (of one in containers: docs/stack.md)"
        )


def demand_stopped(what: str) -> None:
    """Raise one line when the shop runs: its services were written for the schema they found."""
    if running := find_run_directory().running():
        raise CannotRun(f"the shop is running (pid {running.pid}): stop it first to {what}")


@contextlib.contextmanager
def shop_settings(shape: type[S]) -> Iterator[S]:
    """The dashboard's settings, as far as `shape` declares them, with the database and the
    addresses of the running shop."""
    running = find_run_directory().running()
    with open_database() as database_url:
        try:
            settings = load_as(shape, "dashboard")
        except BadSetting as error:
            raise CannotRun(str(error)) from None
        urls = {**settings.urls, **(running.urls if running else {})}
        known: dict[str, object] = {"database_url": database_url, "urls": urls}
        if not getattr(settings, "proof_head", "no such setting"):
            known["proof_head"] = str(find_run_directory().chain_head)
        yield msgspec.structs.replace(settings, **known)


def _note(line: str) -> None:
    click.echo(line, err=True)
