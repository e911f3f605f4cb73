"""Exchanges a card for a payment method: only its brand, last four and fingerprint are kept."""

from typing import Any

import msgspec

from providers.acquirer import cards, store
from providers.acquirer.cards import APPROVE
from providers.acquirer.domain import PaymentMethod
from providers.acquirer.errors import Refused, no_such
from providers.acquirer.execute import Work, new_id
from providers.acquirer.parameters import Parameters, invalid, missing

_NUMBER_PROBLEMS = {
    "not-a-number": ("invalid_number", "The card number is not a valid credit card number."),
    "wrong-length": ("incorrect_number", "Your card number is incorrect."),
    "luhn": ("incorrect_number", "Your card number is incorrect."),
}
# How long a test card, which is named and has no date, is good for.
_YEARS = 3


class Card(msgspec.Struct, frozen=True):
    """A card as it was given. Its number goes no further than this struct."""

    number: str
    exp_month: int
    exp_year: int

    def __repr__(self) -> str:
        return "Card(…)"


class Confirmation(msgspec.Struct, frozen=True):
    """With what an intent is to be paid. `is_alone`: no customer is there to authenticate."""

    payment_method: str
    card: Card | None
    is_alone: bool


async def create(work: Work) -> PaymentMethod:
    """POST /v1/payment_methods."""
    card = _read_card(work, work.given)
    metadata = work.given.metadata()
    work.begin()
    return await _add(work, card, metadata)


def read_confirmation(work: Work) -> Confirmation:
    """With what a request wants to pay."""
    given, data = work.given, "payment_method_data"
    given.text("return_url")
    alone = [given.flag("off_session"), given.flag("error_on_requires_action")]
    card = _read_card(work, given.nested(data), at=data) if given.has_inner(data) else None
    return Confirmation(given.text("payment_method"), card, any(alone))


def _read_card(work: Work, given: Parameters, *, at: str = "") -> Card:
    """The card's data among the parameters, at the top or below the name `at`. Raises `Refused`,
    402 for a card that cannot exist."""
    name = f"{at}[{{}}]".format if at else str
    kind = given.needed(name("type"))
    if kind != "card":
        raise invalid(name("type"), "Invalid type: must be card.")
    card = given.nested(name("card"))
    field = f"{name('card')}[{{}}]".format
    if card.text(field("token")):
        raise invalid(
            field("token"),
            f"{field('token')} is not supported here: send the card's number, or a test payment"
            " method such as pm_card_visa.",
        )
    number = card.text(field("number")).replace(" ", "")
    month, year = card.integer(field("exp_month")), card.integer(field("exp_year"))
    cvc = card.text(field("cvc"))
    for part, value in (("number", number), ("exp_month", month), ("exp_year", year)):
        if value in ("", None):
            raise missing(field(part))
    return _checked(work, number, month or 0, year or 0, cvc, field)


def _checked(work: Work, number: str, month: int, year: int, cvc: str, field: Any) -> Card:
    if problem := cards.problem_of(number):
        code, message = _NUMBER_PROBLEMS[problem]
        raise _wrong(code, message, field("number"))
    if not 1 <= month <= 12:
        message = "Your card's expiration month is invalid."
        raise _wrong("invalid_expiry_month", message, field("exp_month"))
    year += 2000 if 0 <= year < 100 else 0
    now = work.context.now()
    if not now.year <= year <= now.year + 50:
        message = "Your card's expiration year is invalid."
        raise _wrong("invalid_expiry_year", message, field("exp_year"))
    if (year, month) < (now.year, now.month):
        message = "Your card's expiration month is invalid."
        raise _wrong("invalid_expiry_month", message, field("exp_month"))
    if cvc and not (cvc.isascii() and cvc.isdigit() and len(cvc) in (3, 4)):
        raise _wrong("invalid_cvc", "Your card's security code is invalid.", field("cvc"))
    return Card(number, month, year)


async def method_for(work: Work, confirmation: Confirmation) -> PaymentMethod | None:
    """The payment method that a request names, or one made for it: of a card's data, or of the name
    of a test card. None where it names none; raises `Refused`."""
    given = confirmation.payment_method
    if confirmation.card is not None:
        return await _add(work, confirmation.card, {})
    if (test_card := cards.TEST_CARDS.get(given)) is not None:
        card = Card(test_card.number, 12, work.context.now().year + _YEARS)
        return await _add(work, card, {})
    if not given:
        return None
    found = await store.find(work.tx, PaymentMethod, work.account, given)
    if found is None:
        raise no_such("PaymentMethod", given, "payment_method", status=400)
    return found


def declines_with(work: Work, method: PaymentMethod) -> str:
    """Why the card is declined if it pays now: a decline code, "authenticate", or "" for approved.
    The account's mode and its decline rate come first."""
    now = work.context.now()
    if work.call.mode == "declined":
        return cards.GENERIC
    if (method.exp_year, method.exp_month) < (now.year, now.month):
        return "expired_card"
    if method.behaviour != APPROVE:
        return method.behaviour
    by_chance = work.context.chance.random() < work.account.decline_rate
    return cards.GENERIC if by_chance else ""


async def _add(work: Work, card: Card, metadata: dict[str, str]) -> PaymentMethod:
    return await store.add(
        work.tx,
        PaymentMethod,
        id=new_id("pm"),
        account=work.account.name,
        brand=cards.brand_of(card.number),
        last4=card.number[-4:],
        exp_month=card.exp_month,
        exp_year=card.exp_year,
        fingerprint=cards.fingerprint_of(card.number, work.fingerprint_key),
        behaviour=cards.behaviour_of(card.number),
        metadata=metadata,
    )


def _wrong(code: str, message: str, param: str) -> Refused:
    return Refused(402, message, type="card_error", code=code, param=param)
