"""The wallets' account at the gateway: asks for the money of one attempt, and finds out what became
of it.

An intent is created, its name is kept, and only then is it confirmed. So whatever goes wrong before
a name is kept, nothing was taken; and whatever goes wrong after it, the name can be asked, and
cancelled (gateways/stripe_api.py)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec.structs import replace
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from chassis.database.pool import DatabaseTrouble
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, remaining_s
from gateways import (
    AttemptRef,
    Captured,
    Declined,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    Refunded,
    Taken,
    Voided,
)
from services.wallet.breaker import Breaker
from services.wallet.domain import (
    GatewayDecline,
    GatewayOutcome,
    MoneyTaken,
    NotKnown,
    NotTaken,
    WalletAttempt,
)
from services.wallet.metrics import WalletMetrics

logger = logging.getLogger(__name__)

# The test card that stands for the shop's own money at the account.
_METHOD = "pm_card_visa"
# Only a create is repeated: it takes no money. As the payment service does it.
_TRIES, _FIRST_WAIT_S, _LONGEST_WAIT_S = 3, 0.05, 0.2
# What is left of the caller's time for our own last commit and its answer.
_OWN_S = 0.25

KeepRef = Callable[[str], Awaitable[bool]]


class GatewayAccount(Protocol):
    """What is needed of a gateway's connector."""

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """The gateway's name for the attempt; takes no money."""

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Take the money."""

    async def void(self, target: AttemptRef) -> Taken:
        """Keep it from being taken; answers what became of it if it is too late."""

    async def close(self) -> None:
        """Close its connections."""


class Gateway:
    """The account, made at the first question: its library takes a second to import."""

    def __init__(
        self,
        make_account: Callable[[], GatewayAccount],
        breaker: Breaker,
        metrics: WalletMetrics,
        timeout_s: float,
    ) -> None:
        self._make_account = make_account
        self._account: GatewayAccount | None = None
        self._opening = asyncio.Lock()
        self._metrics = metrics
        self._timeout_s = timeout_s
        self.breaker = breaker

    async def close(self) -> None:
        """Close its connections."""
        if self._account is not None:
            await self._account.close()

    async def open(self) -> GatewayAccount:
        """The account. The first time its library is imported, which takes a second, beside the
        loop; so nobody's money is held yet, and no time of the gateway's is counted."""
        async with self._opening:
            if self._account is None:
                self._account = await asyncio.to_thread(self._make_account)
        return self._account

    async def take(self, attempt: WalletAttempt, keep_ref: KeepRef) -> GatewayOutcome:
        """Ask for the money, within the caller's time. `keep_ref` commits the gateway's name."""
        return await self._timed("take", self._take(attempt, keep_ref), for_money=True)

    async def find_out(self, attempt: WalletAttempt) -> GatewayOutcome:
        """What became of an attempt, which from then on can become nothing else: it is cancelled
        where it was not taken."""
        if attempt.provider_ref is None:
            return NotTaken("gateway-timeout")
        return await self._timed("find out", self._fence(_target(attempt)), for_money=False)

    async def _timed(
        self, what: str, asking: Awaitable[GatewayOutcome], *, for_money: bool
    ) -> GatewayOutcome:
        began, timeout_s = time.monotonic(), self._timeout_s
        if (left_s := remaining_s()) is not None:
            timeout_s = max(0.0, min(timeout_s, left_s - _OWN_S))
        with recording.span(f"gateway {what}", CLIENT) as work:
            try:
                async with asyncio.timeout(timeout_s):
                    outcome = await asking
            except TimeoutError:
                outcome = NotKnown("no answer in time")
            name = type(outcome).__name__.lower()
            work.attributes.update({"server.address": "acquirer", "valerix.outcome": name})
            if isinstance(outcome, NotKnown):
                work.error = work.error or outcome.why
        self._metrics.asked(what, name, time.monotonic() - began)
        # That a caller's time was up early says nothing about the gateway.
        hurried = isinstance(outcome, NotKnown) and timeout_s < self._timeout_s
        if for_money and not hurried:
            self.breaker.saw(answered=isinstance(outcome, MoneyTaken | GatewayDecline))
        return outcome

    async def _take(self, attempt: WalletAttempt, keep_ref: KeepRef) -> GatewayOutcome:
        target = _target(attempt)
        try:
            ref = await self._prepared(target)
        except (GatewayUnknown, GatewayNotSent) as error:
            logger.warning("the gateway did not begin: %s", error, extra=_named(attempt))
            return NotTaken("gateway-error")
        try:
            if not await keep_ref(ref):
                return NotKnown("somebody else works on it")
        except DatabaseTrouble as error:
            return NotKnown(f"the name could not be kept: {type(error).__name__}")
        target = replace(target, provider_ref=ref)
        try:
            return _outcome(await (await self.open()).authorise(target, capture=True), target)
        except (GatewayUnknown, GatewayNotSent) as error:
            logger.warning("the gateway did not answer: %s", error, extra=_named(attempt))
        # It can be asked, and need not be left open.
        return await self._fence(target)

    async def _prepared(self, target: AttemptRef) -> str:
        account = await self.open()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((GatewayUnknown, GatewayNotSent)),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            stop=stop_after_attempt(_TRIES) | stop_before_delay(self._timeout_s),
            reraise=True,
        )
        async for each in retrying:
            with each:
                return await account.prepare(target, capture=True)
        raise AssertionError("it returns, or raises what the last call raised")

    async def _fence(self, target: AttemptRef) -> GatewayOutcome:
        try:
            return _outcome(await (await self.open()).void(target), target)
        except (GatewayUnknown, GatewayNotSent) as error:
            return NotKnown(str(error))


def _target(attempt: WalletAttempt) -> AttemptRef:
    return AttemptRef(
        attempt.gw_key,
        str(attempt.transaction_id),
        attempt.amount_minor,
        attempt.currency,
        method=_METHOD,
        provider_ref=attempt.provider_ref,
        age_s=attempt.age_s,
    )


def _outcome(result: Taken | NotFound, target: AttemptRef) -> GatewayOutcome:
    """What an answer of the gateway means for a payment."""
    match result:
        case Captured(amount_minor, currency):
            if (amount_minor, currency) == (target.amount_minor, target.currency):
                return MoneyTaken()
            logger.error("the gateway took %d %s", amount_minor, currency)
            return NotKnown("another amount was taken")
        case Declined(code):
            return GatewayDecline(code)
        case Voided():
            return NotTaken("gateway-timeout")
        case Refunded():
            return NotTaken("given-back")
    return NotKnown("it is not decided there")


def _named(attempt: WalletAttempt) -> dict[str, str]:
    return {"transaction_id": str(attempt.transaction_id)}
