"""Unfinished rows and who finishes them: claim, lease, back off, hasten, count what is waiting.

A due row is one that is not finished and whose `next_attempt_at` has come. Claiming it moves that
time, in one statement that skips what another replica is claiming. There is no lease to expire and
no lock to lose: two workers on one row are harmless (rule R9), and a worker that dies leaves the
row due again (rule R10). The clock is the database's, so no two replicas disagree about it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Float,
    Interval,
    Table,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.sql import ColumnElement

from chassis.database.pace import PollPace
from chassis.database.pool import Connection, Database, log_failure, statement

logger = logging.getLogger(__name__)

# Someone is reading the row again and again: it is made due at most once in this time.
_HASTEN_EVERY = "interval '1 second'"
# Between two full claims, so that a long backlog leaves the database to others as well.
_PAUSE_S = 0.02
_MOST_DOUBLINGS = 30


class Backoff(msgspec.Struct, frozen=True):
    """Exponential, capped, jittered: `min(max_s, base_s * 2**attempts) * (floor + chance)`.

    `chance` in [0, 1) keeps what failed together from being tried again together."""

    base_s: float
    max_s: float
    floor: float = 1.0

    def delay_s(self, attempts: int, chance: float) -> float:
        """Seconds to the next attempt after this many in vain."""
        delay_s = self.base_s * 2 ** min(attempts, _MOST_DOUBLINGS)
        return float(min(self.max_s, delay_s)) * (self.floor + chance)


def lease() -> ColumnElement[float]:
    """Seconds for which a claimed row belongs to its claimer: the parameter `lease_s`."""
    return cast(bindparam("lease_s"), Float)


def backoff(
    attempts: ColumnElement[int], *, floor: float, chance: ColumnElement[float] | None = None
) -> ColumnElement[float]:
    """`Backoff.delay_s` in SQL, with the parameters `base_s` and `max_s`; a chance for each row."""
    doublings = func.least(attempts, literal_column(str(_MOST_DOUBLINGS)))
    delay_s = func.least(
        cast(bindparam("max_s"), Float),
        cast(bindparam("base_s"), Float) * func.power(literal_column("2.0::float8"), doublings),
    )
    jitter: ColumnElement[float] = func.random() if chance is None else chance
    return delay_s * (literal_column(f"{floor}::float8") + jitter)


def in_seconds(seconds: ColumnElement[float]) -> ColumnElement[Any]:
    """A time of the database's clock, `seconds` from now."""
    return func.now() + cast(seconds * text("interval '1 second'"), Interval)


class DueWork:
    """The unfinished rows of one table.

    `due` is the predicate of the table's partial index in the same words, or the index is not
    used; `waiting` is true of a row that was tried in vain, so nobody is working on it right now.
    The table has `next_attempt_at` and `updated_at`; `again_s` is when a claimed row is due again,
    and `on_claim` what else changes then."""

    def __init__(
        self,
        table: Table,
        *,
        key: Column[Any],
        state: Column[Any],
        due: str,
        again_s: ColumnElement[float],
        waiting: str = "attempts > 0",
        on_claim: Mapping[str, Any] | None = None,
    ) -> None:
        unfinished, in_vain = text(f"({due})"), text(f"({waiting})")
        at = table.c.next_attempt_at
        spread_s = cast(bindparam("spread_s"), Float)

        def some(*conditions: Any) -> Any:
            rows = select(key).where(*conditions).order_by(at).limit(bindparam("most"))
            # Its own FROM: it is the same table, but not the row that is updated.
            return key.in_(rows.with_for_update(skip_locked=True).correlate(None))

        label = f"UPDATE {table.fullname}"
        self._key = key.name
        self._claim = statement(
            update(table)
            .where(some(at <= func.now(), unfinished))
            .values(next_attempt_at=in_seconds(again_s), **(on_claim or {}))
            .returning(key),
            f"{label} claim",
        )
        self._wake = statement(
            update(table)
            .where(some(unfinished, in_vain, at > in_seconds(spread_s)))
            .values(next_attempt_at=in_seconds(func.random() * spread_s)),
            f"{label} wake",
        )
        self._hasten = statement(
            update(table)
            .where(
                key == bindparam("the_key"),
                unfinished,
                in_vain,
                at > func.now(),
                table.c.updated_at < func.now() - text(_HASTEN_EVERY),
            )
            .values(next_attempt_at=func.now()),
            label,
        )
        self._any = statement(
            select(exists(select(1).select_from(table).where(unfinished)).label("any")),
            f"SELECT {table.fullname}",
        )
        overdue_s = func.extract("epoch", func.now() - func.min(at))
        self._backlog = statement(
            select(
                state.label("state"),
                func.count().label("rows"),
                func.greatest(literal_column("0"), cast(overdue_s, Float)).label("lag_s"),
            )
            .where(unfinished)
            .group_by(state),
            f"SELECT {table.fullname}",
        )

    async def claim(self, c: Connection, most: int, **again: float) -> list[Any]:
        """Keys of due rows, the most overdue first; `again` are the parameters of `again_s`."""
        return [row[self._key] for row in await c.rows(self._claim, most=most, **again)]

    async def is_any(self, c: Connection) -> bool:
        """Whether anything is unfinished, due or not."""
        row = await c.row(self._any)
        return row is not None and row["any"]

    async def wake(self, c: Connection, *, most: int, spread_s: float) -> int:
        """Make waiting rows due soon, spread out: what they waited for is back. How many."""
        return await c.execute(self._wake, most=most, spread_s=spread_s)

    async def hasten(self, c: Connection, key: object) -> None:
        """Repair on read: someone is looking at a row that waits. At most once a second."""
        await c.execute(self._hasten, the_key=key)

    async def backlog(self, c: Connection) -> list[tuple[str, int, float]]:
        """(state, rows, seconds the most overdue has waited) of what is not finished."""
        return [(r["state"], r["rows"], r["lag_s"]) for r in await c.rows(self._backlog)]


