"""One fleet under fault: starts gremlins, keeps customers ordering, waits until all is settled."""

import asyncio
import itertools
import json
import os
import random
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from fleet.settings import load
from proof.clients.oracle import disagreements, keyless
from proof.evaluate import Report
from proof.session import ProofSession
from tests.harness.customers import Customers, Habits, http_doors, tally
from tests.harness.running import RunningFleet
from topology import NAMES

# For a run by hand: more orders, other fates, more kills.
ORDERS = int(os.environ.get("VALERIX_CHAOS_ORDERS", "60"))
SEED = int(os.environ.get("VALERIX_CHAOS_SEED", "1"))
BLOWS = int(os.environ.get("VALERIX_CHAOS_BLOWS", "1"))

# The shop with every bound shortened in proportion, so that a fault and its repair take seconds.
BRISK = {
    "VALERIX_OTLP_ENDPOINT": "",
    "VALERIX_PEER_DEADLINE_S": "0.6",
    "VALERIX_REQUEST_BUDGET_S": "1.5",
    "VALERIX_ORDER_LEASE_S": "2.0",
    "VALERIX_RECONCILE_POLL_S": "0.1",
    "VALERIX_RECONCILE_BACKOFF_S": "0.1",
    "VALERIX_RECONCILE_BACKOFF_MAX_S": "1.0",
    "VALERIX_PAYMENT_GATEWAY_TIMEOUT_S": "0.4",
    "VALERIX_PAYMENT_PROBE_BASE_S": "0.2",
    "VALERIX_PAYMENT_PROBE_MAX_S": "1.0",
    "VALERIX_PAYMENT_LATE_CAPTURE_S": "0.8",
    "VALERIX_PAYMENT_DECLINE_RATE": "0.25",
    "VALERIX_GREMLIN_POLL_S": "0.1",
}
# About one call in five goes wrong at the provider, in every way there is.
FLAKY = {"VALERIX_PAYMENT_CONNECTOR": "flaky", "VALERIX_PAYMENT_SEED": str(SEED)}
# One lease, one longest backoff with its jitter, and one deadline, several times over: two cores
# may be busy with other things.
QUIET_WITHIN_S = 30.0
# Of each group so many send their request once more at the end.
_ASKED_AGAIN = 60
_groups = itertools.count(1)


class ShopUnderFault:
    """A running fleet and what breaks it."""

    def __init__(self, fleet: RunningFleet, environ: Mapping[str, str]) -> None:
        self.fleet = fleet
        self._settings = load("dashboard", environ, database_url=fleet.database_url)
        self.doors = [fleet.url("order")]
        self._restock()

    def _restock(self) -> None:
        for product in ("PROD-001", "PROD-002"):
            wanted = {"product_id": product, "quantity": 1_000_000}
            self.request("POST", "inventory", "/inventory/restock", wanted)

    def request(self, method: str, key: str, path: str, body: object = None) -> Any:
        """One operator's request; the decoded answer."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.fleet.url(key) + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.loads(response.read() or b"null")

    def calm(self) -> None:
        """Call every gremlin off."""
        for key in NAMES.keys() & set(self.fleet.keys):
            self.request("DELETE", key, "/gremlins")

    def customers(self, habits: Habits | None = None, seed: int = SEED) -> Customers:
        """A new group of customers."""
        name = f"customers-{next(_groups):03d}-{seed:05d}"
        return Customers(name, random.Random(seed), habits)

    def rush(self, customers: Customers, orders: int) -> None:
        """So many orders at once, at every door there is."""
        asyncio.run(self._rush(customers, orders))

    async def _rush(self, customers: Customers, orders: int) -> None:
        async with http_doors(self.doors) as doors:
            await customers.rush(doors, orders)

    @contextmanager
    def shopping(self, customers: Customers, count: int) -> Iterator[None]:
        """`count` customers order on a thread of their own while the block breaks things; every
        promise that must hold at every instant is judged meanwhile."""
        with _thread(lambda over: self._shop_and_judge(customers, count, over)):
            yield

    async def _shop_and_judge(self, customers: Customers, count: int, over: asyncio.Event) -> None:
        async with http_doors(self.doors) as doors:
            await asyncio.gather(customers.stroll(doors, count, over), self.judge(over))

    async def judge(self, over: asyncio.Event) -> None:
        """Fail at once where a promise for every instant is broken, faults or not."""
        async with ProofSession(self._settings) as session:
            while not over.is_set():
                demand_unbroken(await session.judge())
                await asyncio.sleep(0.5)

    def aftermath(self, groups: Sequence[Customers], within_s: float = QUIET_WITHIN_S) -> float:
        """Faults are over: wait until every promise holds, and compare the customers' log with
        the database. Returns how long it took to settle."""
        return asyncio.run(self._aftermath(groups, within_s))

    async def _quiet(self, within_s: float, *, whole: bool = False) -> float:
        begun = time.monotonic()
        async with ProofSession(self._settings) as session:
            while True:
                report = await session.judge()
                if whole and report.state == "holds":
                    # These proofs built on one another; all of history must say the same.
                    report = await session.judge(whole=True)
                if report.state == "holds":
                    return time.monotonic() - begun
                demand_unbroken(report)
                waited_s = time.monotonic() - begun
                assert waited_s < within_s, (
                    f"not quiet after {waited_s:.0f} s: {still_open(report)}"
                )
                await asyncio.sleep(0.25)

    async def _aftermath(self, groups: Sequence[Customers], within_s: float) -> float:
        settled_s = await self._quiet(within_s)
        for customers in groups:
            async with http_doors(self.doors) as doors:
                await customers.ask_again(doors, _ASKED_AGAIN)
            print(f"settled after {settled_s:.1f} s; replies {tally(customers.intents)}")  # noqa: T201
        # Whoever never had a response may have placed the order only now.
        await self._quiet(within_s, whole=True)
        connection = await asyncpg.connect(self.fleet.database_url)
        try:
            for customers in groups:
                wrong = await disagreements(connection, customers.intents)
                assert not wrong, f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:20])
            twice = await keyless(connection)  # every customer of this database uses a key
            assert not twice, f"orders without a key: {twice[:20]}"
        finally:
            await connection.close()
        return settled_s


def demand_unbroken(report: Report) -> None:
    """Fail where a promise for every instant does not hold."""
    broken = [each for each in report.those("violated") if each.invariant.kind == "A"]
    assert not broken, "\n".join(f"{f.invariant.id} {f.invariant.title}: {f.rows}" for f in broken)


def still_open(report: Report) -> str:
    """What does not hold, is not settled or could not be judged."""
    found = (*report.those("violated"), *report.those("settling"), *report.those("unknown"))
    return "; ".join(f"{f.invariant.id} {f.total} {f.reason or f.rows[:2]}" for f in found)


@contextmanager
def _thread(work: Any) -> Iterator[None]:
    """Run `work(over)` in an event loop beside this thread; its error becomes ours.

    The shop's processes must be started from the main thread (the kernel ties a child to the
    thread that made it), so the customers move to another thread."""
    failed: list[BaseException] = []
    ready, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        ready.set()
        await work(over)

    def body() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(run())
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=body, name="customers")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(over.set)
        thread.join()
    if failed:
        raise failed[0]
