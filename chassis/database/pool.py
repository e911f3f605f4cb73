"""PostgreSQL for a service: SQLAlchemy Core statements, compiled once, run by asyncpg.

SQLAlchemy builds and checks the SQL; its engine is left out because its transaction handling cost
more than the statements (docs/decisions/0003-core-statements-asyncpg-wire.md)."""

import asyncio
import contextlib
import logging
import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
import msgspec
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import ClauseElement

from chassis.database import debug_lines
from chassis.settings import Settings
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, current_traceparent, remaining_s, span_now

logger = logging.getLogger(__name__)

# Work that is due tries again twice a second, so a full disk is noticed again within this time.
_FULL_FOR_S = 5.0
# By database: until when one of its pools has reason to think that it is full.
_full_until: dict[str, float] = {}
# By database: the pools of this process.
_pools: defaultdict[str, WeakSet["Database"]] = defaultdict(WeakSet)
# By database: what this process rings whenever it may have changed something there.
_on_write: defaultdict[str, WeakSet[asyncio.Event]] = defaultdict(WeakSet)
# By database: how often it did not answer this process, and when it last did.
_failures: Counter[str] = Counter()
_answered_at: dict[str, float] = {}

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]
Row = Mapping[str, Any]
T = TypeVar("T")


class DatabaseTrouble(Exception):
    """The database did not do what it was asked, or did not say whether it did."""


class DatabaseBusy(DatabaseTrouble):
    """No connection came free in time. Nothing was executed."""


class DatabaseDown(DatabaseTrouble):
    """PostgreSQL cannot be reached. Nothing was executed."""


class DatabaseFull(DatabaseTrouble):
    """PostgreSQL has no room left on its disk, or no memory. What was begun was rolled back."""


class LockNotFree(DatabaseTrouble):
    """What this needs was locked by others for too long. What was begun was rolled back."""


class DatabaseConflict(DatabaseTrouble):
    """Two waited for each other, and this one had to go. What was begun was rolled back."""


class CommitUnknown(DatabaseTrouble):
    """The connection broke in mid-statement or mid-commit: the effect may have landed or not."""


def log_failure(logger: logging.Logger, message: str, error: Exception, **extra: str) -> None:
    """Log that work in the background failed and is tried again: a known trouble of the database in
    one line, because its stack says nothing and many fail at once; anything else with its stack."""
    if isinstance(error, DatabaseTrouble):
        name = type(error).__name__
        logger.error(message, extra={**extra, "trouble": name, "reason": str(error)[:200]})
    else:
        logger.error(message, exc_info=error, extra=extra)


class CallerGone(Exception):
    """The caller's time was up, so nothing of the work is kept."""


def demand_caller() -> None:
    """Raise `CallerGone` where the caller's time (X-Timeout-Ms) is up: it has given up."""
    if (left_s := remaining_s()) is not None and left_s <= 0:
        raise CallerGone


# What asyncpg raises when the connection is gone. Its "internal client error" is a statement on a
# connection whose end the server has announced, but whose socket has not closed yet.
_BROKEN = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    OSError,
)


# A statement that may change something; a function of a schema of ours may as well.
_CHANGES = re.compile(
    r"\b(?:INSERT|DELETE|MERGE)\b|(?<!FOR )(?<!KEY )\bUPDATE\b|\b\w+\.\w+\(", re.IGNORECASE
)


class Effects:
    """Whether one request has changed anything for good, or may have: after that, a database that
    cannot be reached does not mean that nothing was done."""

    __slots__ = ("any",)

    def __init__(self) -> None:
        self.any = False


# Of the request in hand; the edge sets it.
effects_now: ContextVar[Effects | None] = ContextVar("effects_now", default=None)


async def _lasting(change: Awaitable[T]) -> T:
    """The result of a change that is to last. Only a refusal by PostgreSQL means that none was."""
    lasts = True
    try:
        return await change
    except asyncpg.PostgresError as error:
        lasts = isinstance(error, _BROKEN)
        raise
    finally:
        if lasts and (effects := effects_now.get()) is not None:
            effects.any = True


class Statement:
    """SQL text with its parameters in order, and the name its span carries. `changes` is false for
    one that only reads."""

    __slots__ = ("changes", "constants", "name", "parameters", "sql")

    def __init__(self, construct: ClauseElement, name: str = "") -> None:
        compiled = construct.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        if "POSTCOMPILE" in self.sql:
            raise ValueError(f"an IN list cannot be compiled once: {self.sql}")
        self.parameters: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        # Plain values in the construct are parameters too, with their value already known.
        self.constants = {k: v for k, v in compiled.params.items() if v is not None}
        self.name = name or " ".join(self.sql.split(None, 3)[:3])
        self.changes = _CHANGES.search(self.sql) is not None


def statement(construct: ClauseElement, name: str = "") -> Statement:
    """Compile a Core construct once, at import; every parameter is a named `bindparam`."""
    return Statement(construct, name)


