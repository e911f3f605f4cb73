"""One run from the terminal: start the generator, wait for it, judge, write the report."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click
import msgspec
import psutil

from chassis.http.operator_auth import OPERATOR_VARIABLE
from fleet.child_guard import Child
from fleet.children import python_command, python_environment
from fleet.errors import CannotRun
from fleet.ports import free_port
from fleet.run_dir import ROOT
from loadtests import report
from loadtests.folders import GENERATOR_LOG, PLAN, RAN
from loadtests.judge import Demands, Judgement, judge
from loadtests.light import light_times
from loadtests.plan import FOR_JUDGE, FOR_PEOPLE, PATIENCE_S, LoadPlan
from loadtests.target import Target
from loadtests.verdict import Answer

_POLL_S = 0.1
# What stopping may take: the shoppers' patience, the final reports, and a busy machine.
_STOP_S = PATIENCE_S + 40
_QUIT_S = 5.0
_MARKS: dict[Answer, tuple[str, str]] = {
    "kept": ("✓", "green"),
    "broken": ("✗", "red"),
    "unknown": ("?", "magenta"),
}


class Interrupts:
    """How often somebody asked us to stop: once is gently, twice is at once."""

    def __init__(self) -> None:
        self.asked = 0
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1

    def over(self) -> None:
        """From here on Ctrl-C means what it usually means."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Generator:
    """The generator's processes: one alone, or a master with workers. None outlives us."""

    def __init__(self, folder: Path, operator_token: str) -> None:
        self._folder, self._children = folder, list[Child]()
        # By the environment, because everything else about a run is written into its folder.
        self._environ = {**os.environ, OPERATOR_VARIABLE: operator_token}

    def start(self, *arguments: str, log: str = GENERATOR_LOG) -> Child:
        """Start one of its processes."""
        child = Child(
            python_command(*arguments),
            log=self._folder / log,
            if_orphaned=signal.SIGKILL,
            environ=python_environment(self._environ),
            cwd=ROOT,
        )
        self._children.append(child)
        return child

    def start_workers(self, count: int, master: str) -> None:
        """So many workers for the master at this address."""
        for number in range(1, count + 1):
            arguments = ("loadtests.generator.process", "worker", master)
            self.start(*arguments, log=f"worker-{number}.log")

    def stop(self, within_s: float) -> None:
        """Gently, then not."""
        for child in self._children:
            if child.poll() is None:
                child.send(signal.SIGTERM)
        end = time.monotonic() + within_s
        for child in self._children:
            child.wait(max(0.0, end - time.monotonic()))
            child.kill()


class Follower:
    """Reads the generator's output as it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def lines(self) -> Iterator[str]:
        """Whole lines since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                yield line.decode(errors="replace").rstrip("\n")


def run(plan: LoadPlan, target: Target, demands: Demands, folder: Path, delivery: str) -> int:
    """Run the plan; returns the exit code. Whatever happens, nothing is left running."""
    (folder / PLAN).write_bytes(msgspec.json.encode(plan))
    what = f"{plan.profile}: {plan.what.about}; {plan.duration_s:.0f} s"
    click.echo(f"  {what}, at {plan.urls['order']} (seed {plan.seed})")
    click.echo(f"  {delivery}")
    stop = Interrupts()
    generator = Generator(folder, target.operator_token)
    try:
        port = free_port() if plan.workers else 0
        arguments = ("loadtests.generator.process", "headless", str(folder), f"--port={port}")
        child = generator.start(*arguments)
        generator.start_workers(plan.workers, f"127.0.0.1:{port}")
        _wait(child, folder, stop)
    finally:
        generator.stop(within_s=_QUIT_S)
    stop.over()
    if not (folder / RAN).exists():
        if stop.asked:
            raise CannotRun("stopped before there was a result")
        raise CannotRun(_why_it_died(folder, child.poll()))
    return conclude(folder, target, demands, delivery)


def serve(
    folder: Path,
    target: Target,
    arguments: list[str],
    workers: int,
    master: str,
    judged: Callable[[Path], int],
) -> None:
    """Locust's page until Ctrl-C; `judged` is called with the folder of each run that ended."""
    stop, generator = Interrupts(), Generator(folder, target.operator_token)
    # The output of the last time must not be read again.
    (folder / GENERATOR_LOG).unlink(missing_ok=True)
    try:
        child = generator.start("loadtests.generator.web", str(folder), *arguments)
        generator.start_workers(workers, master)
        _wait(child, folder, stop, judged)
    finally:
        generator.stop(within_s=_QUIT_S)
    if child.poll() and not stop.asked:
        raise CannotRun(_why_it_died(folder, child.poll()))


def conclude(folder: Path, target: Target, demands: Demands, delivery: str) -> int:
    """Judge the run in `folder`, write its reports, print the verdict; returns the exit code."""
    click.echo("  the run is over: waiting for open orders, then asking for the proof")
    judgement = judge(folder, target, demands, delivery)
    page = report.write(folder, judgement)
    say(judgement)
    click.echo(f"\n  report: {page}")
    return judgement.verdict.exit_code


def say(judgement: Judgement) -> None:
    """The verdict for a terminal: one line a part."""
    click.echo()
    for part in judgement.verdict.parts:
        mark, colour = _MARKS[part.answer]
        click.echo(f"  {click.style(mark, fg=colour, bold=True)} {part.name:<13} {part.detail}")
    light = light_times(judgement.measures.timeline)
    shown = ", ".join(f"{each.label} {each.seconds:.0f} s" for each in light)
    click.echo(f"    {'light':<13} {shown or 'nobody asked for an order'}")
    for note in judgement.verdict.notes:
        click.echo(f"    {note}")
    mark, colour = _MARKS[judgement.verdict.answer]
    click.echo(click.style(f"\n  {mark} {judgement.verdict.headline}", fg=colour, bold=True))


def _wait(
    child: Child, folder: Path, stop: Interrupts, judged: Callable[[Path], int] | None = None
) -> None:
    """Wait until the generator is done, passing on its lines; Ctrl-C asks it to stop, a second one
    waits no longer."""
    follower, asked, deadline = Follower(folder / GENERATOR_LOG), 0, float("inf")
    while True:
        over = child.poll() is not None
        for line in follower.lines():
            if line.startswith(FOR_PEOPLE):
                click.echo("  " + line.removeprefix(FOR_PEOPLE))
            elif line.startswith(FOR_JUDGE) and judged:
                judged(Path(line.removeprefix(FOR_JUDGE)))
        if over:
            return
        if stop.asked > asked:
            asked = stop.asked
            if asked > 1 or time.monotonic() > deadline:
                return
            click.echo("\n  stopping: waiting for the last responses (Ctrl-C again: at once)")
            child.send(signal.SIGTERM)
            deadline = time.monotonic() + _STOP_S
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


def _why_it_died(folder: Path, code: int | None) -> str:
    log = folder / GENERATOR_LOG
    last = log.read_text(errors="replace").splitlines()[-6:] if log.exists() else []
    tail = "\n".join(f"    {line[:300]}" for line in last)
    return f"the generator ended without a result (exit code {code}); its last lines:\n{tail}"


def workers_for(asked: int) -> tuple[int, str]:
    """How many worker processes to start for so many asked for, and a note where that differs."""
    cores = psutil.cpu_count() or 1
    if asked <= cores:
        return asked, ""
    why = "more than there are cores would only be in each other's way"
    return cores, f"{asked} workers asked for, {cores} started: {why}"
