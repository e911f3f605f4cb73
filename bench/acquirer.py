"""A payment at the acquirer beside one at localstripe, by the official client.

localstripe keeps all it has in memory and writes the whole of it to a file at every change, so it
slows down as it fills; it is emptied before each round. The acquirer commits to PostgreSQL."""

import contextlib
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import psutil
import stripe

from bench.shops import Variant
from fleet import health
from fleet.child_guard import Child
from fleet.ports import free_port
from fleet.run_dir import RunDirectory

# Few, since localstripe is slower the more it holds.
_PAYMENTS = 100
CLIENTS = (1, 4)
_READY_S = 30
# Its own choice; there is no setting.
_ITS_FILE = Path("/tmp/localstripe.pickle")  # noqa: S108


class _Server:
    """Where the API is, how to empty it, and the processor seconds of its process so far."""

    def __init__(self, url: str, empty: Callable[[], object], cpu_s: Callable[[], float]) -> None:
        self.url, self.empty, self.cpu_s = url, empty, cpu_s


def rounds(shop: Variant, home: RunDirectory, python: str, count: int) -> dict[str, Any]:
    """Milliseconds of a payment, seen by its client and of the server's processor, for so many
    clients at once; medians of rounds that take turns. `python` has localstripe."""
    with _localstripe(home, python) as other:
        ours = _Server(
            shop.urls["acquirer"], lambda: None, lambda: float(shop.cpu_s_of("acquirer"))
        )
        return _rounds({"acquirer": ours, "localstripe": other}, count)


def _rounds(servers: dict[str, _Server], count: int) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = tuple(servers)
    # One round more, that warms up.
    for number in range(count + 1):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            for clients in CLIENTS:
                figures = _round(servers[name], clients)
                for key, value in figures.items() if number else ():
                    found[name][f"{clients} {key}"].append(value)
        click.echo(f"  round {number} of {count}")
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        for name, figures in found.items()
    }


def _round(server: _Server, clients: int) -> dict[str, float]:
    server.empty()
    client = stripe.StripeClient(
        "sk_test_alfa", base_addresses={"api": server.url}, max_network_retries=0
    )
    with ThreadPoolExecutor(clients) as pool:
        before, begun = server.cpu_s(), time.perf_counter()
        took = sorted(pool.map(lambda _: _pay(client), range(_PAYMENTS)))
        seconds, spent = time.perf_counter() - begun, server.cpu_s() - before
    return {
        "p50_ms": took[len(took) // 2] * 1000,
        "per_s": _PAYMENTS / seconds,
        "cpu_ms": spent * 1000 / _PAYMENTS,
    }


def _pay(client: stripe.StripeClient) -> float:
    """Create an intent and confirm it; the seconds of both."""
    begun = time.perf_counter()
    made = client.v1.payment_intents.create(
        {"amount": 1999, "currency": "eur", "payment_method": "pm_card_visa"}
    )
    paid = client.v1.payment_intents.confirm(made.id)
    seconds = time.perf_counter() - begun
    if paid.status != "succeeded":
        raise click.ClickException(f"{paid.id} is {paid.status}: no fair comparison")
    return seconds


@contextlib.contextmanager
def _localstripe(home: RunDirectory, python: str) -> Iterator[_Server]:
    port, was_there = free_port(), _ITS_FILE.exists()
    child = Child(
        [python, "-m", "localstripe", "--port", str(port), "--from-scratch"],
        log=home.log("localstripe"),
        if_orphaned=signal.SIGKILL,
    )
    url = f"http://127.0.0.1:{port}"
    process = psutil.Process(child.pid)

    def cpu_s() -> float:
        used = process.cpu_times()
        return float(used.user + used.system)

    try:
        end = time.monotonic() + _READY_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > end:
                raise click.ClickException(
                    f"localstripe did not start: {home.log('localstripe').read_text()[-2000:]}"
                )
            time.sleep(0.05)
        yield _Server(url, lambda: health.ask("DELETE", f"{url}/_config/data", timeout_s=5), cpu_s)
    finally:
        child.kill()
        if not was_there:
            _ITS_FILE.unlink(missing_ok=True)


def _answers(url: str) -> bool:
    try:
        health.ask("GET", url, timeout_s=1)
    except OSError:
        return False
    return True
