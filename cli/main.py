"""The command line: every command a person or a script can give to the shop.

Imports happen inside the commands, so that `--help` and a mistyped command are quick. The topology
is data alone.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from cli.load_commands import load, traffic
from cli.payment_commands import payment, policy, provider
from cli.signing_key_commands import signing_keys
from cli.telemetry_commands import lines, metrics, trace
from cli.wallet_commands import keys, wallet
from cli.webhook_commands import webhooks
from fleet.errors import CannotRun
from fleet.streams import CommandLine
from topology import KEYS, NAMES

_EXITS = "Exit codes: 0 all is well, 1 the answer is no, 2 it could not be run."


@click.group(
    cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXITS
)
def main() -> None:
    """A small shop under glass.

    Place orders, let a gremlin loose, watch every signal, call it off, see the proof.
    Data and logs live in the folder VALERIX_HOME (.valerix in the checkout).
    """


@main.command()
@click.option("--stack", is_flag=True, help="Start the programs found on PATH as well.")
def up(stack: bool) -> None:
    """Start the shop; Ctrl-C stops all of it.

    Makes the database on the first run, moves its schema, starts one process per service, waits
    until each is ready, and stays in the foreground. When one dies, the shop stops and says why.

    With --stack: RabbitMQ, OpenTelemetry Collector, Jaeger, Loki, Prometheus and Grafana too, as
    far as they are installed, with the configuration the containers use.
    """
    from fleet.up import run_shop

    run_shop(with_stack=stack)


@main.command()
def down() -> None:
    """Stop the shop that runs in another terminal; its data stays."""
    from cli.running_shop import stop_shop

    stop_shop()


@main.command()
@click.argument("process", nargs=-1, type=click.Choice((*KEYS, "postgres")))
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on.")
@click.option("--lines", "-n", default=20, type=click.IntRange(0), help="How many of each.")
def logs(process: tuple[str, ...], follow: bool, lines: int) -> None:
    """Show the newest lines of the logs of each PROCESS, or of all."""
    from cli.running_shop import show_logs

    show_logs(process, lines, follow=follow)


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Forget all data of the stopped shop, so that the next start is a first one."""
    from cli.running_shop import reset_shop

    reset_shop(asks=not yes)


@main.command()
@click.argument("service", type=click.Choice(KEYS))
def run(service: str) -> None:
    """Run one process of the shop.

    What `valerix up` starts for each of them, and what a container runs.
    """
    from fleet.run import run_process

    raise SystemExit(run_process(service))


@main.group()
def migrate() -> None:
    """Move the database's schema up and down.

    Starts the embedded database for the duration if the shop is not running.
    """


@migrate.command("up")
def migrate_up() -> None:
    """Move to the newest migration."""
    from cli.connect import open_database
    from fleet import migrate

    with open_database() as url:
        moved = migrate.upgrade(url)
        click.echo(f"moved to {moved}" if moved else f"already at {migrate.newest()}")


@migrate.command("down")
@click.option("--all", "everything", is_flag=True, help="Take every migration back, data included.")
def migrate_down(everything: bool) -> None:
    """Take the newest migration back."""
    from cli.connect import demand_stopped, open_database
    from fleet import migrate

    demand_stopped("take a migration back")
    with open_database() as url:
        left = migrate.downgrade(url, everything=everything)
        click.echo(f"moved to {left}" if left else "no migration is left")


@migrate.command("version")
def migrate_version() -> None:
    """Say which migration the database is at, and which is the newest."""
    from cli.connect import open_database
    from fleet import migrate

    with open_database() as url:
        click.echo(f"{migrate.current(url) or 'none'} (newest: {migrate.newest()})")


@migrate.command("wait")
@click.option(
    "--for",
    "limit_s",
    default=600.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long at most.",
)
def migrate_wait(limit_s: float) -> None:
    """Wait until the database is at the newest migration, or beyond.

    For whatever starts beside the migration, such as a pod. Exit code 1: it is not there in time.
    """
    from cli.connect import open_database
    from fleet import migrate

    with open_database() as url:
        click.echo(f"at {migrate.wait(url, limit_s)}")


@migrate.command("force")
@click.argument("revision")
def migrate_force(revision: str) -> None:
    """Record a version, running nothing.

    For a database put right by hand: REVISION is 0001, 0002, …, or base.
    """
    from cli.connect import open_database
    from fleet import migrate

    with open_database() as url:
        migrate.force(url, revision)
        click.echo(f"recorded as {migrate.current(url) or 'none'}")


