"""How money that moved is posted: the lines of a capture and of a refund."""

from typing import Literal

import msgspec

from services.payment.domain import Attempt, AttemptState
from services.payment.ledger.accounts import Account

TransferKind = Literal["capture", "refund"]


class Line(msgspec.Struct, frozen=True):
    """One line of a transfer: minor units into an account, or out of it where they are negative."""

    leg_n: int
    kind: TransferKind
    line: int
    account: Account
    amount_minor: int
    currency: str


def posted(attempt: Attempt, state: AttemptState) -> tuple[Line, ...]:
    """What is posted when an attempt enters a state: nothing, unless money moves."""
    if state == "SUCCEEDED":
        return _transfer(attempt, "capture", attempt.amount_minor)
    if state == "REFUNDED":
        return _transfer(attempt, "refund", -attempt.amount_minor)
    return ()


def _transfer(attempt: Attempt, kind: TransferKind, minor: int) -> tuple[Line, ...]:
    """A capture moves the merchant's claim into clearing, a refund moves it back."""
    return (
        Line(attempt.leg_n, kind, 1, "gateway_clearing", minor, attempt.currency),
        Line(attempt.leg_n, kind, 2, "merchant", -minor, attempt.currency),
    )
