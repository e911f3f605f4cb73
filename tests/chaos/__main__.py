"""`make chaos SEEDS=25`: seed after seed on a PostgreSQL of its own, and a table at the end."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from fleet.postgres import FAST_SETTINGS, PostgresServer, serving
from fleet.run_dir import ROOT
from tests.chaos.hop import TRANSPORTS
from tests.chaos.run import Outcome, Plan, run

_HEAD = ("seed", "gateway", "orders", "faults", "crashes", "wire", "settled", "took", "verdict")


def main() -> int:
    """Run the seeds; 0 when every promise held in every one of them."""
    asked = _arguments()
    logging.getLogger().addHandler(logging.NullHandler())
    outcomes: list[tuple[bool, Outcome]] = []
    with _server() as server:
        for seed in range(asked.first, asked.first + asked.seeds):
            # Every other gateway cannot refuse what it has voided, so that the sweep has work.
            fences = seed % 2 == 0
            plan = Plan(orders=asked.orders, fences=fences, transport=asked.transport)
            outcome = asyncio.run(_one(server, seed, plan))
            outcomes.append((fences, outcome))
            _progress(asked.seeds, outcomes)
            _what_broke(outcome, asked.transport)
    _table(outcomes)
    return 1 if any(outcome.broken for _, outcome in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--orders", type=int, default=100, help="orders per seed")
    parser.add_argument(
        "--transport", choices=TRANSPORTS, default="http", help="how orders ask for payments"
    )
    return parser.parse_args()


@contextmanager
def _server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="valerix-chaos-") as folder:
        home = Path(folder)
        server = PostgresServer(
            home / "data", home / "postgres.log", settings=FAST_SETTINGS, say=say
        )
        with serving(server):
            yield server


async def _one(server: PostgresServer, seed: int, plan: Plan) -> Outcome:
    admin = await asyncpg.connect(server.url_of("postgres"))
    name = f"chaos_{seed}"
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        await migrate(server.url_of(name))
        return await run(server.url_of(name), seed, plan)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def migrate(database_url: str) -> None:
    """The newest schema, straight from the files."""
    connection = await asyncpg.connect(database_url)
    for file in sorted((ROOT / "infra/migrations/sql").glob("*.up.sql")):
        await connection.execute(file.read_text())
    await connection.close()


def _progress(of: int, outcomes: list[tuple[bool, Outcome]]) -> None:
    outcome = outcomes[-1][1]
    say(
        f"{len(outcomes):3d} of {of}: seed {outcome.seed}, {outcome.orders} orders, "
        f"{outcome.faults} faults, {outcome.crashes} crashes, {outcome.wire_faults} on the "
        f"database's wire: {_verdict(outcome)}"
    )


def _what_broke(outcome: Outcome, transport: str) -> None:
    for name, what in outcome.broken.items():
        say(f"  {name}: {what}")
    if outcome.broken:
        again = f"--first {outcome.seed} --seeds 1 --transport {transport}"
        say(f"  at rest: {_settled(outcome)}; again: python -m tests.chaos {again}")


def _table(outcomes: list[tuple[bool, Outcome]]) -> None:
    rows = [_HEAD, *(_row(fences, outcome) for fences, outcome in outcomes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    say("")
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(fences: bool, outcome: Outcome) -> tuple[str, ...]:
    return (
        str(outcome.seed),
        "fences" if fences else "sweeps",
        str(outcome.orders),
        str(outcome.faults),
        str(outcome.crashes),
        str(outcome.wire_faults),
        _settled(outcome),
        f"{outcome.took_s:.1f} s",
        _verdict(outcome),
    )


def _settled(outcome: Outcome) -> str:
    return "never" if outcome.settled_s is None else f"{outcome.settled_s:.1f} s"


def _verdict(outcome: Outcome) -> str:
    if outcome.broken:
        return f"BROKEN {', '.join(outcome.broken)}"
    ends = {"orders": outcome.statuses, "payments": outcome.payments, "holds": outcome.holds}
    return f"all hold ({'; '.join(f'{what} {_ends(states)}' for what, states in ends.items())})"


def _ends(states: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def say(line: str) -> None:
    """Progress as it happens, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    say(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(code)
