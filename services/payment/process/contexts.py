"""What a merchant's request is worked on with: who asked, its merchant, and each step's part."""

import time
from datetime import datetime
from typing import Self

import msgspec

from chassis.telemetry.context import current_traceparent, remaining_s
from services.payment.domain import WALLET, MadeBy
from services.payment.merchants.merchant import Merchant
from services.payment.operations import RESERVE_S
from services.payment.process.messages import ExternalRequest
from services.payment.process.store import RequestId


class UnknownMerchant(Exception):
    """There is no merchant of this name."""


class NoAccountNow(Exception):
    """The merchant's accounts that can be asked at the moment cannot take the payment, and others
    could, or these could a moment later; nothing was done."""


class CapacityUsedUp(Exception):
    """The accounts could take the payment on a day of which nothing is taken yet, and that begins
    at `again_at`; nothing was done."""

    def __init__(self, again_at: datetime) -> None:
        super().__init__()
        self.again_at = again_at


class OtherRequest(Exception):
    """The name was used for another request."""


class BadField(Exception):
    """The request itself is wrong: `pointer` says where, and nothing was done."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer, self.message = pointer, message


class TraceContext(msgspec.Struct, frozen=True):
    """Who asks, whose payment it will be, and in which trace."""

    made_by: MadeBy
    owner: str
    traceparent: str | None

    @classmethod
    def now(cls, made_by: MadeBy, owner: str) -> Self:
        """That of the request in hand."""
        return cls(made_by, owner, current_traceparent())


class StepContext(msgspec.Struct, frozen=True):
    """One account's part: how many milliseconds are left for it, and `method`, what the customer
    pays with there: a reference, never a number."""

    account: str
    remaining_ms: int
    method: str


class WalletShare(msgspec.Struct, frozen=True):
    """How much of the amount is paid from which user's wallet."""

    wallet_id: str
    amount_minor: int


class DomainContext(msgspec.Struct, frozen=True, kw_only=True):
    """The request, its merchant as configured now, and `meaning`, the hash of what the request
    means. `until` is when the merchant's time is over, as `time.monotonic` has it."""

    trace: TraceContext
    merchant: Merchant
    request: ExternalRequest
    meaning: bytes
    until: float
    wallet: WalletShare | None = None

    @property
    def name(self) -> RequestId:
        """What the merchant calls the request, and whose it is."""
        return RequestId(self.request.merchant_id, self.request.request_id, self.trace.owner)

    @property
    def left_s(self) -> float:
        """What is left of the merchant's time, in seconds; negative once it is over."""
        return self.until - time.monotonic()

    @property
    def wallet_minor(self) -> int:
        """What a wallet pays, 0 without one."""
        return 0 if self.wallet is None else self.wallet.amount_minor

    def step(self, account: str) -> StepContext:
        """An account's part as it begins, paid with the merchant's own method, or from a wallet."""
        method = self.merchant.method
        if account == WALLET and self.wallet is not None:
            method = self.wallet.wallet_id
        return StepContext(account, max(0, round(self.left_s * 1000)), method)


def time_is_up_at(merchant: Merchant) -> float:
    """When to stop asking accounts: the merchant's budget, or what the caller has left of its own,
    without what our own commits take."""
    budget_s = merchant.budget_ms / 1000
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - RESERVE_S)
    return time.monotonic() + budget_s