class Connection:
    """One connection, held for one transaction or a few single statements."""

    def __init__(
        self,
        wire: Any,
        before: Callable[[], Awaitable[None]] | None,
        after: Callable[[], None] | None = None,
        url: str = "",
    ) -> None:
        self._wire, self._url = wire, url
        self._before, self._after = before, after
        self._in_transaction = self._wrote = self.has_written = False
        self._listens: list[tuple[str, Callable[..., None]]] = []

    async def row(self, query: Statement, **values: Any) -> Row | None:
        """The first row or None."""
        result: Row | None = await self._run(self._wire.fetchrow, query, values)
        return result

    async def rows(self, query: Statement, **values: Any) -> list[Row]:
        """All rows."""
        result: list[Row] = await self._run(self._wire.fetch, query, values)
        return result

    async def execute(self, query: Statement, **values: Any) -> int:
        """The number of rows it touched."""
        tag: str = await self._run(self._wire.execute, query, values)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """One READ COMMITTED transaction: commits at the end, rolls back on any exception."""
        await self._wire.execute(_begin())
        self._in_transaction, self._wrote = True, False
        lines = debug_lines.TransactionLines() if debug_lines.is_on() else None
        try:
            yield
        except BaseException as error:
            await _roll_back(self._wire)
            if lines is not None:
                lines.end("rollback", error)
            raise
        finally:
            self._in_transaction = False
        commit = self._wire.execute("COMMIT")
        await (self._committed(commit) if self._wrote else commit)
        if lines is not None:
            lines.end("commit")

    async def _committed(self, change: Awaitable[T]) -> T:
        """The result of a change that is to last; one that changed a row is told to `after`."""
        result = await _lasting(change)
        nothing = not result or (isinstance(result, str) and result.endswith(" 0"))
        if self._after is not None and not nothing:
            self._after()
        return result

    async def listen(self, channel: str, ring: Callable[[], None]) -> None:
        """Call `ring` at each notification of the channel, and when the connection breaks, until it
        is given back."""

        def heard(*_: object) -> None:
            ring()

        await self._wire.add_listener(channel, heard)
        self._wire.add_termination_listener(heard)
        self._listens.append((channel, heard))

    async def stop_listening(self) -> None:
        """Before the connection is given back. One that broke has stopped by itself."""
        for channel, heard in self._listens:
            with contextlib.suppress(*_BROKEN, asyncpg.PostgresError, TimeoutError):
                self._wire.remove_termination_listener(heard)
                await self._wire.remove_listener(channel, heard)
        self._listens.clear()

    async def _run(
        self, method: Callable[..., Any], query: Statement, values: dict[str, Any]
    ) -> Any:
        if self._before is not None:
            await self._before()
        if debug_lines.is_on():
            method = debug_lines.watched(method, query.name)
        known = query.constants
        arguments = [values[n] if n in values else known[n] for n in query.parameters]
        result = method(query.sql, *arguments)
        if query.changes:
            self._wrote = self.has_written = True
            if not self._in_transaction:
                result = self._committed(result)
        # A loop that polls has no span of its own, so its statements belong to no trace.
        if not recording.is_on() or span_now.get() is None:
            found = await result
        else:
            with recording.span(query.name, CLIENT) as work:
                work.attributes["db.system.name"] = "postgresql"
                work.attributes["db.query.text"] = query.sql
                found = await result
        _answered_at[self._url] = time.monotonic()
        return found


