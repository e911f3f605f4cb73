"""The wallet service on the wire. Amounts are minor units (ISO 4217): 999 is 9.99 EUR, 999 JPY."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

Kind = Literal["PAYMENT", "PURCHASE", "REFUND", "DEPOSIT", "TRANSFER_OUT", "TRANSFER_IN"]
Status = Literal["PENDING", "APPROVED", "DECLINED", "GATEWAY_ERROR", "VOIDED", "COMPLETED"]
HoldState = Literal["HELD", "POSTED", "VOIDED", "REFUNDED", "REFUSED"]
# Those that the gateway's account takes in any amount.
Currency = Literal["AUD", "CHF", "EUR", "GBP", "JPY", "USD"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
UserId = Annotated[str, Meta(pattern=NAME)]
ProviderId = Annotated[str, Meta(pattern=NAME)]
# Visible characters: it is shown in lists and log lines.
Reference = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,255}$(?!\n)")]
# The most that the gateway takes at once; deposits and transfers keep to it as well.
MAX_AMOUNT_MINOR = 99_999_999
Amount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
DEFAULT_PAGE, MAX_PAGE = 20, 100

# The stable `code` of each refusal; `error.code` is the same in capitals (INSUFFICIENT_FUNDS).
WALLET_NOT_FOUND = "wallet-not-found"
PROVIDER_NOT_FOUND = "provider-not-found"
TRANSACTION_NOT_FOUND = "transaction-not-found"
INSUFFICIENT_FUNDS = "insufficient-funds"
WRONG_CURRENCY = "wrong-currency"
HOLD_NOT_FOUND = "hold-not-found"
HOLD_RESOLVED = "hold-resolved"
HOLD_KEY_REUSED = "hold-key-reused"
ONE_USERS_KEY = "one-users-key"
HOLD_KEY_RESERVED = "hold-key-reserved"
DECLINED = "declined"
GATEWAY_ERROR = "gateway-error"
GATEWAY_TIMEOUT = "gateway-timeout"
GATEWAY_UNAVAILABLE = "gateway-unavailable"
WALLET_BUSY = "wallet-busy"
PLACES_TAKEN = "places-taken"
API_KEY_NEEDED = "api-key-needed"
API_KEY_NOT_FOUND = "api-key-not-found"


class PayProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /wallets/{user_id}/payments: pay a provider from the wallet, once."""

    provider_id: ProviderId
    external_reference: Reference
    amount: Amount
    currency: Currency


class Deposit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /wallets/{user_id}/deposits: put money in; the first one opens the wallet."""

    amount: Amount
    currency: Currency


class TransferMoney(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /transfers: from one user's wallet to another's."""

    from_user_id: UserId
    to_user_id: UserId
    amount: Amount
    currency: Currency


class PlaceHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PUT /holds/{hold_key}: hold money for a purchase, once; with `capture` take it at once. The
    reference says what is paid for."""

    user_id: UserId
    amount: Amount
    currency: Currency
    reference: Reference
    capture: bool = False


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """What a key has become: HELD, then POSTED or VOIDED; a POSTED one may be REFUNDED. REFUSED
    held nothing, and `reason` is the code that it was refused with. One that was voided before it
    was placed has no amount."""

    hold_key: str
    state: HoldState
    user_id: str | None
    amount_minor: int | None
    currency: str | None
    reference: str | None
    reason: str | None
    transaction_id: UUID | None
    created_at: datetime
    updated_at: datetime


class HoldProblem(msgspec.Struct, frozen=True):
    """What a client reads of a refusal about a key: its code, and how the hold stands."""

    code: str
    details: HoldView


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a user's history. `balance_after_minor` is what was to spend right after it; None
    for money that is not sealed yet. `trace_url` is where the dashboard shows it."""

    transaction_id: UUID
    user_id: str
    kind: Kind
    status: Status
    reason: str | None
    amount_minor: int
    currency: str
    balance_after_minor: int | None
    provider_id: str | None
    external_reference: str | None
    counterparty: str | None
    refund_of: UUID | None
    created_at: datetime
    updated_at: datetime
    trace_id: str | None
    trace_url: str | None


class TransactionPage(msgspec.Struct, frozen=True):
    """GET /wallets/{user_id}/transactions: the newest first. `limit` is how many were asked for, or
    the nearest number that may be, and then `limit_clamped` is true."""

    transactions: list[TransactionView]
    limit: int
    limit_clamped: bool
    next: str | None


class BalanceView(msgspec.Struct, frozen=True):
    """One currency. `posted_minor` is what is sealed; `pending_out_minor` is held for payments that
    are not decided, `pending_in_minor` has come and is not sealed; `available_minor` is posted less
    pending out: all that can be spent."""

    currency: str
    posted_minor: int
    pending_out_minor: int
    pending_in_minor: int
    available_minor: int


class WalletBalances(msgspec.Struct, frozen=True):
    """GET /wallets/{user_id}/balance, as of the instant `at`."""

    user_id: str
    at: datetime
    balances: list[BalanceView]


class WalletView(msgspec.Struct, frozen=True):
    """One user's wallet: what it holds now in each currency, and since when there is one."""

    user_id: str
    opened_at: datetime
    balances: list[BalanceView]


class WalletPage(msgspec.Struct, frozen=True):
    """GET /wallets: by user, from A to Z. `limit` and `limit_clamped` as in `TransactionPage`."""

    wallets: list[WalletView]
    limit: int
    limit_clamped: bool
    next: str | None


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api-keys: a key for a client application, for every wallet or for one user's."""

    application: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,64}$(?!\n)")]
    user_id: UserId | None = None


class EndApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api-keys/{key_id}/rotate: how long the old key is good for yet; a day."""

    in_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 86_400.0


class ApiKeyView(msgspec.Struct, frozen=True):
    """A key without its secret; from `ends_at` on it opens nothing."""

    key_id: str
    application: str
    user_id: str | None
    created_at: datetime
    ends_at: datetime | None


class ApiKeyList(msgspec.Struct, frozen=True):
    """Every key there ever was, the oldest first."""

    keys: list[ApiKeyView]


class SecretApiKey(msgspec.Struct, frozen=True):
    """A key as it was made: the only time that it is seen."""

    key_id: str
    application: str
    user_id: str | None
    key: str

    def __repr__(self) -> str:
        return f"SecretApiKey({self.key_id!r}, ...)"
