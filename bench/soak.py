"""Payments from a few wallets by many clients, while the processes are killed: is anything lost?

Each client repeats a payment under its key until the answer is final, as an application would.
Every wallet has money for most of what is asked of it, so that the last payments are refused."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import click
import msgspec

from bench.shops import Variant
from fleet import health
from topology import SHOP, find

WALLETS, CLIENTS = 50, 64
KILLED = ("wallet", *(each.key for each in SHOP if each.is_background and not each.takes_events))
KEYS = ("wallet", *find("wallet").calls, *(each.key for each in SHOP if each.is_background))
# Payments of 1 to 9 minor units: five on average.
_MOST, _FUNDED = 9, 0.95
_AWAY_S, _AGAIN_S = 1.0, 0.5
# Sixty-four at once on a busy machine are slow, which is not what is asked here.
PATIENT = {"VALERIX_WALLET_GATEWAY_TIMEOUT_S": "8", "VALERIX_POOL_WAIT_S": "8"}
# What was put in can be spent within a second.
_SEALED_S = 2.0
_FINAL = (201, 402, 409, 502)
_HEADERS = {"X-API-Key": "wallet-demo-key", "Content-Type": "application/json"}
_SETTLES_S = 120
_READY_S = 60.0
_APPROVED = "SELECT transaction_id FROM wallets.transactions WHERE status = 'APPROVED'"
_LEAST = "SELECT min(available_minor) FROM wallets.wallet_balances"
_KEPT = """
SELECT (SELECT sum(amount_minor) FROM wallets.transactions WHERE kind = 'PAYMENT'
          AND status = 'APPROVED'),
       (SELECT count(*) FROM wallets.transactions WHERE status = 'PENDING')"""


class _Answer(msgspec.Struct):
    transaction_id: UUID


class _Soak:
    """One run: what the clients were answered, and how often a process was killed."""

    def __init__(self, shop: Variant, payments: int, kills: int, seed: int) -> None:
        self._shop, self._payments, self._seed = shop, payments, seed
        self._random = random.Random(seed)  # noqa: S311 - the same run again, not a secret
        self._left = iter(range(payments))
        moments = self._random.sample(range(payments), kills)
        self._kills = sorted((moment, self._random.choice(KILLED)) for moment in moments)
        self._reached = {moment: asyncio.Event() for moment, _ in self._kills}
        self.answers: Counter[int] = Counter()
        self.again: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        self.approved: set[UUID] = set()
        self.paid_minor = 0

    @property
    def done(self) -> int:
        return self.answers.total()

    async def run(self) -> float:
        """Fund the wallets, pay and kill; seconds that the payments took."""
        limits = aiohttp.TCPConnector(limit=CLIENTS)
        bounds = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(
            self._shop.urls["wallet"], connector=limits, timeout=bounds, headers=_HEADERS
        ) as session:
            share = int(self._payments / WALLETS * (_MOST + 1) / 2 * _FUNDED)
            for number in range(WALLETS):
                body = {"amount": max(1, share), "currency": "EUR"}
                path = f"/wallets/soak-{number}/deposits"
                await self._until_final(session, path, body, f"the-soak-funds-{number:06}")
            await asyncio.sleep(_SEALED_S)
            self.answers.clear()
            begun = time.monotonic()
            async with asyncio.TaskGroup() as group:
                killer = group.create_task(self._kill_in_turn())
                clients = [group.create_task(self._client(session)) for _ in range(CLIENTS)]
                await asyncio.gather(*clients)
                killer.cancel()
            self._mend()
            return time.monotonic() - begun

    async def _client(self, session: aiohttp.ClientSession) -> None:
        for number in self._left:
            chosen = random.Random(f"{self._seed}-{number}")  # noqa: S311 - as above
            amount = chosen.randint(1, _MOST)
            body = {
                "provider_id": "demo-provider", "external_reference": f"soak-{number}",
                "amount": amount, "currency": "EUR",
            }  # fmt: skip
            path = f"/wallets/soak-{chosen.randrange(WALLETS)}/payments"
            status, raw = await self._until_final(session, path, body, f"the-soak-pays-{number:06}")
            if status == 201:
                self.approved.add(msgspec.json.decode(raw, type=_Answer).transaction_id)
                self.paid_minor += amount
            # Others may have counted on since this one was counted.
            for moment, event in self._reached.items():
                if moment <= self.done:
                    event.set()

    async def _until_final(
        self, session: aiohttp.ClientSession, path: str, body: object, key: str
    ) -> tuple[int, bytes]:
        raw = msgspec.json.encode(body)
        while True:
            try:
                async with session.post(path, data=raw, headers={"Idempotency-Key": key}) as answer:
                    status, read = answer.status, await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                status, read, why = 0, b"", type(error).__name__
            else:
                why = str(status)
            # A key that another request has at this moment is a 409 too.
            if status in _FINAL and (status != 409 or b"insufficient-funds" in read):
                self.answers[status] += 1
                return status, read
            if 400 <= status < 500 and status not in (409, 429):
                raise click.ClickException(f"{path} answered {status}: {read.decode()}")
            self.again[why] += 1
            await asyncio.sleep(_AGAIN_S)

    async def _kill_in_turn(self) -> None:
        for moment, key in self._kills:
            await self._reached[moment].wait()
            await asyncio.to_thread(self._shop.children[key].kill)
            self.killed[key] += 1
            click.echo(f"  {self.done} answered, {key} is killed")
            await asyncio.sleep(_AWAY_S)
            self._shop.spawn(key)
            end = time.monotonic() + _READY_S
            while await asyncio.to_thread(health.obstacle, self._shop.urls[key]):
                if time.monotonic() > end:
                    raise click.ClickException(f"{key} did not come back")
                await asyncio.sleep(0.1)

    def _mend(self) -> None:
        """Who was down when the last payment ended is back for what is left to do."""
        for key in KILLED:
            if self._shop.children[key].poll() is not None:
                self._shop.spawn(key)


def measure(shop: Variant, payments: int, kills: int, seed: int) -> dict[str, Any]:
    """What was answered, what the database has of it, and the proof's exit code."""
    soak = _Soak(shop, payments, kills, seed)
    seconds = asyncio.run(soak.run())
    proof = subprocess.run(
        [sys.executable, "-m", "cli", "verify", "--wait", str(_SETTLES_S)],
        env={**os.environ, "VALERIX_DATABASE_URL": shop.database_url,
             "VALERIX_PROOF_HEAD": str(shop.log("chain-head"))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    click.echo(proof.stdout + proof.stderr)
    return {
        "payments": payments, "seed": seed, "seconds": seconds,
        "answers": {str(status): count for status, count in sorted(soak.answers.items())},
        "asked again": dict(soak.again), "killed": dict(soak.killed),
        "proof": proof.returncode, **asyncio.run(_kept(shop.database_url, soak)),
    }  # fmt: skip


async def _kept(database_url: str, soak: _Soak) -> dict[str, int]:
    """What is lost is what a client was promised and is not there; what is extra, the reverse."""
    connection = await asyncpg.connect(database_url)
    try:
        kept = {row[0] for row in await connection.fetch(_APPROVED)}
        paid, pending = await connection.fetchrow(_KEPT)
        return {
            "lost": len(soak.approved - kept), "extra": len(kept - soak.approved),
            "paid too much": int(paid or 0) - soak.paid_minor, "pending": pending,
            "least": await connection.fetchval(_LEAST),
        }  # fmt: skip
    finally:
        await connection.close()
