"""How long each process takes to start, split into its imports, being alive and being ready."""

import subprocess
import sys
import time

from bench.shops import Variant
from fleet import health
from fleet.run_dir import RunDirectory
from topology import PROCESSES

_POLL_S = 0.01


def measure(home: RunDirectory, database_url: str) -> dict[str, dict[str, float]]:
    """Seconds per process, each started alone."""
    return {
        process.key: {
            "imports_s": _imports_s(f"{process.package}.app"),
            **_start_s(home, database_url, process.key),
        }
        for process in PROCESSES
    }


def _imports_s(module: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - begun


def _start_s(home: RunDirectory, database_url: str, key: str) -> dict[str, float]:
    shop = Variant("startup", home, database_url, {"VALERIX_TELEMETRY": "off"}, keys=(key,))
    begun = time.perf_counter()
    shop.spawn(key)
    try:
        while not _is_alive(shop.urls[key]):
            time.sleep(_POLL_S)
        alive_s = time.perf_counter() - begun
        while health.obstacle(shop.urls[key]):
            time.sleep(_POLL_S)
        return {"alive_s": alive_s, "ready_s": time.perf_counter() - begun}
    finally:
        shop.stop()


def _is_alive(url: str) -> bool:
    try:
        return health.ask("GET", f"{url}/health/live", timeout_s=1)[0] == 200
    except OSError:
        return False
