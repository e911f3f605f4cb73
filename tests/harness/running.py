"""The real processes and the fresh databases that tests run against."""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from fleet import children, health
from fleet.ports import free_port
from fleet.postgres import PostgresServer
from fleet.run_dir import RunDirectory
from tests.harness.forked import ForkedService
from topology import KEYS, PROCESSES, find

_READY_LIMIT_S = 120


class Databases:
    """Fresh databases on one server. A copy of a migrated template takes tens of milliseconds."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._numbers = itertools.count(1)
        self._mine: list[str] = []
        self._template = f"valerix_test_{os.getpid()}_template"
        # Kept: to connect costs half as much again as to make a database.
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def create_template(self) -> str:
        """The database the others are copied from; the caller migrates it."""
        return self.create(name=self._template, template="template1")

    def create(self, *, name: str | None = None, template: str | None = None) -> str:
        """A new database's URL; `template` is the name of another that nobody is connected to."""
        name = name or f"valerix_test_{os.getpid()}_{next(self._numbers)}"
        # Copying files beats replaying them through the log, for a database of a few megabytes.
        self._execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template or self._template}" STRATEGY file_copy'
        )
        self._mine.append(name)
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._mine.remove(name)

    def close(self) -> None:
        """Drop what is left, and leave the server."""
        for name in list(self._mine):
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._mine.clear()
        if self._connection is not None:
            self._runner.run(self._connection.close())
        self._runner.close()

    def _execute(self, statement: str) -> None:
        try:
            self._runner.run(self._executed(statement))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if self._connection is None or not self._connection.is_closed():
                raise
            # A test has restarted the server.
            self._connection = None
            self._runner.run(self._executed(statement))

    async def _executed(self, statement: str) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._server_url)
        await self._connection.execute(statement)


def choices_of(module: ModuleType) -> dict[str, Any]:
    """Which processes a module of tests wants, FLEET_KEYS, and with what, FLEET_ENVIRON; only
    what it sets."""
    known = {"FLEET_KEYS": "keys", "FLEET_ENVIRON": "environ"}
    return {choice: vars(module)[name] for name, choice in known.items() if name in vars(module)}


@contextmanager
def run_fleet(databases: Databases, home: Path, **choices: Any) -> Iterator["RunningFleet"]:
    """A fleet that is ready, on a fresh database; `choices` are those of RunningFleet."""
    url = databases.create()
    running = RunningFleet(home=home, database_url=url, **choices)
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()
        databases.drop(url)


class RunningFleet:
    """The processes of the shop as `valerix up` would start them, under the test's control."""

    def __init__(
        self,
        *,
        home: Path,
        database_url: str,
        postgres: PostgresServer | None = None,
        keys: Iterable[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.database_url, self._postgres = database_url, postgres
        self.keys = tuple(keys or KEYS)
        self._home = RunDirectory(home)
        self._home.prepare()
        ports = {key: free_port() for key in KEYS}
        self.urls = {key: f"http://127.0.0.1:{port}" for key, port in ports.items()}
        settings = {"VALERIX_DATABASE_URL": database_url, "VALERIX_LOG_FORMAT": "json"}
        # Argon2 with as little memory as it takes.
        settings |= {"VALERIX_IDENTITY_HASH_KIB": "32"}
        self.ports = {each: free_port() for key in KEYS for each in find(key).port_variables}
        self.ports |= {find(key).port_variable: port for key, port in ports.items()}
        settings |= {variable: str(port) for variable, port in self.ports.items()}
        settings |= {process.url_variable: self.urls[process.key] for process in PROCESSES}
        if "acquirer" not in self.keys:
            settings["VALERIX_PAYMENT_STRIPE_ACCOUNTS"] = ""
        whole = dict(os.environ) | settings | dict(environ or {})
        # As `valerix up` has it: the services send to the dashboard, where there is one.
        observed = {"VALERIX_OTLP_RECEIVER": self.urls["dashboard"], **whole}
        self._services = {
            key: ForkedService(
                find(key),
                self.urls[key],
                self._home,
                observed if key != "dashboard" and "dashboard" in self.keys else whole,
            )
            for key in self.keys
        }

    def url(self, key: str) -> str:
        return self.urls[key]

    def pid(self, key: str) -> int:
        child = self._services[key].child
        assert child is not None, f"{key} was never started"
        return child.pid

    def log(self, key: str) -> str:
        """What the process has written since its last start."""
        return self._services[key].log.read_text(errors="replace")

    def start_all(self) -> None:
        for service in self._services.values():
            service.start()
        for key in self._services:
            self.wait_until_ready(key)

    def stop_all(self) -> None:
        children.stop(list(self._services.values()), grace_s=8)

    def start(self, key: str) -> None:
        """Start a process that was killed or stopped, and wait until it is ready."""
        self._services[key].start()
        self.wait_until_ready(key)

    def kill(self, key: str) -> None:
        """As kill -9 would: no goodbye, no flush."""
        child = self._services[key].child
        assert child is not None, f"{key} was never started"
        child.kill()

    def pause(self, key: str) -> None:
        """Freeze a process (SIGSTOP): it holds its sockets and answers nothing."""
        os.kill(self.pid(key), signal.SIGSTOP)

    def resume(self, key: str) -> None:
        os.kill(self.pid(key), signal.SIGCONT)

    def restart_postgres(self, *, away_s: float = 0.0) -> None:
        """Stop and start the run's PostgreSQL; the data stays, every connection is cut."""
        if self._postgres is None:
            pytest.skip("VALERIX_DATABASE_URL names a server that is not ours to restart")
        self._postgres.stop()
        time.sleep(away_s)
        self._postgres.start()

    def wait_until_ready(self, key: str) -> None:
        service, end = self._services[key], time.monotonic() + _READY_LIMIT_S
        while obstacle := health.obstacle(service.url):
            if service.ended() is not None:
                raise AssertionError(f"{key} died:\n{service.log_tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"{key} is not ready ({obstacle}):\n{service.log_tail()}")
            time.sleep(0.05)

    def ask(self, method: str, key: str, path: str) -> tuple[int, Any]:
        """Status and decoded body of one request without a body."""
        return health.ask(method, self.urls[key] + path, timeout_s=30)

    def valerix(self, *arguments: str) -> list[str]:
        """The command line as this fleet's Python runs it, for subprocess."""
        return [sys.executable, "-m", "cli", *arguments]
