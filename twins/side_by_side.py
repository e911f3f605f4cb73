"""Plays a twin beside ours: the same settings, customers and gremlins; then both are judged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import msgspec

from chassis.database.errors import UNANSWERED
from fleet.errors import CannotRun
from fleet.run_dir import find_run_directory
from fleet.settings import load_as
from proof.evaluate import evaluate
from proof.finding import State
from proof.invariant import Limits
from proof.settings import ProofSettings
from twins.counting import Counts, counts
from twins.customers import calm, describe, let_loose, serve
from twins.small_shop import SmallShop, demand_local, start
from twins.twin import OURS, Twin

# What was left to the reconciler is taken up again within half a second once all is well; this is
# for a machine that has other things to do.
_SETTLE_S = 60.0
_POLL_S = 0.25
Say = Callable[[str], None]


class Side(msgspec.Struct, frozen=True):
    """What came of one shop: the figures, the proof's verdict, and the ids of broken promises."""

    name: str
    counts: Counts
    proof: State
    broken: tuple[str, ...]


class TwinComparison(msgspec.Struct, frozen=True):
    """Both sides, after the same customers under the same gremlins."""

    twin: str
    customers: int
    ours: Side
    theirs: Side

    @property
    def shows(self) -> bool:
        """Whether the proof holds for ours, and is broken for the twin."""
        return self.ours.proof == "holds" and self.theirs.proof == "violated"


@contextlib.asynccontextmanager
async def both(
    twin: Twin, databases: tuple[str | None, str | None] = (None, None)
) -> AsyncIterator[tuple[SmallShop, SmallShop]]:
    """Ours and the twin, with the same settings, for the duration of the block. `databases` are the
    URLs of two that nobody else uses; None makes one. Raises what `start` raises."""
    mine, other = databases
    # Beside another twin's there may be one more of ours.
    home = find_run_directory().path / "twins" / f"{twin.name}-{OURS}"
    async with contextlib.AsyncExitStack() as stack:
        # What one meets does not keep the other from being stopped in order.
        ours, theirs = await asyncio.gather(
            stack.enter_async_context(
                start(
                    OURS,
                    keys=twin.keys,
                    settings=twin.settings,
                    home=home,
                    database_url=mine,
                )
            ),
            stack.enter_async_context(start(twin.name, database_url=other)),
            return_exceptions=True,
        )
        yield _started(ours), _started(theirs)


async def compare(
    twin: Twin,
    *,
    customers: int,
    seconds: float,
    say: Say,
    databases: tuple[str | None, str | None] = (None, None),
) -> TwinComparison:
    """Start `both`, send each as many customers while the twin's gremlins are on, call them off
    after `seconds` at most, wait until both have settled, and judge."""
    demand_local(twin.keys)
    say(f"starting the twin {twin.name} and a small shop of ours")
    async with both(twin, databases) as (ours, theirs):
        await _each(let_loose(ours, twin.faults), let_loose(theirs, twin.faults))
        say(f"{customers} customers in each, while " + "; ".join(map(describe, twin.faults)))
        end = asyncio.get_running_loop().time() + seconds
        await _each(serve(ours, twin.door, customers), serve(theirs, twin.door, customers))
        # A twin may need its time to go wrong.
        await settled(theirs, end - asyncio.get_running_loop().time())
        await _each(calm(ours), calm(theirs))
        say("the gremlins are called off; waiting until both have settled")
        await _each(settled(ours, _SETTLE_S), settled(theirs, _SETTLE_S))
        sides = await asyncio.gather(judge(ours), judge(theirs))
    return TwinComparison(twin.name, customers, *sides)


def _started(found: SmallShop | BaseException) -> SmallShop:
    if isinstance(found, BaseException):
        raise found
    return found


async def _each(*work: Awaitable[None]) -> None:
    await asyncio.gather(*work)


async def settled(shop: SmallShop, within_s: float) -> None:
    """Return once no purchase is left unfinished, or the time is up."""
    clock = asyncio.get_running_loop().time
    end = clock() + within_s
    while (await counts(shop.database_url)).stuck:
        if clock() > end:
            return
        await asyncio.sleep(_POLL_S)


async def judge(shop: SmallShop) -> Side:
    """The figures, and the verdict of the proof once no waiting can change it."""
    limits = Limits.of(load_as(ProofSettings, "dashboard", shop.environ))
    clock = asyncio.get_running_loop().time
    end = clock() + _SETTLE_S
    try:
        connection = await asyncpg.connect(shop.database_url)
        try:
            while True:
                report = await evaluate(connection, limits)
                broken = report.those("violated")
                is_final = any(each.invariant.kind == "A" for each in broken)
                if is_final or not report.those("settling") or clock() > end:
                    break
                await asyncio.sleep(_POLL_S)
        finally:
            await connection.close()
    except (*UNANSWERED, asyncpg.PostgresError) as error:
        raise CannotRun(f"the database of {shop.name} cannot be judged: {error}") from None
    ids = tuple(each.invariant.id for each in broken)
    return Side(shop.name, await counts(shop.database_url), report.state, ids)
