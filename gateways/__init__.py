"""Payment providers, asked: what every connector can be asked, and how it may fail to answer.

Owns      nothing. Calls an account behind Stripe's API (`stripe_api.py`), which is imported only
          where there is one: the official library takes a second.
Used by   the services that take money; it knows none of them.
Start at  `Connector` below, then `stripe_api.py`.
"""

from datetime import date, datetime
from typing import Literal, Protocol

import msgspec


class Authorised(msgspec.Struct, frozen=True):
    """The gateway holds the money for us; it is taken by a capture, or given up by a void."""

    amount_minor: int
    currency: str


class Captured(msgspec.Struct, frozen=True):
    """The money was taken."""

    amount_minor: int
    currency: str


class Declined(msgspec.Struct, frozen=True):
    """The gateway declined, or refused to capture what it had authorised; nothing was taken."""

    code: str


class Voided(msgspec.Struct, frozen=True):
    """Nothing was taken; a fencing gateway will also refuse a charge that comes later."""


class Refunded(msgspec.Struct, frozen=True):
    """The money was taken and has been given back."""

    amount_minor: int
    currency: str


class NotFound(msgspec.Struct, frozen=True):
    """The gateway does not know the key now. It may yet: the request can still be on its way."""


class GatewayUnknown(Exception):
    """No answer that can be relied on (timeout, 5xx, garbage): it may or may not have happened."""


class CardRefused(Exception):
    """The gateway will not have this card at all; its code says why. Nobody was charged."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


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
        """What stands for the card at this account from now on. Raises `CardRefused` too."""

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


# ---- providers outside this process --------------------------------------------------------------


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's signed event says: which intent it is about, and of which attempt that is,
    as far as the event has it. None of it is believed; it says where to look."""

    event_id: str
    type: str
    happened_at: datetime
    intent: str | None = None
    attempt_key: str | None = None


class Unverified(Exception):
    """An event that is not believed to be the provider's, or that cannot be read."""

    def __init__(self, why: Literal["bad_signature", "stale", "malformed"]) -> None:
        super().__init__(why)
        self.why = why


class NewEndpoint(msgspec.Struct, frozen=True):
    """An endpoint as it was made: the only time that its secret is seen."""

    endpoint: str
    secret: str

    def __repr__(self) -> str:
        return f"NewEndpoint({self.endpoint!r}, ...)"


class Webhooks(Protocol):
    """The events of one account. What asks the provider raises `GatewayUnknown` and
    `GatewayNotSent`."""

    @property
    def signature_header(self) -> str:
        """The header that carries the signature, in lower case."""

    @property
    def types(self) -> frozenset[str]:
        """The types of events that can change what we know."""

    def read(self, payload: bytes, signature: str, secret: str) -> ProviderEvent:
        """The event, if it is signed with this secret, and lately. Raises `Unverified`."""

    async def attempt_of(self, intent: str) -> str | None:
        """Our key of the attempt that an intent is for; None where it is not ours."""

    async def endpoints(self, url: str) -> list[str]:
        """The endpoints that send events to this address."""

    async def create_endpoint(self, url: str) -> NewEndpoint:
        """Have events of our types sent to this address."""

    async def delete_endpoint(self, endpoint: str) -> None:
        """Have no more events sent there; one that is gone already is no failure."""


class OutsideAccount(Connector, Protocol):
    """An account at a provider outside this process."""

    @property
    def webhooks(self) -> Webhooks:
        """Its events."""

    async def settlement_file(self, day: date) -> bytes | None:
        """Its captures, refunds and fees of a UTC day, as CSV; None where it has no such file."""
