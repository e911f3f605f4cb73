"""`valerix twin`: which unsafe twins there are, and one of them beside a small shop of ours."""

import asyncio
import contextlib

import click
import msgspec

from fleet.errors import CannotRun
from topology import PROCESSES
from twins import side_by_side
from twins.counting import Counts
from twins.side_by_side import Side, TwinComparison
from twins.small_shop import start
from twins.twin import NAMES, UNSAFE, Twin, find

_ROWS = {
    "stuck": "stuck",
    "charged_twice": "charged twice",
    "charged_without_goods": "charged without goods",
    "units_leaked": "units leaked",
}


def list_twins() -> None:
    """One line a twin."""
    for name in NAMES:
        click.echo(f"{name:20} {find(name).wrong}")


def compare_twin(name: str, *, customers: int, seconds: float, as_json: bool) -> int:
    """Both columns: 0 when ours holds and the twin is broken, 1 otherwise."""
    twin = _find(name)
    warn(twin)
    found = asyncio.run(
        side_by_side.compare(twin, customers=customers, seconds=seconds, say=_aside)
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(document(found))).decode())
    else:
        for line in table(found):
            click.echo(line)
    return 0 if found.shows else 1


def warn(twin: Twin) -> None:
    """Say in red what this is."""
    click.secho(f"{UNSAFE} {twin.name}: {twin.wrong}", fg="red", bold=True, err=True)


def document(found: TwinComparison) -> dict[str, object]:
    """The comparison for a script."""
    return {"mark": f"{UNSAFE} {found.twin}", "shows": found.shows, **msgspec.to_builtins(found)}


def table(found: TwinComparison) -> list[str]:
    """The comparison in two columns."""
    ours, theirs = found.ours, found.theirs
    mark = click.style(f"{UNSAFE:>22}", fg="red", bold=True)
    lines = ["", f"{'':24}{'':14}{mark}", f"{'':24}{'ours':>14}{found.twin:>22}"]
    for field, label in _ROWS.items():
        mine, other = getattr(ours.counts, field), getattr(theirs.counts, field)
        lines.append(f"  {label:22}{_figure(mine, 14)}{_figure(other, 22)}")
    lines.append(f"  {'of purchases':22}{_all(ours.counts):>14}{_all(theirs.counts):>22}")
    lines += ["", *(f"  the proof of {_verdict(each)}" for each in (ours, theirs))]
    if not found.shows:
        lines.append(click.style("  This run does not show the difference.", fg="red"))
    return lines


def _figure(count: int, width: int) -> str:
    return click.style(f"{count:>{width}}", fg="red" if count else None)


def _all(counts: Counts) -> int:
    # An order and its payment are one; in a shop without orders only payments are made.
    return counts.orders or counts.payments


def _verdict(side: Side) -> str:
    if side.proof == "holds":
        return f"{side.name}: every promise holds"
    ids = ", ".join(side.broken) or "nothing"
    what = f"{side.name}: {side.proof}, broken: {ids}"
    return click.style(what, fg="red")


def stay(name: str) -> None:
    """Run the twin in the foreground until Ctrl-C, with its dashboard."""
    twin = _find(name)
    warn(twin)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_stay(twin))


async def _stay(twin: Twin) -> None:
    _aside(f"starting the twin {twin.name}")
    keys = [process.key for process in PROCESSES]
    async with start(twin.name, keys=keys) as shop:
        for key, url in shop.urls.items():
            click.echo(f"  {key:12} {url}")
        click.echo(f"  {'logs':12} {shop.home.logs}")
        click.secho(f"  {UNSAFE} {twin.name}; stop: Ctrl-C", fg="red", bold=True)
        await shop.watch()


def _find(name: str) -> Twin:
    try:
        return find(name)
    except KeyError as error:
        raise CannotRun(str(error.args[0])) from None


def _aside(line: str) -> None:
    click.echo(line, err=True)
