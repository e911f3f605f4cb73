"""What may be kept of a card, and what is wrong with one."""

import hmac
from datetime import datetime

import msgspec

from services.payment.process.messages import CardDetails

_SHORTEST, _LONGEST = 12, 19


class KeptCard(msgspec.Struct, frozen=True):
    """All that outlives a request of its card."""

    brand: str
    last4: str
    fingerprint: str


def problem_of(card: CardDetails, now: datetime) -> tuple[str, str] | None:
    """The field that is wrong and why, without the value; None for a card that can be charged."""
    number = card.number.replace(" ", "")
    if not _SHORTEST <= len(number) <= _LONGEST:
        return "number", f"a card number has {_SHORTEST} to {_LONGEST} digits"
    doubled = (divmod(2 * int(digit), 10) for digit in number[-2::-2])
    if (sum(int(digit) for digit in number[-1::-2]) + sum(a + b for a, b in doubled)) % 10:
        return "number", "the check digit does not fit the others"
    if (card.exp_year, card.exp_month) < (now.year, now.month):
        return "exp_month", "the card has expired"
    return None


def kept(card: CardDetails, key: bytes) -> KeptCard:
    """What may be kept. The fingerprint needs the key: a plain hash of a number can be reversed."""
    number = card.number.replace(" ", "")
    return KeptCard(
        brand_of(number), number[-4:], hmac.digest(key, number.encode(), "sha256").hex()[:32]
    )


def brand_of(number: str) -> str:
    """By the issuer's range."""
    if number[0] == "4":
        return "visa"
    if "51" <= number[:2] <= "55" or "2221" <= number[:4] <= "2720":
        return "mastercard"
    return "amex" if number[:2] in ("34", "37") else "unknown"