def _wait_option(why: str) -> Callable[[Any], Any]:
    return click.option(
        "--wait", "wait_s", default=0.0, type=click.FloatRange(0), metavar="SECONDS", help=why
    )


@main.command()
def calm() -> None:
    """Call every gremlin of every service off."""
    from cli.calm import calm_all

    calm_all()


@main.command()
@_wait_option("Let open orders settle.")
@click.option("--full", is_flag=True, help="Read the history again from the first order.")
@click.option(
    "--clients",
    "logs",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A log of what clients were told, such as a load run's client_log.jsonl.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict for a script.")
@click.option(
    "--adopt-head",
    "adopts",
    is_flag=True,
    help="First keep the database's newest link outside, where that file was lost.",
)
def verify(wait_s: float, full: bool, logs: tuple[Path, ...], as_json: bool, adopts: bool) -> None:
    """Prove that nothing was lost.

    Every promise is asked of the database: no order lost, nobody charged twice, no unit of stock
    made or gone. Builds on the last proof and looks at what changed since; --full does not, and
    is for a database whose triggers were off. Exit code 0: all hold; 1: one is broken, or work is
    still open; 2: cannot tell.
    """
    from cli.connect import demand_history, is_idle, shop_settings
    from proof.settings import ProofSettings
    from proof.verify import verify as prove

    demand_history()
    idle = is_idle()
    with shop_settings(ProofSettings) as settings:
        wait_s = 0.0 if idle else wait_s
        code = prove(settings, wait_s, as_json, full=full, logs=logs, adopts=adopts)
    if idle and code == 1:
        click.echo("  The shop is not running: what is unfinished settles once it is.", err=True)
    raise SystemExit(code)


@main.command()
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="A UTC day, as 2026-11-28; yesterday by default.",
)
def reconcile(day: datetime | None) -> None:
    """Match the providers' settlement files with the ledger.

    Asks the running payment service to fetch each account's file of the day and to match it line by
    line. Exit code 0: all match; 1: something differs; 2: a file could not be read.
    """
    from cli.reconcile import reconcile_day

    raise SystemExit(reconcile_day(None if day is None else day.date()))


@main.command()
@click.option("--since", default="1h", metavar="TIME", help="How far back: 90m, 1h, 7d.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write it there; else it is printed.")  # fmt: skip
def report(since: str, out: Path | None) -> None:
    """Write a report on the time until now, as YAML.

    Requests, failures and their reasons, contracts that were broken, what was unlike the times
    before, gremlins that were on (docs/reports.md). The running dashboard writes and keeps it.
    """
    from cli.reports import write_report

    write_report(since, out)


