"""One seed: the shop opens, everything goes wrong, everything heals, every promise is judged."""

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec

from chassis.http import app
from proof.clients.oracle import disagreements
from proof.evaluate import Report, evaluate, prove
from proof.invariant import Limits
from tests.chaos.crashes import crashing
from tests.chaos.database_wire import DatabaseWire
from tests.chaos.faults import Dice
from tests.chaos.hop import Transport
from tests.chaos.merchants import Merchants
from tests.chaos.shop import Shop
from tests.harness.customers import Customers, Habits
from tests.harness.full_disk import full_disk
from tests.harness.merchants import add_merchants
from tests.harness.payments_at_rest import broken_at_rest

CUSTOMERS = 25
# Five orders of twelve pay with a wallet. Money is there for some: ten goods of alice's, two of
# bob's, none of carol's, and nobody has no wallet.
_WALLETS = (*[None] * 7, "alice", "alice", "bob", "carol", "nobody")
_HABITS = Habits(tries=4, pause_s=0.02, rest_s=0, wallets=_WALLETS)
# Faults are over by then: whoever still gets no clear response has found a bug.
_UNTIL_CLEAR = 100
# Webhooks that are due again: one that comes after the rest would be left where the shop closes.
_DELIVERIES = "SELECT count(*) FROM acquirer.deliveries WHERE state = 'PENDING'"
_WATCH_S = 0.5
# Of a stack the innermost calls say most.
_STACK = 2000
_POLL_S = 0.1


class Plan(msgspec.Struct, frozen=True):
    """How hard a seed is, and how long the shop may take to come to rest."""

    orders: int = 100
    payments: int = 18
    fault_share: float = 0.35
    crash_share: float = 0.03
    wire_share: float = 0.005
    full_share: float = 0.005
    fences: bool = True
    transport: Transport = "http"
    patience_s: float = 60.0


class Outcome(msgspec.Struct):
    """What one seed did and how it ended, `payments` of merchants and `holds` of wallets by state;
    `broken` names every promise that did not hold, at any instant or at the end, with what was
    found."""

    seed: int
    statuses: Counter[str] = msgspec.field(default_factory=Counter)
    payments: Counter[str] = msgspec.field(default_factory=Counter)
    holds: Counter[str] = msgspec.field(default_factory=Counter)
    faults: int = 0
    crashes: int = 0
    wire_faults: int = 0
    settled_s: float | None = None
    took_s: float = 0.0
    broken: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def orders(self) -> int:
        """How many orders came to be."""
        return sum(self.statuses.values())


async def run(database_url: str, seed: int, plan: Plan | None = None) -> Outcome:
    """Run one seed on a fresh database. Never raises for what the shop does wrong."""
    plan = plan or Plan()
    started = time.monotonic()
    dice = Dice(seed, fault_share=plan.fault_share, crash_share=plan.crash_share)
    outcome = Outcome(seed)
    connection = await asyncpg.connect(database_url)
    _be_quiet_about_crashes()
    try:
        with (
            crashing(dice),
            failing_handlers() as failed,
            tempfile.TemporaryDirectory(prefix="valerix-wire-") as folder,
        ):
            chance = dice.stream("database")
            wire = DatabaseWire(database_url, Path(folder), chance, plan.wire_share)
            how = {"seed": seed, "fences": plan.fences, "transport": plan.transport}
            shop = Shop(database_url, dice, served_at=wire.url, **how)  # type: ignore[arg-type]
            await add_merchants(connection, shop.budget_ms)
            async with wire.open(), shop.open():
                await _trade(shop, dice, wire, plan, connection, outcome)
        await _judge(connection, shop, outcome)
        if shop.bugs:
            why = "".join(failed) or "nothing was logged"
            outcome.broken["bugs"] = f"{shop.bugs} answers said that a service is confused: {why}"
    finally:
        await connection.close()
    outcome.wire_faults = wire.faults.total()
    outcome.faults, outcome.crashes = dice.faults.total(), dice.crashes.total()
    outcome.took_s = time.monotonic() - started
    return outcome


