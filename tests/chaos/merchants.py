"""Merchants of the chaos: each asks for payments one after the other, until each is decided."""

import asyncio
import random
from collections.abc import Sequence

import aiohttp

from tests.harness.customers import Door
from tests.harness.merchants import CHAINS, Answers, Asked, payment_request

_TRIES = 4
_PAUSE_S = 0.05


class Merchants:
    """All merchants of one seed, with everything they asked for and were answered."""

    def __init__(self, rng: random.Random, payments: int) -> None:
        self._rng = rng
        self.asked = [payment_request(rng, list(CHAINS), "chaos-", n) for n in range(payments)]
        self.answers = Answers()

    async def ask(self, doors: Sequence[Door], *, tries: int = _TRIES) -> None:
        """Every payment that is not decided, each merchant's own in turn."""
        count = len(CHAINS)
        queues = [self.asked[n::count] for n in range(count)]
        await asyncio.gather(*(self._queue(doors, queue, tries) for queue in queues))

    async def ask_again(self, doors: Sequence[Door]) -> None:
        """Every payment once more; the answers note what is another one than before."""
        for one in self.asked:
            await self._send(doors, one)

    async def _queue(self, doors: Sequence[Door], queue: Sequence[Asked], tries: int) -> None:
        for one in queue:
            for _ in range(tries):
                if one.is_final:
                    break
                await self._send(doors, one)
                await asyncio.sleep(_PAUSE_S)

    async def _send(self, doors: Sequence[Door], one: Asked) -> None:
        door = self._rng.choice(doors)
        headers = {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(door.patience_s),
                door.session.request(
                    "POST", f"{door.url}/process-payment", data=one.body, headers=headers
                ) as got,
            ):
                self.answers.hear(one, got.status, await got.content.read(-1))
        except (TimeoutError, aiohttp.ClientError, OSError):
            self.answers.hear(one, 0, b"")