class DueWorker:
    """Claims due rows and works on each, at most `places` at once; every replica runs one.

    A row that takes long keeps its own place and nobody else's: where one call in ten is a
    timeout, whole rounds would all take a timeout. `room_for_due`: where a claim leaves out what is
    due, because too much of its kind is under way, the end of a row asks for more at once.
    `is_any`: where it says that nothing is unfinished, this worker looks rarely, until its process
    writes something."""

    def __init__(
        self,
        database: Database,
        claim: Callable[[Connection, int], Awaitable[list[Any]]],
        work: Callable[[Any], Awaitable[None]],
        *,
        places: int,
        batch: int,
        poll_s: float,
        before_claim: Callable[[], Awaitable[None]] | None = None,
        log_key: str = "key",
        room_for_due: bool = False,
        is_any: Callable[[Connection], Awaitable[bool]] | None = None,
    ) -> None:
        self._room_for_due = room_for_due
        self._is_any = is_any
        self._pace = PollPace(database, poll_s)
        self._database = database
        self._claim_some = claim
        self._work = work
        self._places = places
        self._batch = batch
        self._poll_s = poll_s
        self._before_claim = before_claim
        self._log_key = log_key

    async def run(self) -> None:
        """For ever. What fails here is started again by the process; the rows stay due."""
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                if not working and not await self._anything():
                    await self._pace.wait()
                    continue
                if self._before_claim is not None:
                    await self._before_claim()
                free = self._places - len(working)
                room = min(free, self._batch)
                due = await self._claim(room)
                working |= {asyncio.create_task(self._guarded(key)) for key in due}
                is_idle = len(due) < room
                if working and (self._room_for_due if is_idle else room == free):
                    longest_s = self._poll_s if is_idle else None
                    await asyncio.wait(
                        working, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    is_idle = False
                await asyncio.sleep(self._poll_s if is_idle else _PAUSE_S)
                working = {task for task in working if not task.done()}
        finally:
            # Whatever was under way stays due.
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def run_once(self) -> int:
        """Claim once and finish that; the number claimed."""
        due = await self._claim(self._batch)
        await asyncio.gather(*(self._guarded(key) for key in due))
        return len(due)

    async def _anything(self) -> bool:
        if self._is_any is None:
            return True
        async with self._database.connect() as connection:
            return await self._is_any(connection)

    async def _claim(self, most: int) -> list[Any]:
        async with self._database.connect() as connection:
            return await self._claim_some(connection, most)

    async def _guarded(self, key: Any) -> None:
        try:
            await self._work(key)
        except Exception as error:  # noqa: BLE001 - one row's trouble must not stop the others
            log_failure(logger, "due work failed; it stays due", error, **{self._log_key: str(key)})
