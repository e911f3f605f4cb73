"""The variants to compare: real processes on free ports, one database each, one PostgreSQL."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from fleet import health, migrate
from fleet.child_guard import Child
from fleet.ports import free_port
from fleet.run_dir import RunDirectory
from topology import NAMES, PROCESSES, find

_READY_S = 60
# So many more of every product, as one delivery each.
DELIVERY = """
WITH moved AS (
  UPDATE inventory.stock SET total = total + 1000000, stock = stock + 1000000 RETURNING product_id)
INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)
SELECT gen_random_uuid(), 'delivered', product_id, 1000000 FROM moved"""


class Variant:
    """A shop in one configuration: the services (for some the dashboard too) and an environment."""

    def __init__(
        self,
        name: str,
        home: RunDirectory,
        database_url: str,
        environ: Mapping[str, str],
        *,
        keys: tuple[str, ...] = tuple(NAMES),
        otel_python: str = "",
        tree: Path | None = None,
    ) -> None:
        """`otel_python`: an interpreter that has OpenTelemetry; the services run under it with
        its instrumentation in place of the edge. `tree`: another checkout, whose code runs."""
        self.name = name
        self.database_url = database_url
        self._home, self.keys, self._tree = home, keys, tree
        ours = [sys.executable, "-m", "cli", "run"]
        self._argv = [otel_python, "-m", "bench.otel_baseline"] if otel_python else ours
        ports = {process.key: free_port() for process in PROCESSES}
        self.urls = {key: f"http://127.0.0.1:{port}" for key, port in ports.items()}
        self._environ = {
            **os.environ,
            "VALERIX_DATABASE_URL": database_url,
            "VALERIX_LOG_FORMAT": "json",
            # Declined orders take other steps; a comparison needs the same work each time.
            "VALERIX_PAYMENT_DECLINE_RATE": "0",
            **{find(key).port_variable: str(port) for key, port in ports.items()},
            **{find(key).url_variable: url for key, url in self.urls.items()},
            **environ,
        }
        self.children: dict[str, Child] = {}

    def add(self, environ: Mapping[str, str]) -> None:
        """More environment, before the start."""
        self._environ.update(environ)

    def log(self, what: str) -> Path:
        """Where a process of this shop writes its output."""
        return self._home.log(f"{self.name}-{what}")

    def spawn(self, key: str) -> None:
        """Start one process; the caller asks whether it is ready."""
        self.children[key] = Child(
            [*self._argv, key],
            log=self.log(key),
            if_orphaned=signal.SIGKILL,
            environ=self._environ,
            cwd=self._tree,
        )

    def start(self) -> None:
        """Start all and wait until they are ready and stocked."""
        for key in self.keys:
            self.spawn(key)
        end = time.monotonic() + _READY_S
        for key in self.keys:
            while obstacle := health.obstacle(self.urls[key]):
                if self.children[key].poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.name}: {key} did not start ({obstacle})")
                time.sleep(0.02)
        asyncio.run(self._restock())

    async def _restock(self) -> None:
        connection = await asyncpg.connect(self.database_url)
        await connection.execute(DELIVERY)
        await connection.close()

    def stop(self) -> None:
        """Stop all."""
        for child in self.children.values():
            child.send(signal.SIGTERM)
        for child in self.children.values():
            child.wait(8.0)
            child.kill()

    def resident_mb(self) -> dict[str, float]:
        """Resident memory of each process in MB, each shared page divided among its sharers."""
        return {
            key: proportional_mb(psutil.Process(child.pid)) for key, child in self.children.items()
        }

    def cpu_s(self) -> float:
        """Processor seconds its processes have used so far."""
        return sum(map(self.cpu_s_of, self.children))

    def cpu_s_of(self, key: str) -> float:
        """The same for one of them."""
        used = psutil.Process(self.children[key].pid).cpu_times()
        return float(used.user + used.system)


def proportional_mb(process: psutil.Process) -> float:
    """Its share of what is resident; where the kernel does not say, everything it maps."""
    used = process.memory_full_info()
    return float(getattr(used, "pss", used.uss)) / 1e6


def database(server_url: str, name: str) -> str:
    """A fresh, migrated database on the server; its URL."""
    url = empty(server_url, name)
    migrate.upgrade(url)
    return url


def empty(server_url: str, name: str) -> str:
    """A fresh database in which nothing was migrated; its URL."""

    async def create() -> None:
        connection = await asyncpg.connect(server_url)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    asyncio.run(create())
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@contextlib.contextmanager
def running(shops: list[Variant]) -> Iterator[list[Variant]]:
    """All shops open for the duration; none left afterwards."""
    try:
        for shop in shops:
            shop.start()
        yield shops
    finally:
        for shop in shops:
            shop.stop()


def write(path: Path, result: object) -> None:
    """The result as JSON, for whoever compares later."""
    path.write_text(json.dumps(result, indent=2) + "\n")
