"""The payment providers: what every connector can be asked, and how it may fail to answer."""

from datetime import datetime
from typing import Protocol

import msgspec

from services.payment.outcomes import Authorised, Captured, Declined, NotFound, Refunded, Voided


class GatewayUnknown(Exception):
    """No answer that can be relied on (timeout, 5xx, garbage): it may or may not have happened."""


class GatewayNotSent(Exception):
    """The request was never sent: it certainly did not happen."""


class Capture(msgspec.Struct, frozen=True):
    """One line of the provider's settlement report: money it holds for us."""

    gw_key: str
    payment_ref: str
    amount_minor: int
    currency: str
    captured_at: datetime


class CapturePlace(msgspec.Struct, frozen=True):
    """A place in the settlement report, which is ordered by time and then by key."""

    captured_at: datetime
    gw_key: str


class PlainCard(msgspec.Struct, frozen=True):
    """A card, for as long as it takes to exchange it. It never prints its digits."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str

    def __repr__(self) -> str:
        return "Card(...)"


class Capabilities(msgspec.Struct, frozen=True):
    """What a provider can do, which decides what may be asked of it.

    `fences`: a void of an unknown key makes it refuse a charge that comes later. `looks_up_by_key`:
    it can be asked what became of a key. `two_phase`: it authorises now and captures later, so it
    may take one of several legs. `prepares`: a charge begins with a request that takes no money
    and gives the provider's own name for it, which has to be kept before anything else is asked."""

    fences: bool
    looks_up_by_key: bool
    two_phase: bool
    prepares: bool = False


class AttemptRef(msgspec.Struct, frozen=True):
    """The attempt that a provider is asked about: our key for it, which payment it is for, how much
    at which account; with `method`, what the customer pays with there, and `provider_ref`, the
    provider's own name for it, once there is one."""

    gw_key: str
    payment_ref: str
    amount_minor: int
    currency: str
    account: str = ""
    method: str | None = None
    provider_ref: str | None = None
    age_s: float = 0.0


Taken = Authorised | Captured | Declined | Voided | Refunded


class Connector(Protocol):
    """One provider. Every call is idempotent by `gw_key`; it raises only the exceptions above.

    Whatever is asked, the answer is what the key has become: a capture of what was voided answers
    `Voided`, a void that is too late answers `Captured`."""

    @property
    def name(self) -> str:
        """The provider, as a metric label and in `attempts.provider`."""

    @property
    def can(self) -> Capabilities:
        """What it can do."""

    async def exchange(self, account: str, card: PlainCard) -> str:
        """What stands for the card at this account from now on."""

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """The provider's name for the attempt; only where it `prepares`. It takes no money, so it
        may be asked again; `capture` as it will be authorised."""

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Hold the money, or take it at once."""

    async def capture(self, target: AttemptRef) -> Taken | NotFound:
        """Take what is held; `Declined` where the provider no longer holds it."""

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """What has become of it, without touching it."""

    async def void(self, target: AttemptRef) -> Taken:
        """Keep it from being captured; answers `Captured` if it is too late."""

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Give back what was captured."""

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """What the provider holds, oldest first, after a place (from the first without one)."""

    async def close(self) -> None:
        """Close connections and drop what has not arrived yet."""
