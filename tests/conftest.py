"""What every test may ask for: a database of its own, settings for it, and the real processes."""

import asyncio
import gc
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import uvloop
from xdist.scheduler import LoadFileScheduling

from chassis.settings import Settings
from chassis.telemetry import recording
from fleet import migrate
from fleet.postgres import FAST_SETTINGS, PostgresServer
from fleet.settings import load
from tests.harness.rabbit import RabbitServer, program
from tests.harness.running import Databases, RunningFleet, choices_of, run_fleet
from tests.harness.turns import Turns

# A developer's own settings must not decide whether a test passes; only the server may be chosen,
# and how hard a storm blows (VALERIX_CHAOS_ORDERS, _SEED, _BLOWS in tests/faults).
GIVEN_SERVER = os.environ.get("VALERIX_DATABASE_URL")
for name in [name for name in os.environ if name.startswith(("VALERIX_", "OTEL_"))]:
    if not name.startswith("VALERIX_CHAOS_"):
        del os.environ[name]


# As the processes do (chassis/http/server.py): tests that serve in their own loop serve as they do.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

# The workers with a few hundred megabytes each at their worst, twice over.
_ROOM_BYTES = 4 * 1024**3


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return Turns(config, log)


# While tests are found much is made and little is thrown away.
gc.disable()


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer | None]:
    """The run's own embedded PostgreSQL; None when VALERIX_DATABASE_URL names another server."""
    if GIVEN_SERVER:
        yield None
        return
    # Past the capture: that a folder had to be opened for it must be seen.
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    say = reporter.write_line if reporter else str
    # Directly under it: a socket path holds about a hundred characters.
    with tempfile.TemporaryDirectory(
        prefix="valerix-test-", dir=_memory(), ignore_cleanup_errors=True
    ) as folder:
        home = Path(folder)
        server = PostgresServer(home / "pg", home / "pg.log", settings=FAST_SETTINGS, say=say)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _memory() -> Path | None:
    """Where files are memory, if there is room: a thousand databases are made and dropped, a few
    at a time, which costs five times less there than on a disk. None: the temporary folder."""
    shared = Path("/dev/shm")  # noqa: S108 - a random name below it
    roomy = shared.is_dir() and os.access(shared, os.W_OK)
    return shared if roomy and shutil.disk_usage(shared).free > _ROOM_BYTES else None


@pytest.fixture(scope="session")
def databases(postgres: PostgresServer | None) -> Iterator[Databases]:
    """Makes fresh databases; each is a copy of one that was migrated once."""
    databases = Databases(postgres.url if postgres else GIVEN_SERVER or "")
    template = databases.create_template()
    migrate.upgrade(template)
    asyncio.run(_decline_nothing_by_chance(template))
    try:
        yield databases
    finally:
        databases.close()


async def _decline_nothing_by_chance(url: str) -> None:
    """The acquirer's accounts decline one card in fifty, or in twenty: no test may hang on that."""
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE acquirer.accounts SET decline_rate = 0")
    await connection.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database that only this test sees."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def module_database(databases: Databases) -> Iterator[str]:
    """A migrated database for one module."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database in which nothing was ever migrated."""
    url = databases.create(template="template1")
    yield url
    databases.drop(url)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to this test's database, to arrange and to look."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """The run's own broker; whoever needs one is skipped where RabbitMQ is not installed."""
    if program() is None:
        pytest.skip("RabbitMQ is not installed (apt-get install rabbitmq-server)")
    server = RabbitServer(tmp_path_factory.mktemp("rabbit"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings_for(database_url: str) -> Callable[..., Settings]:
    """`settings_for("order", port=1234, ...)`: one service's settings on this test's database."""

    def build(service: str, **overrides: object) -> Settings:
        return load(service, {}, **{"database_url": database_url, **overrides})

    return build


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts back what `telemetry.start` changes for the whole process."""
    for name in ("_spans", "_lines", "_recording", "_is_sampled"):
        monkeypatch.setattr(recording, name, getattr(recording, name))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def fleet(
    request: pytest.FixtureRequest,
    postgres: PostgresServer | None,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningFleet]:
    """The real processes on free ports and a database of their own, for one module.

    A module chooses with FLEET_KEYS (which processes) and FLEET_ENVIRON (extra settings).
    """
    with run_fleet(
        databases,
        tmp_path_factory.mktemp("fleet"),
        postgres=postgres,
        **choices_of(request.module),
    ) as running:
        yield running
