"""The commands `valerix traffic` and `valerix load`; loads.py does what they say."""

import click


@click.group()
def traffic() -> None:
    """Steady traffic in the running shop: customers, payers and wallets, until it is stopped."""


@traffic.command("start")
@click.option("--rate", default=5.0, show_default=True, help="Visits a second.")
@click.option(
    "--mix",
    default="orders=6,payments=3,wallets=1",
    show_default=True,
    help="What they do, as weights.",
)
@click.option("--minutes", default=60, show_default=True, help="After that it ends by itself.")
def traffic_start(rate: float, mix: str, minutes: int) -> None:
    """Turn it on."""
    from cli.loads import start_traffic

    start_traffic(rate, mix, minutes)


@traffic.command("stop")
def traffic_stop() -> None:
    """Turn it off."""
    from cli.loads import stop_traffic

    stop_traffic()


@traffic.command("status")
def traffic_status() -> None:
    """Whether it is on, and what came of it."""
    from cli.loads import show_traffic

    show_traffic()


@click.group()
def load() -> None:
    """Load profiles, run by the running shop; `make load` runs one from outside (docs/load.md)."""


@load.command("profiles")
def load_profiles() -> None:
    """Which profiles there are."""
    from cli.loads import list_profiles

    list_profiles()


@load.command("start")
@click.argument("profile")
@click.option("--scale", default=1.0, show_default=True, help="Stretch time.")
@click.option("--rate", default=0.0, help="Open loop: visits a second.")
def load_start(profile: str, scale: float, rate: float) -> None:
    """Start PROFILE; one at a time."""
    from cli.loads import start_load

    start_load(profile, scale, rate)


@load.command("stop")
def load_stop() -> None:
    """Stop the profile that runs; it is judged by what it has measured."""
    from cli.loads import stop_load

    stop_load()


@load.command("status")
def load_status() -> None:
    """What runs, how it is doing, and the last run of the same kind."""
    from cli.loads import show_load

    show_load()


@load.command("reports")
def load_reports() -> None:
    """The runs that left a report, newest first."""
    from cli.loads import list_reports

    list_reports()


@load.command("compare")
@click.argument("a")
@click.argument("b")
def load_compare(a: str, b: str) -> None:
    """The figures of two reports, by the names that `valerix load reports` lists."""
    from cli.loads import compare_reports

    compare_reports(a, b)
