"""A wallet's debit in SQL, by pgbench: beside the least that could be written, beside pgledger, and
beside the same payment over HTTP.

A debit is what a payment writes: the hold in one transaction; the post, its entries and its event
in the next. pgledger's transfer is one transaction, and so is ours from wallet to wallet. Its SQL
is no part of this project: who measures names the file, and a database of its own gets it. Hold and
post are the service's own statements, each a transaction by itself; in the service each shares its
transaction with the request's key or the answer under it, which pgledger has nothing of."""

import asyncio
import os
import random
import re
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import click

from bench.shops import Variant
from chassis.database.pool import Statement
from fleet import data_directory
from services.wallet import store

WALLETS, CLIENTS, SECONDS = 2_000, 16, 4
PAYEES = ("cold", "hot")
_FUNDS = 100_000_000
_FILL = f"""
INSERT INTO wallets.service_providers SELECT 'bench-' || n, 'Bench' FROM generate_series(1, {WALLETS}) n;
CREATE TABLE public.bench_payees AS
  SELECT n, wallets.account_of('provider', 'bench-' || n, 'EUR') AS provider,
         wallets.account_of('wallet', 'bench-' || n, 'EUR') AS wallet
  FROM generate_series(1, {WALLETS}) n;
CREATE UNIQUE INDEX ON public.bench_payees (n);
INSERT INTO wallets.wallet_balances (user_id, currency, account_id)
  SELECT 'bench-' || n, 'EUR', wallet FROM public.bench_payees;
CREATE TEMP TABLE filled AS SELECT gen_random_uuid() AS id, p.* FROM public.bench_payees p;
INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind, amount_minor, status)
  SELECT id, 'bench-' || n, 'EUR', wallet, 'DEPOSIT', {_FUNDS}, 'PENDING' FROM filled;
INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account, credit_account, amount_minor, currency)
  SELECT id, 'deposit', id, wallets.account_of('funding', 'deposits', 'EUR'), wallet, {_FUNDS}, 'EUR' FROM filled;
SELECT wallets.seal(wallet, 1) FROM filled;
ANALYZE"""  # noqa: E501, S608 - numbers of ours
# The same facts without a rule, a chain or a trigger: a balance, a transfer, two entries, an event.
_FLOOR_TABLES = f"""
CREATE TABLE balances (id int PRIMARY KEY, posted bigint NOT NULL, held bigint NOT NULL DEFAULT 0)
  WITH (fillfactor = 50);
INSERT INTO balances SELECT n, {_FUNDS} FROM generate_series(1, {WALLETS}) n;
CREATE TABLE transfers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL,
  payer int NOT NULL, payee int NOT NULL, amount bigint NOT NULL, pending bigint UNIQUE);
CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transfer bigint NOT NULL,
  account int NOT NULL, amount bigint NOT NULL);
CREATE INDEX ON entries (account);
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text NOT NULL,
  payload jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now());
ANALYZE"""  # noqa: S608 - as above
_FLOOR = """
BEGIN;
UPDATE balances SET held = held + 1 WHERE id = :n AND posted - held >= 1;
INSERT INTO transfers (kind, payer, payee, amount) VALUES ('hold', :n, :m, 1) RETURNING id AS hold \\gset
COMMIT;
BEGIN;
UPDATE balances SET held = held - 1, posted = posted - 1 WHERE id = :n;
INSERT INTO transfers (kind, payer, payee, amount, pending) VALUES ('post', :n, :m, 1, :hold) RETURNING id AS post \\gset
INSERT INTO entries (transfer, account, amount) VALUES (:post, :n, -1), (:post, :m + 1000000, 1);
INSERT INTO outbox (type, payload) VALUES ('wallet.debited', jsonb_build_object('account', :n::int, 'amount', 1));
COMMIT;
"""  # noqa: E501 - a command of pgbench is a line
_PGLEDGER_TABLES = f"""
CREATE TABLE bench_payees AS
  SELECT n, (pgledger_create_account('bench-' || n, 'EUR')).id AS account
  FROM generate_series(1, {WALLETS}) n;
CREATE UNIQUE INDEX ON bench_payees (n);
ANALYZE"""  # noqa: S608 - as above
_PGLEDGER = """
SELECT a.account AS payer, b.account AS payee FROM bench_payees a, bench_payees b WHERE a.n = :n AND b.n = :m \\gset
SELECT pgledger_create_transfer(:payer, :payee, 1);
"""  # noqa: E501 - as above
# As pgledger's, each of ours begins with a SELECT: of names, and of the ids that the service makes.
_IDS = "gen_random_uuid() AS transaction_id, gen_random_uuid() AS transfer_id"
_NAMES = f"SELECT {_IDS}, 'bench-' || :n AS user_id, 'bench-' || :m AS provider_id \\gset\n"
_WALLETS = f"""
SELECT {_IDS}, gen_random_uuid() AS payee_transaction_id, a.wallet, 'bench-' || a.n AS user_id, 'bench-' || b.n AS payee, b.wallet AS payee_wallet FROM public.bench_payees a, public.bench_payees b WHERE a.n = :n AND b.n = :m \\gset
"""  # noqa: E501, S608 - as above
_VALUES = {
    "currency": "'EUR'", "external_reference": "'bench'",
    "traceparent": "NULL", "reason": "NULL", "provider_ref": "NULL::text", "lease_s": "600",
    "amount": "1", "kind": "'post'", "state": "'CAPTURED'", "status": "'APPROVED'",
}  # fmt: skip


