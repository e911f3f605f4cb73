"""`valerix act`: which acts there are, what is in them, and playing them on the running shop."""

import contextlib
import os
from collections.abc import Iterator

import click
from msgspec.structs import replace

from cli.connect import is_idle, shop_settings
from fleet.errors import CannotRun
from fleet.run_dir import find_run_directory
from scenarios.failures import CannotPlay
from scenarios.loader import BadAct, Scenario, find, read, read_all
from scenarios.settings import ScenarioSettings

EVERY = "all"


def list_acts() -> None:
    """One line an act; one that cannot be read says why."""
    broken = []
    for each in read_all():
        if isinstance(each, BadAct):
            broken.append(str(each))
        else:
            click.echo(f"{each.name:24} {each.act.title}: {' '.join(each.act.teaches.split())}")
    if broken:
        raise CannotRun("; ".join(broken))


def show_act(name: str) -> None:
    """What an act says and does, step by step."""
    from scenarios.console_log import describe_scenario

    for line in describe_scenario(_read(name)):
        click.echo(line)


def play_act(name: str) -> int:
    """For an audience."""
    from scenarios.cli import play

    scenario = _read(name)
    with _running_shop() as settings, _one_line():
        return play(settings, scenario, click.echo, _aside)


def check_acts(name: str, *, quick: bool) -> int:
    """For a machine: one act, or every one in turn."""
    from scenarios.cli import check
    from scenarios.timing import QUICK, USUAL

    scenarios = [_read(name)] if name != EVERY else _read_every()
    with _running_shop() as settings, _one_line():
        return check(settings, scenarios, QUICK if quick else USUAL, click.echo, _aside)


def _read(name: str) -> Scenario:
    try:
        return read(find(name))
    except BadAct as bad:
        raise CannotRun(str(bad)) from None


def _read_every() -> list[Scenario]:
    found = read_all()
    if bad := [str(each) for each in found if isinstance(each, BadAct)]:
        raise CannotRun("; ".join(bad))
    return [each for each in found if isinstance(each, Scenario)]


@contextlib.contextmanager
def _running_shop() -> Iterator[ScenarioSettings]:
    if is_idle():
        raise CannotRun("the shop is not running: start it with `valerix up`")
    home = find_run_directory()
    with shop_settings(ScenarioSettings) as settings:
        ours = home.running() is not None and "VALERIX_DATABASE_URL" not in os.environ
        yield replace(settings, control=str(home.control)) if ours else settings


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except CannotPlay as why:
        raise CannotRun(str(why)) from None


def _aside(line: str) -> None:
    click.echo(line, err=True)
