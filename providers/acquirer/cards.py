"""Card numbers and test cards: which are well formed, whose brand they are, what they do.

The numbers and names are those of Stripe's documentation for testing."""

import hmac
from typing import Literal

import msgspec

APPROVE, AUTHENTICATE = "approve", "authenticate"
GENERIC = "generic_decline"
Problem = Literal["not-a-number", "wrong-length", "luhn"]


class TestCard(msgspec.Struct, frozen=True):
    """A card that may be used by its name instead of its number."""

    number: str
    behaviour: str


# By the name that stands for the card; the number alone does the same.
TEST_CARDS: dict[str, TestCard] = {
    "pm_card_visa": TestCard("4242424242424242", APPROVE),
    "pm_card_mastercard": TestCard("5555555555554444", APPROVE),
    "pm_card_amex": TestCard("378282246310005", APPROVE),
    "pm_card_chargeDeclined": TestCard("4000000000000002", GENERIC),
    "pm_card_chargeDeclinedInsufficientFunds": TestCard("4000000000009995", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": TestCard("4000000000009987", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": TestCard("4000000000009979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": TestCard("4000000000000069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": TestCard("4000000000000127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": TestCard("4000000000000119", "processing_error"),
    "pm_card_authenticationRequired": TestCard("4000002500003155", AUTHENTICATE),
}
_BEHAVIOURS = {card.number: card.behaviour for card in TEST_CARDS.values()}
# Issuer ranges as far as the brands that are tested with; anything else is "unknown".
_BRANDS = (("4", "visa"), ("34", "amex"), ("37", "amex"), ("6011", "discover"), ("65", "discover"))
_SHORTEST, _LONGEST = 12, 19

MESSAGES: dict[str, str] = {
    GENERIC: "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "This payment requires authentication; the customer is not there.",
}
# Declines that Stripe gives a code of their own; the code of any other is `card_declined`.
_OWN_CODES = frozenset({"expired_card", "incorrect_cvc", "processing_error"})


def problem_of(number: str) -> Problem | None:
    """What is wrong with a card number, or None. Its last digit checks the others (Luhn)."""
    if not (number.isascii() and number.isdigit()):
        return "not-a-number"
    if not _SHORTEST <= len(number) <= _LONGEST:
        return "wrong-length"
    doubled = (divmod(2 * int(digit), 10) for digit in number[-2::-2])
    total = sum(int(digit) for digit in number[-1::-2]) + sum(a + b for a, b in doubled)
    return "luhn" if total % 10 else None


def brand_of(number: str) -> str:
    """The card's brand by its first digits."""
    if "51" <= number[:2] <= "55" or "2221" <= number[:4] <= "2720":
        return "mastercard"
    return next((brand for start, brand in _BRANDS if number.startswith(start)), "unknown")


def behaviour_of(number: str) -> str:
    """What the card does when it pays: a number that is not in the list is approved."""
    return _BEHAVIOURS.get(number, APPROVE)


def fingerprint_of(number: str, key: bytes) -> str:
    """The same for the same number, and nothing that leads back to it without the key."""
    return hmac.digest(key, number.encode(), "sha256").hex()[:16]


def code_of(decline_code: str) -> str:
    """The error code that goes with a decline code."""
    if decline_code == "authentication_required":
        return decline_code
    return decline_code if decline_code in _OWN_CODES else "card_declined"