class Database:
    """A bounded pool. `before_statement` is set while a gremlin slows statements; `after_commit` is
    called after each change that was committed (chassis/messaging/doorbell.py)."""

    def __init__(self, settings: Settings, *, size: int | None = None) -> None:
        self.url = settings.database_url
        self.size = size or settings.pool_size
        self._wait_s = settings.pool_wait_s
        self._silence_s = settings.statement_timeout_s + 1.0
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._limits = {
            "statement_timeout": f"{int(settings.statement_timeout_s * 1000)}",
            "lock_timeout": f"{int(settings.lock_timeout_s * 1000)}",
            "idle_in_transaction_session_timeout": (
                f"{int(settings.idle_transaction_timeout_s * 1000)}"
            ),
            "application_name": f"valerix-{settings.service}",
            "timezone": "UTC",
        }
        _pools[self.url].add(self)
        self.before_statement: Callable[[], Awaitable[None]] | None = None
        self.after_commit: Callable[[], None] | None = None

    async def close(self) -> None:
        """Close the pool; connections in use get a moment."""
        if self._pool is not None:
            try:
                async with asyncio.timeout(2.0):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    @property
    def idle(self) -> int:
        """Connections free right now."""
        return self._pool.get_idle_size() if self._pool else 0

    @property
    def in_use(self) -> int:
        """Connections doing work right now."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0

    async def _opened(self) -> asyncpg.Pool:
        # Opened on first use, so that a service starts (and says why it is not ready) without
        # PostgreSQL, and finds it again after any outage.
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url,
                    min_size=0,
                    max_size=self.size,
                    # A backend holds 2 to 3 MB: those that a rush opened, as each start is, do not
                    # stay. One that loops need every `CHANGES_EVERY_S` does.
                    max_inactive_connection_lifetime=10.0,
                    timeout=self._wait_s,
                    # For when PostgreSQL is frozen and cannot keep its own limit.
                    command_timeout=self._silence_s,
                    server_settings=self._limits,
                    # asyncpg's default reset is one more round trip per use; nothing here
                    # leaves session state behind.
                    reset=_no_reset,
                    init=_prepare,
                )
        return self._pool

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection whose statements each commit by themselves."""
        wire = await self._acquire()
        connection = Connection(wire, self.before_statement, self.after_commit, self.url)
        ended = False
        try:
            yield connection
            ended = True
        except asyncpg.InsufficientResourcesError as error:
            self._note_full(error)
            raise DatabaseFull(str(error)) from error
        except asyncpg.LockNotAvailableError as error:
            raise LockNotFree(str(error)) from error
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            raise DatabaseConflict(str(error)) from error
        except _BROKEN as error:
            _failures[self.url] += 1
            raise CommitUnknown(str(error)) from error
        finally:
            if connection.has_written:
                for event in _on_write[self.url]:
                    event.set()
            await connection.stop_listening()
            await self._release(wire, ended)

    @asynccontextmanager
    async def begin(self, *, for_caller: bool = False) -> AsyncIterator[Connection]:
        """One READ COMMITTED transaction: commits at the end, rolls back on any exception.

        `for_caller` also rolls back when the caller's time (X-Timeout-Ms) is up by then: it has
        given up and will ask again, so the work would only be in its way."""
        async with self.connect() as connection, connection.transaction():
            yield connection
            if for_caller:
                demand_caller()

    @property
    def largest(self) -> "Database":
        """The largest open pool of this process to the same database: that of requests."""
        pools = (pool for pool in _pools[self.url] if pool.is_open)
        return max(pools, key=lambda pool: pool.size, default=self)

    @property
    def is_open(self) -> bool:
        """Whether it may hold connections."""
        return self._pool is not None

    def written(self) -> asyncio.Event:
        """An event that is set whenever this process may have changed something in this database,
        here or in another pool, once that connection was given back."""
        event = asyncio.Event()
        _on_write[self.url].add(event)
        return event

    @property
    def failures(self) -> int:
        """Grows whenever this database did not answer, here or in another pool of the process."""
        return _failures[self.url]

    @property
    def answered_s_ago(self) -> float:
        """Seconds since this database answered a statement, here or in another pool."""
        return time.monotonic() - _answered_at.get(self.url, -math.inf)

    @property
    def is_full(self) -> bool:
        """Whether a statement failed for want of room a moment ago, here or in another pool."""
        return time.monotonic() < _full_until.get(self.url, 0.0)

    def _note_full(self, error: Exception) -> None:
        if not self.is_full:
            logger.error("the database has no room: %s; what needs it is refused", error)
        _full_until[self.url] = time.monotonic() + _FULL_FOR_S

    async def _acquire(self) -> Any:
        started = time.monotonic()
        try:
            pool = await self._opened()
            return await pool.acquire(timeout=self._wait_s)
        except TimeoutError as error:
            _failures[self.url] += 1
            waited = time.monotonic() - started
            raise DatabaseBusy(f"no database connection within {waited:.1f} s") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _failures[self.url] += 1
            raise DatabaseDown(type(error).__name__) from error

    async def _release(self, wire: Any, ended: bool) -> None:
        pool = self._pool
        if pool is None:
            return
        # A lost connection has left the pool by itself, and raises on every call.
        with contextlib.suppress(asyncpg.InterfaceError):
            if wire.is_in_transaction():
                # Cancelled in mid-transaction: ending the connection costs less than a rollback.
                wire.terminate()
        releasing = pool.release(wire)
        if not ended:
            # Who is cancelled once more while this waits does not hear how it ended.
            task = asyncio.ensure_future(releasing)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            releasing = asyncio.shield(task)
        # asyncpg waits for a cancelled statement to end, and drops the connection if it does not. A
        # connection that is lost in this very moment has left the pool before asyncpg looks again.
        with contextlib.suppress(TimeoutError, asyncpg.InternalClientError):
            await releasing


def _begin() -> str:
    """Begins a transaction, and tells its triggers which trace it belongs to: the outboxes keep
    it. One round trip; a traceparent is hexadecimal digits and hyphens of our own."""
    traceparent = current_traceparent() if recording.is_on() else None
    return f"BEGIN; SET LOCAL valerix.traceparent = '{traceparent}'" if traceparent else "BEGIN"


async def _no_reset(_: Any) -> None:
    """Leave the connection as it is."""


async def _prepare(wire: Any) -> None:
    await wire.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value, enc_hook=str),
        decoder=lambda raw: msgspec.json.decode(raw[1:]),
        format="binary",
    )


async def _roll_back(wire: Any) -> None:
    """Never raises for a broken connection: the caller has an exception of its own."""
    with contextlib.suppress(asyncpg.InterfaceError):  # the connection is lost
        try:
            async with asyncio.timeout(1.0):
                await wire.execute("ROLLBACK")
        except (TimeoutError, asyncpg.PostgresError, *_BROKEN):
            wire.terminate()
        except asyncio.CancelledError:
            wire.terminate()
            raise
