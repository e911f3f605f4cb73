"""What the templates are given about providers."""

from datetime import datetime

from msgspec import Struct

from frontend.providers.queries import ProviderRecord, TermsRecord
from frontend.web.labels import State


class TermsRow(Struct, frozen=True):
    """Terms in words: what is charged, what is taken, and in which currencies."""

    terms: TermsRecord
    rate: str
    takes: str
    day: str
    currencies: str


class ModeChoice(Struct, frozen=True):
    """One mode of an account of the acquirer."""

    mode: str
    label: str
    is_on: bool


class ProviderRow(Struct, frozen=True):
    """An account. `used` is the used share of its day, as "12.5%"; empty without a limit."""

    provider: ProviderRecord
    now: TermsRow | None
    earlier: tuple[TermsRow, ...]
    used: str
    used_text: str
    state: State
    word: str
    why: str
    since: datetime | None
    usual: str
    slow: str
    modes: tuple[ModeChoice, ...]
    misbehaves: bool


class FaultSwitch(Struct, frozen=True):
    """One fault of webhooks."""

    name: str
    label: str
    is_on: bool


class ProvidersView(Struct, frozen=True):
    """All accounts, and the faults of webhooks."""

    rows: tuple[ProviderRow, ...]
    faults: tuple[FaultSwitch, ...]
