"""Shoppers over real HTTP: they order, are cut off, ask again, and remember every word."""

import asyncio
import itertools
import random
from collections.abc import Iterable, Sequence

import aiohttp
import msgspec

from loadtests.intent import Intent, LoggedReply, logged_reply

# Mostly the product that never runs out, now and then one that does.
_SHELF = ("PROD-001",) * 7 + ("PROD-002",) * 2 + ("PROD-003",)
_NO_ANSWER = 0
_crowds = itertools.count(1)


class Habits(msgspec.Struct, frozen=True):
    """How shoppers behave: patience for one answer, tries, and shares of odd behaviour. With a
    rest, sixteen of them are the steady load of a shop, not an overload."""

    patience_s: float = 2.0
    tries: int = 12
    pause_s: float = 0.1
    rest_s: float = 0.2  # between two orders of one shopper
    hasty: float = 0.1  # sends the same request twice at once
    curious: float = 0.2  # asks again after an answer
    fickle: float = 0.25  # cancels an order that is still undecided


class Crowd:
    """Shoppers at one or more doors (order-service replicas), and all their wishes."""

    def __init__(self, doors: Sequence[str], seed: int, habits: Habits | None = None) -> None:
        self._doors = doors
        self._chance = random.Random(seed)
        self._habits = habits or Habits()
        self._name = f"crowd-{next(_crowds):03d}-{seed:05d}"
        self.wishes: list[Intent] = []

    async def rush(self, orders: int) -> None:
        """So many shoppers, one order each, all at once."""
        async with self._session() as session:
            await asyncio.gather(*(self._shop(session) for _ in range(orders)))

    async def stroll(self, shoppers: int, over: asyncio.Event) -> None:
        """Closed loop: each shopper wants one order after the other until it is `over`."""

        async def buy(session: aiohttp.ClientSession) -> None:
            while not over.is_set():
                await self._shop(session)
                await asyncio.sleep(self._habits.rest_s)

        async with self._session() as session:
            await asyncio.gather(*(buy(session) for _ in range(shoppers)))

    async def ask_again(self, most: int = 60) -> None:
        """When all is quiet some send the same request once more."""
        asked = self._chance.sample(self.wishes, min(most, len(self.wishes)))
        places = asyncio.Semaphore(16)

        async def ask(session: aiohttp.ClientSession, wish: Intent) -> None:
            async with places:
                await self._insist(session, wish)

        async with self._session() as session:
            await asyncio.gather(*(ask(session, wish) for wish in asked))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def _shop(self, session: aiohttp.ClientSession) -> None:
        chance, habits = self._chance, self._habits
        key = f"{self._name}-{len(self.wishes):06d}"
        wish = Intent(key, chance.choice(_SHELF), chance.randint(1, 3))
        self.wishes.append(wish)
        hands = 2 if chance.random() < habits.hasty else 1
        await asyncio.gather(*(self._insist(session, wish) for _ in range(hands)))
        if wish.replies[-1].status == 202 and chance.random() < habits.fickle:
            await self._cancel(session, wish)
        if chance.random() < habits.curious:
            await self._insist(session, wish)

    async def _insist(self, session: aiohttp.ClientSession, wish: Intent) -> None:
        body = b'{"product_id":"%b","quantity":%d}' % (wish.product_id.encode(), wish.quantity)
        headers = {"Idempotency-Key": wish.key, "Content-Type": "application/json"}
        await self._persist(session, wish.replies, "/orders", body, headers, self._habits.tries)

    async def _cancel(self, session: aiohttp.ClientSession, wish: Intent) -> None:
        if wish.order_id is not None:
            path = f"/orders/{wish.order_id}/cancel"
            # Half of them ask once: then "nothing was done" has to be true of that one answer.
            tries = self._chance.choice((1, self._habits.tries))
            await self._persist(session, wish.cancel_replies, path, b"", {}, tries)

    async def _persist(
        self,
        session: aiohttp.ClientSession,
        words: list[LoggedReply],
        path: str,
        body: bytes,
        headers: dict[str, str],
        tries: int,
    ) -> None:
        for number in range(tries):
            url = self._chance.choice(self._doors) + path
            words.append(word := await self._say(session, url, body, headers))
            if word.decides:
                return
            pause_s = self._habits.pause_s * min(8, 2**number)
            await asyncio.sleep(pause_s * self._chance.uniform(0.5, 1.5))

    async def _say(
        self, session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]
    ) -> LoggedReply:
        try:
            # aiohttp's own timeout is per operation; this one is how long a person waits.
            async with (
                asyncio.timeout(self._habits.patience_s),
                session.post(url, data=body, headers=headers) as response,
            ):
                return logged_reply(response.status, response.headers, await response.read())
        except (aiohttp.ClientConnectorError, ConnectionRefusedError):
            return LoggedReply(_NO_ANSWER, "refused", executed=False)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return LoggedReply(_NO_ANSWER, type(error).__name__)


def tally(wishes: Iterable[Intent]) -> dict[str, int]:
    """How often each answer was heard, for people who read the run."""
    counted: dict[str, int] = {}
    for wish in wishes:
        for word in (*wish.replies, *wish.cancel_replies):
            name = f"{word.status or 'none'} {word.code}".strip()
            counted[name] = counted.get(name, 0) + 1
    return dict(sorted(counted.items()))
