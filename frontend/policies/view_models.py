"""What the templates are given about policies: who has which, and what a draft came to."""

from datetime import datetime

from msgspec import Struct

from frontend.policies.queries import MerchantRecord, VersionRecord
from frontend.web.labels import State
from services.payment.contract import PolicyMistake, PolicyRule


class PoliciesView(Struct, frozen=True):
    """Merchants, and the versions that there are."""

    merchants: tuple[MerchantRecord, ...]
    versions: tuple[VersionRecord, ...]


class ChangedRow(Struct, frozen=True):
    """A payment that a draft changes; `state` and `word` are what would have come of it."""

    payment_id: str
    request_id: str
    at: datetime
    merchant_id: str
    amount_minor: int
    currency: str
    before: str
    after: str
    fee_minor: int | None
    state: State
    word: str
    why: str


class FeeRow(Struct, frozen=True):
    """What a draft changes in one currency; `difference_minor` is above 0 where it costs more."""

    currency: str
    payments: int
    before_minor: int
    after_minor: int
    difference_minor: int
    not_taken_minor: int


class MistakeRow(Struct, frozen=True):
    """A mistake with the line it is in, cut in two at its column."""

    mistake: PolicyMistake
    left: str
    right: str


class FieldView(Struct, frozen=True):
    """One field of the form: its name there, what is typed, what is wrong with it, and the present
    value where that is another."""

    name: str
    label: str
    value: str
    error: str = ""
    now: str = ""


class AccountFields(Struct, frozen=True):
    """One account's fields."""

    account: str
    currencies: str
    cells: tuple[FieldView, ...]


class DraftView(Struct, frozen=True):
    """What came of a draft. `title` is empty while nothing was asked."""

    state: State = "none"
    title: str = ""
    why: str = ""
    mistakes: tuple[MistakeRow, ...] = ()
    rules: tuple[PolicyRule, ...] = ()
    changed: tuple[ChangedRow, ...] = ()
    fees: tuple[FeeRow, ...] = ()
    version: str = ""
    more: int = 0


class TermsView(Struct, frozen=True):
    """The form with other terms, and what came of it."""

    rows: tuple[AccountFields, ...]
    last: FieldView
    found: DraftView
