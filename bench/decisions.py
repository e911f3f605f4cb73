"""What deciding a merchant's payment costs, beside all that the payment service does for one."""

import asyncio
import statistics
import time
from uuid import uuid4

import aiohttp
import msgspec

from bench.shops import Variant
from chassis.database.pool import Database
from fleet.settings import load
from services.payment.merchants import store
from services.payment.merchants.merchant import Merchant
from services.payment.process.contexts import StepContext
from services.payment.process.deciding import Decided, decide
from services.payment.process.messages import ExternalRequest
from services.payment.routing.next_account import next_account

_ACCOUNTS = ("alfa", "bravo", "charlie")
_DECISIONS = 500
_PAYMENTS = 200
# Alfa takes less than all, so the plan is a search over the three and not the cheapest of them.
_AMOUNT = 90_000
_ALFA_TAKES = 60_000


async def measure(shop: Variant, rounds: int) -> dict[str, float]:
    """Processor milliseconds of policy, plan and route over three accounts, and of the payment
    service for one whole payment of the same merchant; medians of the rounds."""
    merchant = await _merchant(shop)
    decisions, payments = [], []
    for number in range(rounds + 1):
        begun = time.process_time()
        for _ in range(_DECISIONS):
            _decide(merchant)
        decisions.append((time.process_time() - begun) * 1000 / _DECISIONS)
        before = shop.cpu_s_of("payment")
        await _pay(shop, number)
        payments.append((shop.cpu_s_of("payment") - before) * 1000 / _PAYMENTS)
    # The first round compiles, and fills what is kept.
    middle = statistics.median
    return {"decision_ms": middle(decisions[1:]), "payment_ms": middle(payments[1:])}


def _decide(merchant: Merchant) -> None:
    request = ExternalRequest("r", merchant.merchant_id, _AMOUNT, "EUR")
    steps = [StepContext(account, 4000, "pm_card_visa") for account in _ACCOUNTS]
    decided = decide(merchant, request, steps=steps, two_phase=_ACCOUNTS)
    if not isinstance(decided, Decided) or len(decided.legs) < 2:
        raise RuntimeError(f"it was to be divided: {decided}")
    leg = decided.legs[0]
    next_account(code="card_declined", tried=(leg.provider,), fallbacks=leg.fallbacks, left_s=4.0)


async def _merchant(shop: Variant) -> Merchant:
    """The seeded one, as the service reads it."""
    database = Database(load("payment", {}, database_url=shop.database_url), size=1)
    try:
        async with database.connect() as connection:
            found = await store.find(connection, "m1")
    finally:
        await database.close()
    if found is None:
        raise RuntimeError("there is no merchant m1")
    accounts = tuple(
        msgspec.structs.replace(each, maximum_minor=_ALFA_TAKES) if each.account == "alfa" else each
        for each in found.accounts
    )
    return msgspec.structs.replace(found, accounts=accounts)


async def _pay(shop: Variant, number: int) -> None:
    url = f"{shop.urls['payment']}/process-payment"
    async with aiohttp.ClientSession() as session:
        for _ in range(_PAYMENTS // 4):
            await asyncio.gather(*(_one(session, url, f"{number}-{uuid4()}") for _ in range(4)))


async def _one(session: aiohttp.ClientSession, url: str, name: str) -> None:
    body = {"request_id": name, "merchant_id": "m1", "amount": 90_000, "currency": "EUR"}
    async with session.post(url, json=body) as answer:
        if answer.status not in (200, 402):
            raise RuntimeError(f"{answer.status}: {await answer.text()}")
