"""A provider that fails in the ways real ones do, by configured shares and a seed."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from chassis.settings import BadSetting
from gateways import (
    AttemptRef,
    Capabilities,
    Capture,
    CapturePlace,
    Connector,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    PlainCard,
    Taken,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

# What each does to a call; the order is that in which the shares divide the range 0 to 1.
FAULTS = {
    "not_sent": "the connection is refused; nothing happens",
    "lost_request": "the request never arrives; the caller waits for nothing",
    "lost_response": "it happens, but the answer never arrives",
    "error_before": "500 before anything happens",
    "error_after": "500 after it happened",
    "garbage": "it happens, and the answer is a proxy's HTML page",
    "late": "the caller waits for nothing, and it lands seconds later (charges and captures only)",
}
# Longer than any caller waits. A caller without a deadline of its own gets an answer in the end.
_SILENCE_S = 60.0
# Late charges at once; more than that are lost, as in a full queue.
_MOST_LATE_CHARGES = 1000


def parse_shares(written: str) -> dict[str, float]:
    """`"lost_request=0.05,late=0.1"` as a table; raises `BadSetting` with one clear line."""
    shares: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, share = part.partition("=")
        name = name.strip()
        if name not in FAULTS:
            raise _bad(f"{name!r} is not a fault; there are: {', '.join(FAULTS)}")
        if name in shares:
            raise _bad(f"{name} is given twice")
        try:
            shares[name] = float(share)
        except ValueError:
            raise _bad(f"{part!r} is not fault=share, such as late=0.05") from None
        if not 0 <= shares[name] <= 1:
            raise _bad(f"{name} must be between 0 and 1")
    if sum(shares.values()) > 1:
        raise _bad("the shares add up to more than 1")
    return shares


def _bad(why: str) -> BadSetting:
    return BadSetting(f"VALERIX_PAYMENT_FLAKY_SHARES cannot be used: {why}")


class Flaky:
    """`inner` with faults in between. Seeded, the same calls in the same order fail alike."""

    name = "flaky"

    def __init__(
        self,
        inner: Connector,
        *,
        shares: dict[str, float],
        seed: int,
        late_s: float,
        silence_s: float = _SILENCE_S,
    ) -> None:
        self._inner = inner
        self._shares = shares
        self._chance = random.Random(seed or None)  # noqa: S311 - a share of calls, not a secret
        self._late_s = late_s
        self._silence_s = silence_s
        self._late_charges: set[asyncio.Task[None]] = set()

    @property
    def can(self) -> Capabilities:
        """What the provider behind it can."""
        return self._inner.can

    async def exchange(self, account: str, card: PlainCard) -> str:
        """As the provider behind it does."""
        return await self._inner.exchange(account, card)

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """As the provider behind it does."""
        return await self._inner.prepare(target, capture=capture)

    def next_fault(self) -> str:
        """The fault the next call meets, or "" for none."""
        left = self._chance.random()
        for name in FAULTS:
            left -= self._shares.get(name, 0.0)
            if left < 0:
                return name
        return ""

    async def delay_late_charge(self) -> None:
        """Wait for as long as a late charge takes to arrive."""
        await asyncio.sleep(self._late_s)

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Hold or take the money, or fail before or after it."""
        return await self._faulted(
            lambda: self._inner.authorise(target, capture=capture), may_be_late=True
        )

    async def capture(self, target: AttemptRef) -> Taken | NotFound:
        """Take what is held, or fail before or after it."""
        return await self._faulted(lambda: self._inner.capture(target), may_be_late=True)

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """Finding out can fail as well."""
        return await self._faulted(lambda: self._inner.find_out(target))

    async def void(self, target: AttemptRef) -> Taken:
        """Void, or fail before or after it."""
        return await self._faulted(lambda: self._inner.void(target))

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Refund, or fail before or after it."""
        return await self._faulted(lambda: self._inner.refund(target))

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """The settlement report is never faulted."""
        return await self._inner.captures(after, limit)

    async def close(self) -> None:
        """Late charges that have not arrived are lost."""
        for task in self._late_charges:
            task.cancel()
        await asyncio.gather(*self._late_charges, return_exceptions=True)
        await self._inner.close()

    async def _faulted(self, effect: Callable[[], Awaitable[T]], *, may_be_late: bool = False) -> T:
        match self.next_fault():
            case "not_sent":
                raise GatewayNotSent("connection refused")
            case "lost_request":
                await self._silence()
            case "lost_response":
                await effect()
                await self._silence()
            case "error_before":
                raise GatewayUnknown("500")
            case "error_after":
                await effect()
                raise GatewayUnknown("500")
            case "garbage":
                await effect()
                raise GatewayUnknown("502 text/html")
            case "late" if may_be_late:
                self._send_late(effect)
                await self._silence()
        return await effect()

    def _send_late(self, effect: Callable[[], Awaitable[Any]]) -> None:
        if len(self._late_charges) < _MOST_LATE_CHARGES:
            task = asyncio.create_task(self._arrive_late(effect))
            self._late_charges.add(task)
            task.add_done_callback(self._late_charges.discard)

    async def _arrive_late(self, effect: Callable[[], Awaitable[Any]]) -> None:
        await self.delay_late_charge()
        try:
            await effect()
        except (GatewayUnknown, GatewayNotSent):
            logger.info("a late charge was lost")

    async def _silence(self) -> None:
        await asyncio.sleep(self._silence_s)
        raise GatewayUnknown("no answer")
