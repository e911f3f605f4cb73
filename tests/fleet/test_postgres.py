"""The embedded PostgreSQL: whole or not there, and clear about data it cannot use."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from fleet import data_directory
from fleet.errors import CannotRun
from fleet.postgres import FAST_SETTINGS, PostgresServer, serving
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import alive

pytestmark = needs_embedded


class Lines(list[str]):
    """Collects the lines that a person would read."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def server_in(home: Path, lines: Lines) -> PostgresServer:
    return PostgresServer(
        home / "postgres", home / "postgres.log", settings=FAST_SETTINGS, say=lines
    )


@pytest.fixture
def new_server(home: Path, lines: Lines) -> PostgresServer:
    home.mkdir()
    return server_in(home, lines)


@pytest.fixture
def server(prepared_home: Path, lines: Lines) -> PostgresServer:
    return server_in(prepared_home, lines)


def ask(url: str, question: str) -> object:
    async def fetch() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_data_survives_and_the_second_start_prints_nothing(
    new_server: PostgresServer, lines: Lines
):
    with serving(new_server) as url:
        ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
    assert any("setting up the database" in line for line in lines)
    lines.clear()
    with serving(new_server) as url:
        assert ask(url, "SELECT n FROM kept") == 7
    assert lines == []


def test_it_listens_on_a_socket_only_its_owner_can_reach(server: PostgresServer):
    with serving(server) as url:
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SHOW timezone") == "UTC"
        folder = Path(str(ask(url, "SHOW unix_socket_directories")))
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("settings", "fsync"), [({}, "on"), (FAST_SETTINGS, "off")])
def test_fsync_is_on_unless_data_is_thrown_away(
    prepared_home: Path, lines: Lines, settings: dict[str, str], fsync: str
):
    data, log = prepared_home / "postgres", prepared_home / "log"
    server = PostgresServer(data, log, settings=settings, say=lines)
    with serving(server) as url:
        assert ask(url, "SHOW fsync") == fsync


@pytest.mark.long
def test_a_path_too_long_for_a_socket_works(home: Path, lines: Lines):
    deep = home / ("d" * 100)
    deep.mkdir(parents=True)
    server = PostgresServer(deep / "postgres", deep / "log", settings=FAST_SETTINGS, say=lines)
    with serving(server) as url:
        folder = Path(str(ask(url, "SHOW unix_socket_directories")))
        assert deep not in folder.parents
    assert not folder.exists()


@pytest.mark.long
def test_a_path_with_spaces_and_signs_works(home: Path, lines: Lines):
    odd = home / "my shop, 50%?"
    odd.mkdir(parents=True)
    with serving(
        PostgresServer(odd / "postgres", odd / "log", settings=FAST_SETTINGS, say=lines)
    ) as url:
        assert ask(url, "SELECT 1") == 1


def test_an_interrupted_set_up_is_cleared_and_done_again(new_server: PostgresServer):
    half = new_server.data.with_name(f"{new_server.data.name}.new-abc")
    (half / "base").mkdir(parents=True)
    with serving(new_server) as url:
        assert ask(url, "SELECT 1") == 1
    assert not half.exists()


@pytest.mark.long
def test_an_incomplete_data_directory_is_put_aside_not_deleted(
    new_server: PostgresServer, lines: Lines
):
    new_server.data.mkdir()
    (new_server.data / "PG_VERSION").write_text("18\n")
    with serving(new_server) as url:
        assert ask(url, "SELECT 1") == 1
    (aside,) = new_server.data.parent.glob("postgres.broken-*")
    assert (aside / "PG_VERSION").exists()
    assert any("not a complete data directory" in line for line in lines)


def test_data_of_another_major_version_is_refused_with_the_way_out(new_server: PostgresServer):
    (new_server.data / "global").mkdir(parents=True)
    (new_server.data / "global" / "pg_control").touch()
    (new_server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotRun, match="made by PostgreSQL 16 and this is 18") as refused:
        new_server.start()
    assert "mv " in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.long
def test_a_pid_file_with_the_pid_of_another_program_is_removed(
    server: PostgresServer, lines: Lines
):
    pid_file = [str(os.getpid()), str(server.data), "0", "5432", "", "", "", "ready"]
    (server.data / "postmaster.pid").write_text("\n".join(pid_file) + "\n")
    with serving(server) as url:
        assert ask(url, "SELECT 1") == 1
    assert any("stale postmaster.pid" in line for line in lines)


@pytest.mark.long
def test_a_server_that_cannot_start_reports_the_error_of_postgresql(server: PostgresServer):
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(CannotRun, match="contains errors"):
        server.start()


def test_without_an_embedded_postgresql_the_error_names_the_setting_to_use(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(data_directory, "find_spec", lambda name: None)
    with pytest.raises(CannotRun, match="VALERIX_DATABASE_URL=postgresql://"):
        data_directory.find_installation()


def test_an_orphan_is_ended_on_systems_without_prctl():
    script = (
        "import os, signal, subprocess, sys\n"
        "from fleet.child_guard import _watch\n"
        "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "_watch(child.pid, signal.SIGKILL)\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    orphan = int(done.stdout)
    if psutil.pid_exists(orphan):
        assert alive([psutil.Process(orphan)], within_s=5) == []