def _line(query: Statement, end: str = ";") -> str:
    """A statement of the wallet service as pgbench takes it."""

    def name(found: re.Match[str]) -> str:
        parameter = query.parameters[int(found[1]) - 1]
        return _VALUES.get(parameter, f":{parameter}")

    return re.sub(r"\$(\d+)", name, " ".join(query.sql.split())) + end


def _debit() -> str:
    # Exactly these statements are what is measured.
    return _NAMES + "\n".join((_line(store._HOLD), _line(store._POST)))  # noqa: SLF001


def _transfer() -> str:
    both, moved = store._TWO_SIDES, store._TRANSFER  # noqa: SLF001 - as above
    return _WALLETS + "\n".join(("BEGIN;", _line(store.LOCK), _line(both), _line(moved), "COMMIT;"))


class _Requests:
    """The same payments, asked of the service."""

    name = "over HTTP"

    def __init__(self, url: str) -> None:
        self._url = url

    def round(self, payee: str, seconds: int) -> float:
        """Payments a second; raises where one is not approved."""
        return asyncio.run(self._pay(payee, seconds))

    async def _pay(self, payee: str, seconds: int) -> float:
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        end, done = time.monotonic() + seconds, 0

        async def client(session: aiohttp.ClientSession) -> None:
            nonlocal done
            while time.monotonic() < end:
                # Numbers of a bench, not a secret.
                user = random.randint(1, WALLETS // 2)  # noqa: S311
                cold = random.randint(WALLETS // 2 + 1, WALLETS)  # noqa: S311
                body = {
                    "provider_id": f"bench-{cold if payee == 'cold' else WALLETS}",
                    "external_reference": "bench", "amount": 1, "currency": "EUR",
                }  # fmt: skip
                async with session.post(
                    f"/wallets/bench-{user}/payments", json=body,
                    headers={"Idempotency-Key": str(uuid4())},
                ) as answer:  # fmt: skip
                    if answer.status != 201:
                        raise click.ClickException(f"{answer.status}: {await answer.text()}")
                done += 1

        begun = time.monotonic()
        async with aiohttp.ClientSession(
            self._url, connector=connector, headers={"X-API-Key": "wallet-demo-key"}
        ) as session:
            await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
        return done / (time.monotonic() - begun)


class _Script:
    """What is run, in which database."""

    def __init__(self, folder: Path, name: str, database_url: str, text: str) -> None:
        self.name, self._url = name, database_url
        self._files = {}
        for payee in PAYEES:
            # Whoever pays is never whoever is paid.
            chosen = f"random({WALLETS // 2 + 1}, {WALLETS})" if payee == "cold" else str(WALLETS)
            head = f"\\set n random(1, {WALLETS // 2})\n\\set m {chosen}\n"
            path = folder / f"{name}-{payee}.sql"
            path.write_text(head + text)
            self._files[payee] = path

    def round(self, payee: str, seconds: int) -> float:
        """Debits a second."""
        program = data_directory.find_installation() / "bin" / "pgbench"
        done = subprocess.run(
            [str(program), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1",
             "-T", str(seconds), "-f", str(self._files[payee]), self._url],
            capture_output=True, text=True, check=False, env={**os.environ, "PGAPPNAME": "bench"},
        )  # fmt: skip
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode or not found:
            raise click.ClickException(f"pgbench, {self.name} {payee}: {done.stderr[-2000:]}")
        return float(found[1])


def measure(
    folder: Path, urls: dict[str, str], pgledger: Path | None, shop: Variant, rounds: int
) -> dict[str, dict[str, float]]:
    """Debits a second by way and kind of payee; medians of rounds that take turns. `shop` runs the
    wallet service on a database of its own: its sealer is not to work beside pgbench."""
    asyncio.run(_prepare(urls["shop"], _FILL))
    asyncio.run(_prepare(shop.database_url, _FILL))
    asyncio.run(_prepare(urls["floor"], _FLOOR_TABLES))
    scripts: list[_Script | _Requests] = [
        _Requests(shop.urls["wallet"]),
        _Script(folder, "floor", urls["floor"], _FLOOR),
        _Script(folder, "debit", urls["shop"], _debit()),
        _Script(folder, "transfer", urls["shop"], _transfer()),
    ]
    if pgledger is not None:
        asyncio.run(_prepare(urls["pgledger"], pgledger.read_text()))
        asyncio.run(_prepare(urls["pgledger"], _PGLEDGER_TABLES))
        scripts.append(_Script(folder, "pgledger", urls["pgledger"], _PGLEDGER))
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds + 1):
        first = number % len(scripts)
        for script in (*scripts[first:], *scripts[:first]):
            for payee in PAYEES:
                # One round more, that warms up.
                speed = script.round(payee, SECONDS if number else 1)
                if number:
                    found[script.name][payee].append(speed)
        click.echo(f"  round {number} of {rounds}")
    return {
        name: {payee: statistics.median(speeds) for payee, speeds in each.items()}
        for name, each in found.items()
    }


async def _prepare(database_url: str, sql: str) -> Any:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