@main.command()
@click.option("--orders-per-s", required=True, metavar="NUMBER", help="Orders a second, as 250.")
@click.option("--measured", type=click.Path(path_type=Path), metavar="FILE",
              help="Figures of make bench; else those that came with this version.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def capacity(orders_per_s: str, measured: Path | None, as_json: bool) -> None:
    """Say what so many orders a second take, and which limit comes first.

    Replicas, cores, the database's commits and WAL, events and telemetry, computed from what one
    order took in `make bench` (docs/scale.md). Needs no running shop.
    """
    from cli.capacity import show_capacity

    show_capacity(orders_per_s, measured, as_json=as_json)


@main.command()
@click.argument("name", default="")
def contracts(name: str) -> None:
    """List what messages are checked against, or print one's JSON Schema."""
    from cli.reports import list_contracts

    list_contracts(name)


@main.command("restart")
@click.argument("process", type=click.Choice([*NAMES, "postgres"]))
@click.option("--away", "away_s", default=0.5, type=click.FloatRange(0.1, 30), metavar="SECONDS",
              help="How long it stays away; half a second by default.")  # fmt: skip
@click.option("--kill", is_flag=True, help="As kill -9 does it; not for postgres.")
def restart_process(process: str, away_s: float, kill: bool) -> None:
    """Restart one process of the running shop.

    The shop stays open and is whole again by itself: that is what this is for. A process that dies
    without being asked still stops the shop.
    """
    from cli.restart import restart

    if kill and process == "postgres":
        raise click.UsageError("PostgreSQL is only ever stopped in order: leave --kill out")
    restart(process, away_s=away_s, kill=kill)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For a script.")
def audit(as_json: bool) -> None:
    """Print who did what to gremlins, traffic, load, processes and keys, newest first."""
    from cli.audit import show_audit

    show_audit(as_json)


@main.group()
def act() -> None:
    """Demos written down as files.

    The files are in scenarios/; NAME is one of them, or the path of another file. Every act ends
    calm, also when it is stopped.
    """


@act.command("list")
def act_list() -> None:
    """Which acts there are, and what each teaches."""
    from cli.acts import list_acts

    list_acts()


@act.command("show")
@click.argument("name")
def act_show(name: str) -> None:
    """What NAME says and does, step by step."""
    from cli.acts import show_act

    show_act(name)


@act.command("play")
@click.argument("name")
def act_play(name: str) -> None:
    """Play NAME for an audience; Enter is the Next key.

    The speaker's notes stand here; the audience looks at the dashboard.
    """
    from cli.acts import play_act

    raise SystemExit(play_act(name))


@act.command("check")
@click.argument("name")
@click.option("--quick", is_flag=True, help="Averages that forget sooner: for a build machine.")
def act_check(name: str, quick: bool) -> None:
    """Play NAME unattended, or `all` of them.

    Exit code 0: everything showed as written; 1: something did not; 2: it could not be run.
    """
    from cli.acts import check_acts

    raise SystemExit(check_acts(name, quick=quick))


@main.command("twin")
@click.argument("name", required=False)
@click.option("--orders", default=10, type=click.IntRange(1, 100), help="How many customers come.")
@click.option(
    "--seconds", default=15.0, type=click.FloatRange(1, 300), help="The longest the gremlins stay."
)
@click.option("--json", "as_json", is_flag=True, help="For a script.")
@click.option("--stay", is_flag=True, help="Only start the twin, and leave it until Ctrl-C.")
def unsafe_twin(name: str | None, orders: int, seconds: float, as_json: bool, stay: bool) -> None:
    """Show what one missing rule costs.

    Starts the unsafe twin NAME and a small shop of ours, each with a database of its own that is
    thrown away, sends both the same customers under the same gremlins, and prints what came of it.
    Without NAME: which twins there are. Loopback only. Exit code 0: ours holds and the twin is
    broken; 1: not so; 2: it could not be run.
    """
    try:
        from cli import twins
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "twins":
            raise
        # The image is made without them.
        raise CannotRun("there are no unsafe twins here: run them from a checkout") from None
    if name is None:
        twins.list_twins()
    elif stay:
        twins.stay(name)
    else:
        raise SystemExit(
            twins.compare_twin(name, customers=orders, seconds=seconds, as_json=as_json)
        )


for group in (
    payment, provider, policy, wallet, keys, signing_keys, webhooks, traffic, load, trace, lines,
    metrics,
):  # fmt: skip
    main.add_command(group)


@main.command()
def settings() -> None:
    """Print every setting with its default and its reason."""
    from fleet.settings import table

    click.echo(table(), nl=False)


@main.group()
def events() -> None:
    """Look at events on their way, and try again what was put aside."""


@events.command("tail")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--limit", default=20, type=click.IntRange(1, 200), show_default=True,
              help="How many of the newest.")  # fmt: skip
@click.option("--type", "type_", default="", help="Only this type, such as order.confirmed.")
@click.option("--aggregate", default="", help="Only order, payment, stock or gremlin.")
@click.option("--id", "aggregate_id", default="", help="Only of this order, payment or gremlin.")
def events_tail(follow: bool, limit: int, type_: str, aggregate: str, aggregate_id: str) -> None:
    """Print the newest events."""
    from cli.events import tail

    tail(follow, limit, type=type_, aggregate=aggregate, aggregate_id=aggregate_id)


@events.command("lag")
def events_lag() -> None:
    """Print what is not published, and how far each consumer is."""
    from cli.events import lag

    lag()


@events.command("dead")
def events_dead() -> None:
    """Print the events that were put aside, each with its reason."""
    from cli.events import dead

    dead()


@events.command("replay")
@click.argument("consumer")
@click.argument("event_id", type=click.UUID)
def events_replay(consumer: str, event_id: UUID) -> None:
    """Let an event that was put aside be tried again."""
    from cli.events import replay

    replay(consumer, str(event_id))


@events.command("verify")
@_wait_option("Let them arrive first.")
def events_verify(wait_s: float) -> None:
    """Prove that committed = positioned = confirmed = consumed, for each aggregate.

    Exit code 0: so it is, or without --wait, the rest is on its way; 1: an event is missing or out
    of order, or is still on its way after --wait seconds; 2: cannot tell.
    """
    from cli.events import verify

    verify(wait_s)
