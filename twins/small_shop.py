"""Starts a small shop, a twin or ours, and ends it: nothing of it outlives whoever asked for it."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Never

import msgspec

from chassis.settings import BadSetting
from fleet import children
from fleet.children import Supervised
from fleet.errors import CannotRun, Failed
from fleet.ports import free_port
from fleet.run_dir import RunDirectory, find_run_directory
from fleet.settings import load
from topology import KEYS, PROCESSES
from twins.loopback import demand_loopback
from twins.twin import OURS, UNSAFE, find

_HOST = "127.0.0.1"
# The processes have two minutes, and a machine that is busy with other work takes its time to make
# a database before.
_READY_LIMIT_S = 240.0
# PostgreSQL's own limit comes last, and the processes' before it.
_STOP_LIMIT_S = 30.0
_POLL_S = 0.05
_WATCH_S = 0.5

# What every small shop runs with: a demonstration is over in seconds, and so is what it waits for.
_SETTINGS = {
    # A declined card is another story.
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
    "VALERIX_GREMLIN_POLL_S": "0.1",
    "VALERIX_RECONCILE_POLL_S": "0.1",
    "VALERIX_RECONCILE_BACKOFF_MAX_S": "0.5",
    "VALERIX_PAYMENT_GATEWAY_TIMEOUT_S": "1",
    "VALERIX_PAYMENT_PROBE_BASE_S": "0.1",
    "VALERIX_PAYMENT_PROBE_MAX_S": "0.5",
    # Later than the next account is asked: an event that comes first would tell what was captured.
    "VALERIX_ACQUIRER_WEBHOOK_POLL_S": "1",
}


class SmallShop(msgspec.Struct, frozen=True):
    """A shop that runs: `name` is the twin's, or "ours"; `urls` has the base URL of each process it
    has, by key. `environ` is what its processes run with, and `home` where their logs are."""

    name: str
    urls: dict[str, str]
    database_url: str
    environ: dict[str, str]
    home: RunDirectory
    supervisor: Supervised

    async def watch(self) -> Never:
        """Raise `Failed`, with what it said last, once it has ended by itself."""
        while True:
            await asyncio.sleep(_WATCH_S)
            if self.supervisor.ended() is not None:
                raise Failed(f"{_called(self.name)} ended:\n{self.supervisor.log_tail()}")


@asynccontextmanager
async def start(
    name: str,
    *,
    keys: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    home: Path | None = None,
    database_url: str | None = None,
) -> AsyncIterator[SmallShop]:
    """A twin, or OURS, for the duration of the block: ready at its beginning, gone after its end,
    and also when this process is killed.

    `keys` are its processes, the twin's own by default, and `settings` more variables for them.
    Its folder is `home`, or one beside the shop's own data. Without `database_url`, which must be
    of a database that nobody else uses, it has a PostgreSQL of its own, and throws its data away.

    To be called on a thread that lives longer: the kernel ends the shop with the thread that began
    it. Raises `KeyError` for a twin that is unknown, and `CannotRun` where VALERIX_HOST is not
    loopback, or when it did not start."""
    keys = tuple(keys or (find(name).keys if name != OURS else KEYS))
    demand_local(keys)
    folder = RunDirectory(home or find_run_directory().path / "twins" / name)
    folder.prepare()
    more = {**_of_twin(name), **(settings or {})}
    if database_url:
        more["VALERIX_DATABASE_URL"] = database_url
    environ = environment(folder, more)
    argv = children.python_command("twins", name, *keys)
    supervisor = Supervised(
        f"twin {name}", argv, folder.log("supervisor"), environ, if_orphaned=signal.SIGTERM
    )
    supervisor.start()
    try:
        yield await _ready(name, supervisor, folder, environ)
    finally:
        await _stop(supervisor)


def _of_twin(name: str) -> dict[str, str]:
    if name == OURS:
        return {}
    twin = find(name)
    return {**twin.settings, "VALERIX_NOTICE": f"{UNSAFE} {twin.name}: {twin.wrong}"}


def environment(folder: RunDirectory, more: Mapping[str, str]) -> dict[str, str]:
    """What its processes run with: of our own settings nothing, so that it meets no other shop.
    Every process has ports and an address of its own, also those that are not started."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VALERIX_", "OTEL_"))
    }
    ports = {each: free_port() for process in PROCESSES for each in process.port_variables}
    urls = {
        process.url_variable: f"http://{_HOST}:{ports[process.port_variable]}"
        for process in PROCESSES
    }
    return {
        **children.python_environment(plain),
        "VALERIX_HOME": str(folder.path),
        "VALERIX_CONFIG": os.devnull,
        "VALERIX_HOST": _HOST,
        "VALERIX_LOG_FORMAT": "json",
        **{variable: str(port) for variable, port in ports.items()},
        **urls,
        **_SETTINGS,
        **more,
    }


def demand_local(keys: Sequence[str]) -> None:
    """Raise `CannotRun` where one of these processes would listen beyond this machine."""
    try:
        # Off loopback settings demand a token, and only the address matters here.
        demand_loopback({key: load(key, operator_token=secrets.token_hex(16)) for key in keys})
    except BadSetting as error:
        raise CannotRun(str(error)) from None


async def _ready(
    name: str, supervisor: Supervised, folder: RunDirectory, environ: dict[str, str]
) -> SmallShop:
    """The shop once it takes requests."""
    clock = asyncio.get_running_loop().time
    end = clock() + _READY_LIMIT_S
    while True:
        running = folder.running()
        if running is not None and supervisor.child and running.pid == supervisor.child.pid:
            return SmallShop(name, running.urls, running.database_url, environ, folder, supervisor)
        if supervisor.ended() is not None:
            raise CannotRun(f"{_called(name)} did not start:\n{supervisor.log_tail()}")
        if clock() > end:
            late = f"is not ready after {_READY_LIMIT_S:.0f} s; see {supervisor.log}"
            raise CannotRun(f"{_called(name)} {late}")
        await asyncio.sleep(_POLL_S)


def _called(name: str) -> str:
    return "the small shop of ours" if name == OURS else f"the twin {name}"


async def _stop(supervisor: Supervised) -> None:
    """Stop in order; one that does not is killed, and all that it started with it."""
    child = supervisor.child
    if child is None:
        return
    try:
        if child.poll() is None:
            child.send(signal.SIGTERM)
        await asyncio.to_thread(child.wait, _STOP_LIMIT_S)
    finally:
        child.kill()
