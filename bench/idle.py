"""What a shop costs in which nothing happens: processor time by process, and transactions."""

import asyncio
import contextlib
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from bench.opening import name_of, opened, place_order
from bench.rates import used_s

# What the start and its one order have left to do is done by then: the seal of the proof, the last,
# is written some forty seconds after it, and figures look back for a minute more.
_REST_S = 120
_MEASURED_S = 60
# PostgreSQL's own processes write and analyse what came before.
_TRANSACTIONS = (
    "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database"
    " WHERE datname = current_database()"
)


def measure(folder: Path) -> dict[str, Any]:
    """`transactions_per_s`, and `cpu_percent` of one core by process, over a minute of a shop that
    has taken one order and is not looked at."""
    with opened(folder) as (running, supervisor):
        place_order(running)
        time.sleep(_REST_S)
        begun = time.monotonic()
        transactions, used = _transactions(running.database_url), _cpu_s(supervisor)
        time.sleep(_MEASURED_S)
        now, seconds = _cpu_s(supervisor), time.monotonic() - begun
        # Ours is one of them.
        done = _transactions(running.database_url) - transactions - 1
        cpu = {name: 100 * (now[name] - used[name]) / seconds for name in now}
        return {
            "seconds": seconds,
            "transactions_per_s": done / seconds,
            "cpu_percent": {**cpu, "all": sum(cpu.values())},
        }


def _transactions(database_url: str) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            return int(await connection.fetchval(_TRANSACTIONS))
        finally:
            await connection.close()

    return asyncio.run(ask())


def _cpu_s(supervisor: psutil.Process) -> dict[str, float]:
    """Processor seconds so far, by name; what a backend has used that ended is the server's."""
    found = defaultdict[str, float](float)
    for process in (supervisor, *supervisor.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            name = "supervisor" if process == supervisor else name_of(process.cmdline())
            found[name] += used_s(process)
    return found
