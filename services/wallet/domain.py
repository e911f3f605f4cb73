"""Transactions, attempts and their state machines, and when a wallet may pay; no I/O."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from services.wallet.contract import HoldState, Kind, Status

AttemptState = Literal["IN_FLIGHT", "UNKNOWN", "CAPTURED", "DECLINED", "VOIDED"]

# The database holds the same and triggers enforce them; a test compares the two. What is not a
# payment is COMPLETED from the start, or once it is sealed.
PAYMENT_TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {("PENDING", "APPROVED"), ("PENDING", "DECLINED"), ("PENDING", "GATEWAY_ERROR")}
)
PURCHASE_TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {("PENDING", "APPROVED"), ("PENDING", "VOIDED")}
)
HOLD_TRANSITIONS: frozenset[tuple[HoldState, HoldState]] = frozenset(
    {("HELD", "POSTED"), ("HELD", "VOIDED"), ("POSTED", "REFUNDED")}
)
CREDIT_TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset({("PENDING", "COMPLETED")})
ATTEMPT_TRANSITIONS: frozenset[tuple[AttemptState, AttemptState]] = frozenset(
    {
        ("IN_FLIGHT", "CAPTURED"),
        ("IN_FLIGHT", "DECLINED"),
        ("IN_FLIGHT", "VOIDED"),
        ("IN_FLIGHT", "UNKNOWN"),
        ("UNKNOWN", "CAPTURED"),
        ("UNKNOWN", "DECLINED"),
        ("UNKNOWN", "VOIDED"),
    }
)


class Wallet(msgspec.Struct, frozen=True):
    """A wallet whose row is locked: what it may spend, and the accounts on both sides."""

    account_id: UUID
    available_minor: int


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a user's history; `seq` is its place in it."""

    transaction_id: UUID
    seq: int
    user_id: str
    currency: str
    kind: Kind
    amount_minor: int
    status: Status
    reason: str | None
    provider_id: str | None
    external_reference: str | None
    counterparty: str | None
    refund_of: UUID | None
    traceparent: str | None
    created_at: datetime
    updated_at: datetime
    balance_after_minor: int | None


class WalletAttempt(msgspec.Struct, frozen=True):
    """A payment's attempt at the gateway. Without `provider_ref` nobody has asked for the money."""

    transaction_id: UUID
    gw_key: str
    amount_minor: int
    currency: str
    provider_ref: str | None
    age_s: float


class WalletHold(msgspec.Struct, frozen=True, kw_only=True):
    """What another service holds or held in a wallet under its key. A tombstone has no amount."""

    hold_key: str
    state: HoldState
    user_id: str | None
    amount_minor: int | None
    currency: str | None
    reference: str | None
    reason: str | None
    transaction_id: UUID | None
    placed_by: str
    created_at: datetime
    updated_at: datetime

    def belongs_to(self, application: str) -> bool:
        """Whether it is the application's to end, or to know of. Who asks under a key of the
        payment service is that service, whatever API key it shows by now."""
        return self.placed_by == application or is_of_payments(self.hold_key)


def is_of_payments(hold_key: str) -> bool:
    """Whether a hold under this key is the payment service's."""
    return hold_key.startswith("pay_")


class Balance(msgspec.Struct, frozen=True):
    """One currency of a user at an instant."""

    currency: str
    posted_minor: int
    pending_out_minor: int
    pending_in_minor: int


class UserWallet(msgspec.Struct, frozen=True):
    """One user's wallet, with each of its currencies."""

    user_id: str
    opened_at: datetime
    balances: list[Balance]


# ---- what a payment may end as -------------------------------------------------------------------


class MoneyTaken(msgspec.Struct, frozen=True):
    """The gateway has the money."""


class GatewayDecline(msgspec.Struct, frozen=True):
    """The gateway declined; nothing was taken."""

    code: str


class NotTaken(msgspec.Struct, frozen=True):
    """Nothing was taken, and nothing will be: it went wrong before anybody asked for the money, or
    the request was cancelled at the gateway."""

    why: str


class NotKnown(msgspec.Struct, frozen=True):
    """It may have been taken. Silence is never a no, however long it lasts (rule R5)."""

    why: str


Ending = MoneyTaken | GatewayDecline | NotTaken
GatewayOutcome = Ending | NotKnown


def status_of(ending: Ending) -> Status:
    """What the payment becomes."""
    if isinstance(ending, MoneyTaken):
        return "APPROVED"
    return "DECLINED" if isinstance(ending, GatewayDecline) else "GATEWAY_ERROR"


def attempt_state_of(ending: Ending) -> AttemptState:
    """What its attempt becomes."""
    if isinstance(ending, MoneyTaken):
        return "CAPTURED"
    return "DECLINED" if isinstance(ending, GatewayDecline) else "VOIDED"


def reason_of(ending: Ending) -> str | None:
    """Why it was not taken; None where it was."""
    if isinstance(ending, MoneyTaken):
        return None
    return ending.code if isinstance(ending, GatewayDecline) else ending.why


# ---- refusals ------------------------------------------------------------------------------------


class UnknownWallet(Exception):
    """This user has no wallet in this currency."""

    def __init__(self, user_id: str, currency: str | None = None) -> None:
        super().__init__(user_id)
        self.user_id = user_id
        self.currency = currency


class WrongCurrency(UnknownWallet):
    """This user has wallets, and none in this currency."""


class UnknownProvider(Exception):
    """There is no such provider."""


class InsufficientFunds(Exception):
    """The wallet may not spend this much."""

    def __init__(self, available_minor: int) -> None:
        super().__init__(available_minor)
        self.available_minor = available_minor


class UnknownTransaction(Exception):
    """This user has no such transaction."""


def demand_funds(wallet: Wallet, amount_minor: int) -> None:
    """Raise `InsufficientFunds` unless the wallet may spend this much, what it holds for other
    payments left alone."""
    if wallet.available_minor < amount_minor:
        raise InsufficientFunds(wallet.available_minor)