async def _trade(
    shop: Shop,
    dice: Dice,
    wire: DatabaseWire,
    plan: Plan,
    connection: asyncpg.Connection,
    outcome: Outcome,
) -> None:
    crowds = [
        Customers(f"seed-{outcome.seed}-customer-{n}", dice.stream(f"customer {n}"), _HABITS)
        for n in range(CUSTOMERS)
    ]
    merchants = Merchants(dice.stream("merchants"), plan.payments)
    watching = asyncio.create_task(_watch(shop, outcome))
    async with full_disk(connection, share=plan.full_share):
        orders = (each.queue(shop.doors, plan.orders // CUSTOMERS) for each in crowds)
        await asyncio.gather(*orders, merchants.ask(shop.tills))
    shop.heal()
    wire.heal()
    healed = time.monotonic()
    # Whoever never got a clear answer asks until there is one.
    again = (each.ask_again(shop.doors, tries=_UNTIL_CLEAR) for each in crowds)
    await asyncio.gather(*again, merchants.ask(shop.tills, tries=_UNTIL_CLEAR))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    report = await _rest(connection, shop, plan.patience_s)
    if report.state == "holds":
        outcome.settled_s = time.monotonic() - healed
    _note(report, outcome, at_rest=True)
    # Once more, at rest: a key answers with the same bytes for ever.
    await asyncio.gather(*(each.ask_again(shop.doors, tries=_UNTIL_CLEAR) for each in crowds))
    await merchants.ask_again(shop.tills)
    if merchants.answers.wrong:
        outcome.broken["merchants' answers"] = "; ".join(merchants.answers.wrong[:3])
    if unclear := [one for one in merchants.asked if not one.is_final]:
        outcome.broken["undecided payments"] = f"{len(unclear)}: {unclear[:3]}"
    intents = [intent for each in crowds for intent in each.intents]
    if wrong := await disagreements(connection, intents):
        outcome.broken["I16"] = "; ".join(wrong[:3])


async def _watch(shop: Shop, outcome: Outcome) -> None:
    """While it storms, what must hold at every instant is proven twice a second, each time where
    something changed; in the end it is the whole history.

    On a connection of its own: it is cancelled, perhaps in the middle of a transaction."""
    settings = shop.proof_settings
    connection = await asyncpg.connect(settings.database_url)
    try:
        while True:
            await asyncio.sleep(_WATCH_S)
            _note(await prove(connection, Limits.of(settings)), outcome, at_rest=False)
    finally:
        connection.terminate()


async def _rest(connection: asyncpg.Connection, shop: Shop, patience_s: float) -> Report:
    limits = Limits.of(shop.proof_settings)
    until = time.monotonic() + patience_s
    while True:
        # Asked in this order: what arrives after the look at the wires is in the report.
        idle = shop.is_idle and not await connection.fetchval(_DELIVERIES)
        report = await evaluate(connection, limits)
        broken = [each for each in report.those("violated") if each.invariant.kind == "A"]
        if (idle and report.state == "holds") or broken or time.monotonic() > until:
            return report
        await asyncio.sleep(_POLL_S)


def _note(report: Report, outcome: Outcome, *, at_rest: bool) -> None:
    for finding in report.findings:
        if finding.invariant.id == "I30" and not at_rest:
            continue  # a trigger of the test makes the disk full
        broken = finding.state == "violated" and finding.invariant.kind == "A"
        if broken or (at_rest and finding.state != "holds"):
            what = f"{finding.state}: {finding.reason or [dict(row) for row in finding.rows[:2]]}"
            outcome.broken.setdefault(finding.invariant.id, what)


async def _judge(connection: asyncpg.Connection, shop: Shop, outcome: Outcome) -> None:
    """After closing time: a capture that came after the rest was declared would show here."""
    _note(await prove(connection, Limits.of(shop.proof_settings)), outcome, at_rest=True)
    _note(await evaluate(connection, Limits.of(shop.proof_settings)), outcome, at_rest=True)
    rows = await connection.fetch("SELECT status, count(*) FROM orders.orders GROUP BY status")
    outcome.statuses = Counter({row["status"]: row["count"] for row in rows})
    for what, broken in (await broken_at_rest(connection)).items():
        outcome.broken[what] = str(broken[:2])
    rows = await connection.fetch(
        "SELECT state, count(*) FROM payments.payments p"
        " WHERE EXISTS (SELECT FROM payments.plans WHERE payment_id = p.payment_id) GROUP BY state"
    )
    outcome.payments = Counter({row["state"]: row["count"] for row in rows})
    rows = await connection.fetch("SELECT state, count(*) FROM wallets.holds GROUP BY state")
    outcome.holds = Counter({row["state"]: row["count"] for row in rows})


@contextmanager
def failing_handlers() -> Iterator[list[str]]:
    """The stacks of what handlers raised and nobody expected, though no line is shown."""
    failed: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                failed.append(logging.Formatter().formatException(record.exc_info)[-_STACK:])

    keep, logger = Keep(logging.ERROR), logging.getLogger(app.__name__)
    logger.addHandler(keep)
    try:
        yield failed
    finally:
        logger.removeHandler(keep)


def _be_quiet_about_crashes() -> None:
    # Tasks of crashed processes end with their crash, and nobody is left to ask them why.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
