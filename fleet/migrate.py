"""The database's schema, moved up and down by Alembic over plain SQL files.

Alembic and SQLAlchemy are imported where something moves: a start that finds the newest schema,
which is nearly every one, does without that second.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg

from chassis.database.errors import UNANSWERED
from fleet.errors import CannotRun, Failed
from fleet.run_dir import ROOT

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = ROOT / "infra" / "migrations"
_OLDEST_SERVER = 15
_CONNECT_LIMIT_S = 10
_LOOK_EVERY_S = 1.0
# A migration that waits for a lock makes every later query wait behind it: better to give up.
_LOCK_LIMIT = "5s"
# Two migrations at once: the second waits for the first, which may be a long one.
_LOCK_WAIT_LIMIT = "60s"
_ADVISORY_LOCK = 0x76616C6572697800  # "valerix" in a bigint: the advisory lock that is ours


def newest() -> str:
    """The revision the files of this checkout lead to."""
    return max(path.name[:4] for path in (MIGRATIONS / "sql").glob("*.up.sql"))


def current(database_url: str) -> str | None:
    """The revision the database is at; None before the first migration."""
    return asyncio.run(_current(database_url))


def wait(database_url: str, limit_s: float) -> str:
    """Wait for the newest revision, or a newer one of a later version; the one that was found.

    A database that does not answer is waited for as well; `Failed` says what was seen last."""
    end, seen = time.monotonic() + limit_s, ""
    while True:
        try:
            found = current(database_url)
            if found is not None and found >= newest():
                return found
            seen = f"the database is at {found or 'none'}"
        except CannotRun as error:
            seen = error.message
        if time.monotonic() >= end:
            raise Failed(f"not at {newest()} after {limit_s:g} s: {seen}")
        time.sleep(min(_LOOK_EVERY_S, max(end - time.monotonic(), 0)))


def upgrade(database_url: str, go_on: Callable[[], None] = lambda: None) -> str | None:
    """Move up to the newest revision and return it, or None when it was there already. `go_on` is
    called at each migration's end; where it raises, that one is taken back and no other begins."""
    if current(database_url) == newest():
        return None
    _run(database_url, "upgrade", "head", go_on)
    return newest()


def downgrade(database_url: str, *, everything: bool = False) -> str | None:
    """Take the newest migration back, or all of them; the revision the database is at now."""
    if current(database_url) is not None:
        _run(database_url, "downgrade", "base" if everything else "-1")
    return current(database_url)


def force(database_url: str, revision: str) -> None:
    """Write down that the database is at `revision` (or "base"), running nothing."""
    _run(database_url, "stamp", revision)


def sql_of(name: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """The upgrade and downgrade of one version file: its two SQL files."""
    return (lambda: _execute(f"{name}.up.sql")), (lambda: _execute(f"{name}.down.sql"))


def _execute(file: str) -> None:
    """Run a file of many statements in the migration's transaction.

    On asyncpg's own connection, because a prepared statement, which is all that SQLAlchemy sends,
    holds one command. The first statement goes through SQLAlchemy all the same: it is what begins
    the transaction.
    """
    from alembic import op
    from sqlalchemy.util import await_only

    op.execute(f"SET LOCAL lock_timeout = '{_LOCK_LIMIT}'")
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute((MIGRATIONS / "sql" / file).read_text("utf-8")))


def _run(
    database_url: str, verb: str, revision: str, go_on: Callable[[], None] = lambda: None
) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")

    def work(connection: "Connection") -> None:
        config.attributes["connection"] = connection
        config.attributes["on_version_apply"] = lambda **_: go_on()
        getattr(command, verb)(config, revision)

    try:
        asyncio.run(_with_connection(database_url, work))
    except CommandError as error:
        raise CannotRun(
            f"{error}: this checkout's migrations end at {newest()}; "
            "update the checkout, or correct the record with make migrate-force V=…"
        ) from None
    except (asyncpg.PostgresError, DBAPIError) as error:
        raise Failed(f"the migration failed and was rolled back: {error}") from None


async def _with_connection(database_url: str, work: "Callable[[Connection], None]") -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect() -> Any:
        return await _connect(database_url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            # Held by the session, so it ends with the connection, whatever happens.
            await connection.execute(text(f"SET lock_timeout = '{_LOCK_WAIT_LIMIT}'"))
            await connection.execute(text(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})"))
            await connection.commit()
            await connection.run_sync(work)
    finally:
        await engine.dispose()


async def _current(database_url: str) -> str | None:
    connection = await _connect(database_url)
    try:
        version: str | None = await connection.fetchval(
            "SELECT version_num FROM public.alembic_version"
        )
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return version


async def _connect(database_url: str) -> asyncpg.Connection:
    """A connection, or one line about the database that does not answer."""
    try:
        connection = await asyncpg.connect(database_url, timeout=_CONNECT_LIMIT_S)
    except (*UNANSWERED, ValueError) as error:
        why = str(error) or type(error).__name__
        raise CannotRun(
            f"no database at {_shown(database_url)} ({why}): "
            "is it running? see VALERIX_DATABASE_URL"
        ) from None
    found = connection.get_server_version().major
    if found < _OLDEST_SERVER:
        await connection.close()
        raise CannotRun(
            f"PostgreSQL {found} at {_shown(database_url)} is too old: "
            f"{_OLDEST_SERVER} or newer is needed"
        )
    return connection


def _shown(database_url: str) -> str:
    """The URL without its secrets."""
    parts = urlsplit(database_url)
    host = parts.query.partition("&")[0]
    query = f"?{host}" if host.startswith("host=") else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"
