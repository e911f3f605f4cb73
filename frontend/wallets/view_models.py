"""What the templates are given about wallets."""

from datetime import datetime

from msgspec import Struct

from frontend.web.labels import State
from services.wallet.contract import BalanceView, TransactionView


class WalletRow(Struct, frozen=True):
    """One user's wallet in the list."""

    user_id: str
    opened_at: datetime
    balances: list[BalanceView]


class WalletsView(Struct, frozen=True):
    """A page of wallets; `more` and `first` are addresses, empty where there is nothing else."""

    rows: tuple[WalletRow, ...]
    more: str = ""
    first: str = ""


class MomentView(Struct, frozen=True):
    """What a wallet held at an instant. `title` is the instant, or "Now"; `mistake` says why the
    one that was asked for is none, and then this is now."""

    user_id: str
    at: datetime
    is_now: bool
    title: str
    balances: list[BalanceView]
    mistake: str = ""


class TransactionRow(Struct, frozen=True):
    """One row of a history. `amount_minor` is less than zero for what went out; `then` is where the
    wallet is shown as it was right after it."""

    transaction: TransactionView
    what: str
    note: str
    amount_minor: int
    state: State
    word: str
    then: str


class HistoryView(Struct, frozen=True):
    """A page of a history, newest first; `older` and `newest` are addresses, empty where there is
    nothing else."""

    user_id: str
    rows: tuple[TransactionRow, ...]
    older: str = ""
    newest: str = ""


class TimeSlider(Struct, frozen=True):
    """A slider from the oldest row that is shown until now, in milliseconds since 1970; `written`
    is the same instant for a field of a form."""

    since: datetime
    least: int
    most: int
    step: int
    value: int
    written: str
