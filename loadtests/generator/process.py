"""One process of the generator: alone, as the master, or as a worker; ended by SIGTERM, gently."""

import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import gevent
import msgspec
from locust import argument_parser
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import MasterRunner, Runner

from loadtests.folders import PLAN
from loadtests.generator.collect import ResultCollector, Worker
from loadtests.generator.machine_watch import watch
from loadtests.generator.progress import print_line, progress, write_progress
from loadtests.generator.shape import ProfileShape
from loadtests.generator.shopper import Shopper
from loadtests.plan import PATIENCE_S, LoadPlan

_WORKERS_S = 30.0
# Long enough for a shopper to hear the answer it waits for; then it is cut off.
_STOP_S = PATIENCE_S + 4
_NO_WORKERS = 3


def environment_of(shapes: dict[str, ProfileShape], shape: ProfileShape | None) -> Environment:
    """Locust's environment with its options at their defaults, quiet but for warnings."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    parser = argument_parser.get_empty_argument_parser()
    argument_parser.setup_parser_arguments(parser)
    options = parser.parse_args([])
    return Environment(
        user_classes=[Shopper],
        shape_class=shape,
        stop_timeout=_STOP_S,
        parsed_options=options,
        available_user_classes={"Shopper": Shopper},
        available_shape_classes=shapes,
        available_user_tasks={"Shopper": Shopper.tasks},
    )


@click.group()
def main() -> None:
    """One process of the generator."""


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", default=0, help="Listen here for workers; 0 is alone.")
def headless(folder: Path, port: int) -> None:
    """Run the plan in FOLDER to its end, and leave the result there."""
    plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=LoadPlan)
    environment = environment_of({}, ProfileShape(plan))
    runner: Runner
    if port:
        runner = environment.create_master_runner("127.0.0.1", port)
        _wait_for_workers(runner, plan.workers)
    else:
        runner = environment.create_local_runner()
    collector = ResultCollector(environment, Shopper.recorder)
    end_gently(runner.stop)
    begin_housekeeping(collector)
    collector.begin(plan, folder)
    gevent.spawn(progress, plan, collector, lambda: runner.user_count, folder)
    began = time.monotonic()
    runner.start_shape()
    shape = runner.shape_greenlet
    if shape is not None:
        shape.join()
    complete = time.monotonic() - began >= plan.duration_s
    runner.stop()
    collector.finish(complete=complete)
    write_progress(plan, collector, 0, folder, is_over=True)
    runner.quit()


@main.command()
@click.argument("master")
@click.option("--alive", type=click.Path(path_type=Path), help="Touched while it lives.")
def worker(master: str, alive: Path | None) -> None:
    """Work for the master at HOST:PORT until it is done."""
    host, _, port = master.rpartition(":")
    environment = environment_of({}, None)
    try:
        runner = environment.create_worker_runner(host, int(port))
    except (RPCError, ConnectionError, OSError) as error:
        raise click.ClickException(f"no master at {master}: {error}") from None
    Worker(environment, Shopper.recorder)
    end_gently(runner.quit)
    gevent.spawn(watch, Shopper.recorder)
    if alive is not None:
        gevent.spawn(_touch, alive)
    runner.greenlet.join()


def begin_housekeeping(collector: ResultCollector) -> None:
    """What runs beside the users. A master has none of its own, but one that is too busy to collect
    is as bad as a busy worker."""
    gevent.spawn(collector.collect)
    gevent.spawn(watch, Shopper.recorder)


def end_gently(end: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop the run; what was measured so far is kept."""
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, lambda: gevent.spawn(end))


def _wait_for_workers(runner: MasterRunner, wanted: int) -> None:
    end = time.monotonic() + _WORKERS_S
    while len(runner.clients.ready) < wanted:
        if time.monotonic() > end:
            print_line(f"{len(runner.clients.ready)} of {wanted} workers came")
            runner.quit()
            sys.exit(_NO_WORKERS)
        gevent.sleep(0.1)


def _touch(path: Path) -> None:
    while True:
        path.touch()
        gevent.sleep(1.0)


if __name__ == "__main__":
    main()
