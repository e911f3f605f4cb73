"""Locust's own web page, with the shop's profiles to choose from and a report after each run."""

import sys
import time
from pathlib import Path
from typing import Any

import click
import gevent
import msgspec
from locust.env import Environment
from locust.runners import Runner

from loadtests.folders import PLAN, new_folder
from loadtests.generator.collect import ResultCollector
from loadtests.generator.process import begin_housekeeping, end_gently, environment_of
from loadtests.generator.progress import print_line
from loadtests.generator.shape import ProfileShape
from loadtests.generator.shopper import Shopper
from loadtests.plan import FOR_JUDGE, LoadPlan, new_tag
from observatory.load_runs import PAGE
from scenarios.load_profiles import BY_HAND, PROFILES


class Runs:
    """The runs somebody starts on the page, one after the other, each with a folder of its own."""

    def __init__(
        self, environment: Environment, collector: ResultCollector, plan: LoadPlan
    ) -> None:
        self._environment, self._collector, self._plan = environment, collector, plan
        self._begun, self._ends_s = 0.0, 0.0
        self._folder: Path | None = None
        environment.events.test_start.add_listener(self._begin)
        environment.events.test_stop.add_listener(self._end)

    def _begin(self, **_: Any) -> None:
        shape: Any = self._environment.shape_class
        plan = shape.plan if isinstance(shape, ProfileShape) else self._plan
        name = plan.profile if shape is not None else BY_HAND.name
        # The page lets people name another shop.
        url = (self._environment.host or plan.urls["order"]).rstrip("/")
        self._folder = folder = new_folder(name)
        urls = {**plan.urls, "order": url}
        plan = msgspec.structs.replace(plan, profile=name, urls=urls, tag=new_tag())
        self._begun = time.monotonic()
        self._ends_s = plan.duration_s if shape is not None else 0.0
        self._collector.begin(plan, folder)
        print_line(f"{plan.profile} begins")

    def _end(self, **_: Any) -> None:
        # Not here: in a distributed run Locust waits for this before it listens to workers again.
        gevent.spawn(self._finish)

    def show(self) -> tuple[str, int]:
        """The newest report, for whoever has only this page to reach it."""
        page = self._folder / PAGE if self._folder else None
        if page is None or not page.exists():
            return "No report yet: it is written when a run is over and judged.", 404
        return page.read_text(encoding="utf-8"), 200

    def _finish(self) -> None:
        complete = time.monotonic() - self._begun >= self._ends_s
        folder = self._collector.finish(complete=complete)
        print(f"{FOR_JUDGE}{folder}", flush=True)  # noqa: T201 - its reader is a process


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", help="Where the page is.")
@click.option("--web-port", default=8089, help="And on which port.")
@click.option("--listen", default="", help="HOST:PORT for workers; without it there are none.")
def main(folder: Path, host: str, web_port: int, listen: str) -> None:
    """Show the page until we are asked to stop. FOLDER holds the plan to begin with."""
    plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=LoadPlan)
    shapes = {name: ProfileShape(msgspec.structs.replace(plan, profile=name)) for name in PROFILES}
    environment = environment_of(shapes, shapes[plan.profile])
    environment.host = plan.urls["order"]
    runner: Runner
    if listen:
        where, _, port = listen.rpartition(":")
        runner = environment.create_master_runner(where, int(port))
    else:
        runner = environment.create_local_runner()
    collector = ResultCollector(environment, Shopper.recorder)
    runs = Runs(environment, collector, plan)
    # The page reads Locust's own options from the command line, which these are not.
    del sys.argv[1:]
    page = environment.create_web_ui(host, web_port, userclass_picker_is_active=True)
    page.app.add_url_rule("/report", "report", runs.show)
    begin_housekeeping(collector)
    stopped = gevent.event.Event()
    end_gently(lambda: _close(runner, stopped))
    stopped.wait()
    page.stop()
    sys.exit(0)


def _close(runner: Runner, stopped: Any) -> None:
    runner.quit()
    # The last run's result is written by a greenlet of its own.
    gevent.sleep(1.0)
    stopped.set()


if __name__ == "__main__":
    main()
