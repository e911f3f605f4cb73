"""`valerix verify`: judges, waits for unfinished work, prints the report, sets the exit code."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click
import msgspec

from chassis.database.errors import UNANSWERED
from proof.clients.judge import CLIENTS_HEARD_THE_TRUTH
from proof.evaluate import Report
from proof.finding import Finding, State, verdict
from proof.render import for_script, for_terminal, format_orders
from proof.session import ProofSession
from proof.settings import ProofSettings

# Work that did not finish within the wait is not proven, so a script must not see a success.
EXIT_CODES: dict[State, int] = {"holds": 0, "violated": 1, "settling": 1, "unknown": 2}
_POLL_S = 0.5
# Somebody waits for it: on two cores it takes little more than half of the time.
CONNECTIONS = 2
_PROGRESS_EVERY_S = 2.0


def verify(
    settings: ProofSettings,
    wait_s: float = 0.0,
    as_json: bool = False,
    *,
    full: bool = False,
    logs: Sequence[Path] = (),
    adopts: bool = False,
) -> int:
    """Print the verdict; 0 all hold, 1 something is broken or still unfinished, 2 cannot tell.

    `full` reads the history from its first order instead of building on the last proof; `logs` are
    what clients wrote down of their answers; `adopts` keeps the newest link outside first. The
    verdict goes to standard output, progress to standard error.
    """
    if adopts and (why := asyncio.run(_adopt_head(settings))):
        click.echo(why, err=True)
        return EXIT_CODES["unknown"]
    report = asyncio.run(wait_until_settled(settings, wait_s, full=full, logs=logs))
    code = EXIT_CODES[report.state]
    click.echo(for_script(report, code) if as_json else for_terminal(report))
    return code


async def _adopt_head(settings: ProofSettings) -> str:
    """Keep the newest link outside; why not, or ""."""
    async with ProofSession(settings) as session:
        try:
            await session.adopt_head()
        except (*UNANSWERED, OSError) as error:
            return f"the head was not kept: {error}"
    return ""


async def wait_until_settled(
    settings: ProofSettings, wait_s: float, *, full: bool = False, logs: Sequence[Path] = ()
) -> Report:
    """The first report that waiting cannot change, or the last one within `wait_s`."""
    started = time.monotonic()
    shown = _PROGRESS_EVERY_S
    session = ProofSession(settings, connections=CONNECTIONS)
    async with session, _progress(session):
        while True:
            report = await _judge(session, full=full, logs=logs)
            waited = time.monotonic() - started
            if _is_final(report) or waited >= wait_s:
                break
            if waited >= shown:
                shown = waited + _PROGRESS_EVERY_S
                click.echo(f"  {waited:3.0f} s of {wait_s:.0f} s: {_waiting_for(report)}", err=True)
            await asyncio.sleep(min(_POLL_S, wait_s - waited))
    return report


async def _judge(session: ProofSession, *, full: bool, logs: Sequence[Path]) -> Report:
    report = await session.judge(whole=full)
    if not logs:
        return report
    try:
        found = await session.judge_clients(logs)
    except UNANSWERED as error:
        found = Finding(CLIENTS_HEARD_THE_TRUTH, "unknown", reason=f"no database: {error}")
    findings = (*report.findings, found)
    return msgspec.structs.replace(report, findings=findings, state=verdict(findings))


@contextlib.asynccontextmanager
async def _progress(session: ProofSession) -> AsyncIterator[None]:
    """Print every two seconds how much is being read, and for which promise."""
    started = time.monotonic()

    async def report_progress() -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            if (step := session.current_step) is not None:
                took, now = time.monotonic() - started, f"{len(step.promises)} promises at once"
                if len(step.promises) == 1:
                    now = f"{step.promises[0].id} {step.promises[0].title}"
                what = f"reading {format_orders(step.orders)}, now for {now}"
                click.echo(f"  {took:3.0f} s: {what}", err=True)

    task = asyncio.create_task(report_progress(), name="progress")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _is_final(report: Report) -> bool:
    """Waiting does not repair a promise that must hold at every instant."""
    broken = any(each.invariant.kind == "A" for each in report.those("violated"))
    return broken or report.state == "holds"


def _waiting_for(report: Report) -> str:
    unknown = report.those("unknown")
    if unknown:
        return f"{len(unknown)} promises cannot be judged yet: {unknown[0].reason}"
    open_ = (*report.those("settling"), *report.those("violated"))
    return "settling: " + ", ".join(f"{each.invariant.id} {each.total}" for each in open_)
