"""The one simulated customer: orders, is cut off, asks again, logs every reply for the oracle."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import msgspec

from proof.clients.intent import Intent, LoggedReply, logged_reply

# Mostly the product that never runs out, now and then one that does.
PRODUCTS = ("PROD-001",) * 7 + ("PROD-002",) * 2 + ("PROD-003",)
# On a response to a request that the wire delivered twice: nobody reads the other's response.
COPIED = "X-Delivered-Twice"
_NO_RESPONSE = 0


class Habits(msgspec.Struct, frozen=True):
    """How customers behave: seconds until they give up on one response, tries, and shares of
    behaviour that is odd. With a rest, sixteen of them are a steady load and not an overload."""

    patience_s: float = 2.0
    tries: int = 12
    pause_s: float = 0.1
    rest_s: float = 0.2  # between two orders of one customer
    sends_twice: float = 0.1  # the same request twice at once
    asks_again: float = 0.2  # after a decided response
    cancels: float = 0.25
    wallets: tuple[str | None, ...] = (None,)  # whose wallet pays; None is a card


class Door(NamedTuple):
    """One way into the shop: a replica's address over a session (aiohttp's, or a wire's), and how
    long its customers wait; None is as long as their habits say."""

    session: Any
    url: str
    patience_s: float | None = None


@asynccontextmanager
async def http_doors(urls: Iterable[str]) -> AsyncIterator[list[Door]]:
    """Doors over real HTTP, all on one unbounded session."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield [Door(session, url) for url in urls]


class Customers:
    """Customers of one shop, and everything they wanted and were answered (`intents`)."""

    def __init__(self, name: str, rng: random.Random, habits: Habits | None = None) -> None:
        self._name, self._rng = name, rng
        self._habits = habits or Habits()
        self.intents: list[Intent] = []

    async def order(self, doors: Sequence[Door]) -> None:
        """One customer, one order: sometimes sent twice, cancelled, or asked for again."""
        rng, habits = self._rng, self._habits
        key = f"{self._name}-{len(self.intents):06d}"
        intent = Intent(
            key, rng.choice(PRODUCTS), rng.randint(1, 3), wallet_id=rng.choice(habits.wallets)
        )
        self.intents.append(intent)
        copies = 2 if rng.random() < habits.sends_twice else 1
        await asyncio.gather(*(self._insist(doors, intent) for _ in range(copies)))
        if rng.random() < habits.cancels:
            await self._cancel(doors, intent)
        if rng.random() < habits.asks_again:
            await self._insist(doors, intent)

    async def rush(self, doors: Sequence[Door], orders: int) -> None:
        """So many customers, one order each, all at once."""
        await asyncio.gather(*(self.order(doors) for _ in range(orders)))

    async def queue(self, doors: Sequence[Door], orders: int) -> None:
        """One customer who places one order after the other."""
        for _ in range(orders):
            await self.order(doors)

    async def stroll(self, doors: Sequence[Door], customers: int, over: asyncio.Event) -> None:
        """A closed loop: each customer places one order after the other until it is `over`."""

        async def buy() -> None:
            while not over.is_set():
                await self.order(doors)
                await asyncio.sleep(self._habits.rest_s)

        await asyncio.gather(*(buy() for _ in range(customers)))

    async def ask_again(
        self, doors: Sequence[Door], most: int | None = None, *, tries: int | None = None
    ) -> None:
        """Some of them, or all, send the same request once more until it is decided."""
        intents = self.intents
        if most is not None:
            intents = self._rng.sample(intents, min(most, len(intents)))
        places = asyncio.Semaphore(16)

        async def ask(intent: Intent) -> None:
            async with places:
                await self._insist(doors, intent, tries)

        await asyncio.gather(*map(ask, intents))

    async def _insist(
        self, doors: Sequence[Door], intent: Intent, tries: int | None = None
    ) -> None:
        body = msgspec.json.encode(_body(intent))
        headers = {"Idempotency-Key": intent.key, "Content-Type": "application/json"}
        most = tries or self._habits.tries
        await self._persist(doors, intent.replies, "/orders", body, headers, most)

    async def _cancel(self, doors: Sequence[Door], intent: Intent) -> None:
        if intent.order_id is not None:
            path = f"/orders/{intent.order_id}/cancel"
            # Half of them ask once: then "nothing was done" has to be true of that one response.
            tries = self._rng.choice((1, self._habits.tries))
            await self._persist(doors, intent.cancel_replies, path, b"", {}, tries)

    async def _persist(
        self,
        doors: Sequence[Door],
        replies: list[LoggedReply],
        path: str,
        body: bytes,
        headers: dict[str, str],
        tries: int,
    ) -> None:
        for number in range(tries):
            got = await self._send(self._rng.choice(doors), path, body, headers)
            replies.extend(got)
            if got[-1].decides:
                return
            pause_s = self._habits.pause_s * min(8, 2**number)
            await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.5))

    async def _send(
        self, door: Door, path: str, body: bytes, headers: dict[str, str]
    ) -> list[LoggedReply]:
        patience_s = door.patience_s or self._habits.patience_s
        try:
            # aiohttp's own timeout is per operation; this one is how long a person waits.
            async with (
                asyncio.timeout(patience_s),
                door.session.request("POST", door.url + path, data=body, headers=headers) as got,
            ):
                reply = logged_reply(got.status, got.headers, await got.content.read(-1))
                # What one copy did not execute, the other may have.
                lost = [LoggedReply(_NO_RESPONSE, "copied")] if COPIED in got.headers else []
                return [*lost, reply]
        except (aiohttp.ClientConnectorError, ConnectionRefusedError):
            return [LoggedReply(_NO_RESPONSE, "refused", executed=False)]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return [LoggedReply(_NO_RESPONSE, type(error).__name__)]


def _body(intent: Intent) -> dict[str, Any]:
    order: dict[str, Any] = {"product_id": intent.product_id, "quantity": intent.quantity}
    if intent.wallet_id is not None:
        order["payment_method"] = {"wallet": {"wallet_id": intent.wallet_id}}
    return order


def tally(intents: Iterable[Intent]) -> dict[str, int]:
    """How often each reply was given, for people who read the run."""
    counted: dict[str, int] = {}
    for intent in intents:
        for reply in (*intent.replies, *intent.cancel_replies):
            name = f"{reply.status or 'none'} {reply.code}".strip()
            counted[name] = counted.get(name, 0) + 1
    return dict(sorted(counted.items()))
