"""The payment providers: what every connector can be asked, and how it may fail to answer."""

from datetime import datetime
from typing import Protocol

import msgspec

from services.payment.outcomes import Captured, Declined, NotFound, Refunded, Voided


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


class Connector(Protocol):
    """One provider. Every call is idempotent by `gw_key`; it raises only the exceptions above."""

    @property
    def name(self) -> str:
        """The provider, as a metric label and in `attempts.provider`."""

    @property
    def fences(self) -> bool:
        """Whether a void of an unknown key makes the provider refuse a charge that comes later."""

    async def charge(
        self, gw_key: str, payment_ref: str, amount_minor: int, currency: str
    ) -> Captured | Declined | Voided | Refunded:
        """Take the money, or answer what became of this key before."""

    async def lookup(self, gw_key: str) -> Captured | Declined | Voided | Refunded | NotFound:
        """What has become of the key, without touching it."""

    async def void(self, gw_key: str, payment_ref: str) -> Captured | Declined | Voided | Refunded:
        """Keep the key from being captured; answers `Captured` if it is too late."""

    async def refund(self, gw_key: str) -> Captured | Declined | Voided | Refunded | NotFound:
        """Refund what was captured under the key."""

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """What the provider holds, oldest first, after a place (from the first without one)."""

    async def close(self) -> None:
        """Close connections and drop what has not arrived yet."""
