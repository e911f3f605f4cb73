"""What spectators cost: browsers with the overview open while others place orders."""

import asyncio
import contextlib
import re
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec

from bench import clients
from bench.shops import Variant
from fleet.child_guard import Child

# As long as a person may look before somebody places the orders that are measured.
_SETTLE_S = 8.0
# A browser runs on its owner's machine: here it gets what the shop and its clients leave.
_NICEST = "19"


class _Pair(msgspec.Struct, frozen=True):
    """One round: alone, then watched. Processor seconds per second, of the dashboard."""

    alone: clients.Round
    watched: clients.Round
    busy: float


async def measure(shop: Variant, spectators: int, orders: int, rounds: int) -> dict[str, Any]:
    """Orders per second alone and watched, medians of interleaved rounds; the overview's time as
    the server's own clock has it."""
    before = await _server_times(shop.urls["dashboard"])
    pairs = [await _round(shop, spectators, orders) for _ in range(rounds)]
    after = await _server_times(shop.urls["dashboard"])
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    middle = statistics.median
    return {
        "spectators": spectators,
        "alone_per_s": middle(pair.alone.orders_per_s for pair in pairs),
        "watched_per_s": middle(pair.watched.orders_per_s for pair in pairs),
        "watched_of_alone": middle(
            pair.watched.orders_per_s / pair.alone.orders_per_s for pair in pairs
        ),
        "alone_p99_ms": middle(pair.alone.p99_ms for pair in pairs),
        "watched_p99_ms": middle(pair.watched.p99_ms for pair in pairs),
        "overview_answers": counts[float("inf")],
        "overview_p99_below_s": _p99(counts),
        "dashboard_busy": middle(pair.busy for pair in pairs),
    }


async def _round(shop: Variant, spectators: int, orders: int) -> _Pair:
    alone = await clients.shop(shop.urls["order"], 16, orders)
    with _audience(shop, spectators) as audience:
        await asyncio.sleep(_SETTLE_S)
        cpu_s, begun = shop.cpu_s_of("dashboard"), time.monotonic()
        watched = await clients.shop(shop.urls["order"], 16, orders)
        busy = (shop.cpu_s_of("dashboard") - cpu_s) / (time.monotonic() - begun)
        if audience.poll() is not None:
            raise RuntimeError(f"the spectators stopped: see {shop.log('spectators')}")
    return _Pair(alone, watched, busy)


@contextlib.contextmanager
def _audience(shop: Variant, count: int) -> Iterator[Child]:
    argv = [sys.executable, "-m", "bench.spectators", shop.urls["dashboard"], str(count)]
    child = Child(
        ["nice", "-n", _NICEST, *argv], log=shop.log("spectators"), if_orphaned=signal.SIGKILL
    )
    try:
        yield child
    finally:
        child.kill()


async def _server_times(url: str) -> dict[float, float]:
    """The overview's histogram: answers so far within each bound, in seconds."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    found: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith("http_request_duration_seconds_bucket") and 'path="/"' in line:
            bound = re.search(r'le="([^"]+)"', line)
            if bound is not None:
                at = float(bound[1])
                found[at] = found.get(at, 0.0) + float(line.rpartition(" ")[2].split(" # ")[0])
    return found


def _p99(counts: dict[float, float]) -> float:
    """The bound below which 99 of 100 answers were."""
    whole = counts[float("inf")]
    return min(bound for bound, number in counts.items() if number >= 0.99 * whole)
