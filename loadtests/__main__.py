"""`make load` and `make locust`: their options, checked before anything starts."""

import math
import random
from pathlib import Path
from typing import Any

import click
import msgspec

from fleet.errors import CannotRun
from fleet.ports import demand_free, free_port
from fleet.run_dir import find_run_directory
from fleet.streams import CommandLine
from loadtests import run as running
from loadtests.folders import PLAN, new_folder
from loadtests.judge import Demands
from loadtests.plan import LoadPlan, new_tag
from loadtests.stock import Delivery, restock
from loadtests.target import Target, demand_open, find_target
from loadtests.trend import append, newest_report
from scenarios.load_profiles import PROFILES, RATES, SCALES, Profile, Thresholds
from topology import KEYS

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - to be shown, not to be bound
_EXITS = (
    "Exit codes: 0 everything was kept, 1 something was broken, 2 it could not be run or judged."
)


class Number(click.ParamType[float]):
    """A number within bounds, refused in one line that names the variable of `make`."""

    name = "number"

    def __init__(self, what: str, bounds: tuple[float, float], *, whole: bool = False) -> None:
        self._what, self._bounds, self._whole = what, bounds, whole

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number; a NaN is in no bounds."""
        low, high = self._bounds
        try:
            number = int(value) if self._whole else float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            kind = "a whole number" if self._whole else "a number"
            raise CannotRun(f"{self._what}={value} is not {kind} from {low:g} to {high:g}")
        return number


def _shop_options(command: Any) -> Any:
    """Where the shop is; without them the one that runs from VALERIX_HOME."""
    for key in reversed([key for key in KEYS if key != "order"]):
        command = click.option(f"--{key}-url", help=f"Where its {key} is.")(command)
    return click.option("--order-url", "--host", help="Which shop: its order service.")(command)


def _run_options(command: Any) -> Any:
    """How hard and how long."""
    options = (
        click.option("--scale", type=Number("SCALE", SCALES), default="1", help="Stretch time."),
        click.option("--rate", type=Number("RATE", RATES), help="Open loop: visits a second."),
        click.option("--workers", type=Number("WORKERS", (0, 1024), whole=True), default="0",
                     help="Worker processes, at most one a core."),
        click.option("--seed", type=int, help="Repeat a run's random choices."),
        click.option("--restock/--no-restock", "delivers", default=True,
                     help="A delivery of stock before the run."),
        click.option("--p95", type=Number("--p95", (1, 1e6)), help="Threshold in ms."),
        click.option("--p99", type=Number("--p99", (1, 1e6)), help="Threshold in ms."),
        click.option("--errors", type=Number("--errors", (0, 100)), help="Threshold in percent."),
        click.option("--success", type=Number("--success", (0, 100)), help="The same."),
        click.option("--settle", "settle_s", type=Number("--settle", (0, 3600)), default="60",
                     help="Seconds in which open orders must settle."),
        click.option("--alone", is_flag=True,
                     help="Nobody else shops: an unknown order is one made twice."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(
    cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXITS
)
def main() -> None:
    """Load with a verdict."""


@main.command()
@click.option("--profile", default="smoke", help="One of: " + ", ".join(PROFILES) + ".")
@click.option("--report", "folder", type=click.Path(path_type=Path), help="Where to write it.")
@_run_options
@_shop_options
def run(profile: str, folder: Path | None, **options: Any) -> None:
    """Run one profile and judge it."""
    what = _profile(profile)
    workers, note = running.workers_for(options["workers"])
    if note:
        click.echo(f"  {note}")
    target = _target(options)
    plan = _plan(what, target, options, workers)
    delivery = _prepare(target, plan, delivers=options["delivers"])
    demands = _demands(what.thresholds, options)
    folder = new_folder(plan.profile, folder)
    raise SystemExit(running.run(plan, target, demands, folder, str(delivery)))


@main.command()
@click.option("--profile", default="load", help="The one to begin with.")
@click.option("--web-host", default="127.0.0.1", help="Where the page is.")
@click.option("--web-port", type=Number("--web-port", (1, 65535), whole=True), default="8089")
@click.option("--listen", default="", help="HOST:PORT for workers on other machines.")
@_run_options
@_shop_options
def web(profile: str, web_host: str, web_port: int, listen: str, **options: Any) -> None:
    """Locust's own page; each run that ends there is judged and leaves a report."""
    what = _profile(profile)
    workers, note = running.workers_for(options["workers"])
    if note:
        click.echo(f"  {note}")
    demand_free("Locust's page", web_host, web_port, "choose another with --web-port")
    target = _target(options)
    plan = _plan(what, target, options, workers)
    # Any profile may be chosen on the page, so the delivery is for the longest.
    longest = msgspec.structs.replace(plan, scale=SCALES[1])
    delivery = str(_prepare(target, longest, delivers=options["delivers"]))
    click.echo(f"  {delivery}")
    master = ""
    if workers or listen:
        listen = listen or f"127.0.0.1:{free_port()}"
        master = f"127.0.0.1:{listen.rpartition(':')[2]}"
    folder = find_run_directory().reports / "page"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLAN).write_bytes(msgspec.json.encode(plan))
    arguments = [f"--host={web_host}", f"--web-port={web_port}"] + (
        [f"--listen={listen}"] * bool(listen)
    )

    def judged(report: Path) -> int:
        plan = msgspec.json.decode((report / PLAN).read_bytes(), type=LoadPlan)
        demands = _demands(plan.what.thresholds, options)
        return running.conclude(report, find_target(plan.urls), demands, delivery)

    page = f"http://{'127.0.0.1' if web_host == _EVERYWHERE else web_host}:{web_port}"
    click.echo(f"  Locust's page: {page}     newest report: {page}/report     stop: Ctrl-C")
    running.serve(folder, target, arguments, workers, master, judged)


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="trend.csv")
@click.option("--report", type=click.Path(path_type=Path, exists=True), help="Which report.json.")
def trend(file: Path, report: Path | None) -> None:
    """Add the newest report to a CSV file of runs."""
    click.echo(append(file, report or newest_report()))


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise CannotRun(f"no profile is called {name!r}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]


def _target(options: dict[str, Any]) -> Target:
    return find_target({key: options[f"{key}_url"] for key in KEYS})


def _plan(what: Profile, target: Target, options: dict[str, Any], workers: int) -> LoadPlan:
    seed = options["seed"] if options["seed"] is not None else random.randrange(1, 2**31)  # noqa: S311
    return LoadPlan(
        what.name, target.urls, new_tag(), seed,
        scale=options["scale"], rate=options["rate"] or 0.0, workers=workers,
    )  # fmt: skip


def _prepare(target: Target, plan: LoadPlan, *, delivers: bool) -> Delivery | str:
    """See that the shop is open, and fill its shelves; or one line that says what is wrong."""
    demand_open(target, inventory=delivers)
    if not delivers:
        return "no delivery before the run: it may end with empty shelves"
    return restock(target, plan)


def _demands(thresholds: Thresholds, options: dict[str, Any]) -> Demands:
    given = {
        "p95_ms": options["p95"], "p99_ms": options["p99"],
        "errors_percent": options["errors"], "success_percent": options["success"],
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value is not None}
    return Demands(
        msgspec.structs.replace(thresholds, **chosen), options["settle_s"], alone=options["alone"]
    )


if __name__ == "__main__":
    main()
