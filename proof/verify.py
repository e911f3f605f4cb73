"""`valerix verify`: asks for the verdict, waits for work in flight, answers with an exit code."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import click

from proof.evaluate import Report, State
from proof.render import for_script, for_terminal, format_orders
from proof.session import ProofSession
from proof.settings import ProofSettings

# Unfinished work that outlasted the wait is not proven, so a script must not read it as success.
EXIT_CODES: dict[State, int] = {"holds": 0, "violated": 1, "settling": 1, "unknown": 2}
_POLL_S = 0.5
_QUIET_S = 2.0


def verify(
    settings: ProofSettings, wait_s: float = 0.0, as_json: bool = False, *, full: bool = False
) -> int:
    """Print the verdict; 0 all hold, 1 something is broken or still unfinished, 2 cannot tell.

    `full` reads the history from its first order instead of building on the last proof. The
    verdict goes to standard output, progress to standard error.
    """
    report = asyncio.run(wait_until_settled(settings, wait_s, full=full))
    code = EXIT_CODES[report.state]
    click.echo(for_script(report, code) if as_json else for_terminal(report))
    return code


async def wait_until_settled(
    settings: ProofSettings, wait_s: float, *, full: bool = False
) -> Report:
    """The first report that waiting would not change, or the last one within `wait_s`."""
    started = time.monotonic()
    shown = _QUIET_S
    async with ProofSession(settings) as examiner, _telling(examiner):
        while True:
            report = await examiner.ask(whole=full)
            waited = time.monotonic() - started
            if _final(report) or waited >= wait_s:
                break
            if waited >= shown:
                shown = waited + _QUIET_S
                click.echo(f"  {waited:3.0f} s of {wait_s:.0f} s: {_waiting_for(report)}", err=True)
            await asyncio.sleep(min(_POLL_S, wait_s - waited))
    return report


@contextlib.asynccontextmanager
async def _telling(examiner: ProofSession) -> AsyncIterator[None]:
    """Say every two seconds what is being read, and for which promise."""
    started = time.monotonic()

    async def tell() -> None:
        while True:
            await asyncio.sleep(_QUIET_S)
            if (step := examiner.doing) is not None:
                took, promise = time.monotonic() - started, step.promise
                what = f"reading {format_orders(step.orders)}, now for {promise.id} {promise.title}"
                click.echo(f"  {took:3.0f} s: {what}", err=True)

    telling = asyncio.create_task(tell(), name="telling")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _final(report: Report) -> bool:
    """A promise that must hold at every instant and does not is not mended by waiting."""
    broken = any(each.invariant.kind == "A" for each in report.those("violated"))
    return broken or report.state == "holds"


def _waiting_for(report: Report) -> str:
    unknown = report.those("unknown")
    if unknown:
        return f"{len(unknown)} promises cannot be judged yet: {unknown[0].reason}"
    open_ = (*report.those("settling"), *report.those("violated"))
    return "settling: " + ", ".join(f"{each.invariant.id} {each.total}" for each in open_)
