"""Moving money: what the forms of wallets ask for, and what the visitor is shown of it."""

import re
from collections.abc import Awaitable, Callable
from typing import get_args

from msgspec import Struct

from chassis.http.outbound import decode
from chassis.outcome import CallResult, Outcome
from frontend.wallets.panels import NO_KEY
from frontend.web.actions import Done, Form, NextForm, form_key, new_form_key, operator_only
from frontend.web.formatting import example_amount, minor_units, money
from frontend.web.sessions import Visitor
from frontend.web.toasts import ProblemBody, Toast, failure_toast, toast_of
from services.wallet.client import WalletClient
from services.wallet.contract import (
    API_KEY_NEEDED,
    GATEWAY_ERROR,
    GATEWAY_TIMEOUT,
    INSUFFICIENT_FUNDS,
    MAX_AMOUNT_MINOR,
    NAME,
    PROVIDER_NOT_FOUND,
    WALLET_NOT_FOUND,
    Currency,
    Deposit,
    PayProvider,
    TransferMoney,
)

CURRENCIES: tuple[Currency, ...] = get_args(Currency)
_LOCKED = "Moving money waits"
_NOT_MOVED = "Nothing was moved"
_REFERENCE = re.compile(r"[!-~]{1,255}")


class FormMistake(Exception):
    """A form does not say what it should; the text is for whoever filled it in."""


class Sum(Struct, frozen=True):
    """How much of which currency."""

    minor: int
    currency: Currency

    def __str__(self) -> str:
        return money(self.minor, self.currency)


class Move(Struct, frozen=True):
    """What a form says: whose wallet it is about, what is said once it is done, and how the wallet
    service is asked for it under a key."""

    user_id: str
    title: str
    detail: str
    ask: Callable[[str], Awaitable[CallResult]]


class WalletActions:
    """What a visitor does to wallets, under the key of the form: sending it twice does it once."""

    def __init__(self, client: WalletClient) -> None:
        self._client = client

    async def deposit(self, form: Form, visitor: Visitor) -> Done:
        """Put money in; the first deposit opens the wallet."""

        def read() -> Move:
            user, amount = _name(form, "user_id", "a user"), _sum(form)
            command = Deposit(amount.minor, amount.currency)
            title = f"{amount} put into the wallet of {user}"
            soon = "It can be spent once it is sealed, within a second."
            return Move(user, title, soon, lambda key: self._client.deposit(user, command, key))

        return await _moved("deposit", form, visitor, read)

    async def transfer(self, form: Form, visitor: Visitor) -> Done:
        """Move money to another user's wallet."""

        def read() -> Move:
            user, payee = _name(form, "user_id", "a user"), _name(form, "to_user_id", "a user")
            if user == payee:
                raise FormMistake("A wallet cannot pay itself: name another user.")
            amount = _sum(form)
            command = TransferMoney(user, payee, amount.minor, amount.currency)
            title = f"{amount} moved to {payee}"
            return Move(user, title, "", lambda key: self._client.transfer(command, key))

        return await _moved("transfer", form, visitor, read)

    async def pay(self, form: Form, visitor: Visitor) -> Done:
        """Pay a provider; without a reference of the visitor's own, the form's key makes one."""

        def read() -> Move:
            user, provider = _name(form, "user_id", "a user"), _name(form, "provider", "a provider")
            reference = form.get("reference", "").strip() or f"web-{form_key(form)[:12]}"
            if not _REFERENCE.fullmatch(reference):
                raise FormMistake(
                    "A reference has no spaces: letters, digits and signs, at most 255."
                )
            amount = _sum(form)
            command = PayProvider(provider, reference, amount.minor, amount.currency)
            title = f"{amount} paid to {provider}"
            return Move(user, title, reference, lambda key: self._client.pay(user, command, key))

        return await _moved("pay", form, visitor, read)


async def _moved(name: str, form: Form, visitor: Visitor, read: Callable[[], Move]) -> Done:
    """Do what `read` finds in the form."""
    operator_only(visitor, _LOCKED)
    key = form_key(form)
    try:
        move = read()
    except FormMistake as mistake:
        toast = Toast("refused", _NOT_MOVED, str(mistake), status=400)
        return Done(toast, form=NextForm(name, mistake=str(mistake)))
    result = await move.ask(key)
    url = f"/wallets/{move.user_id}"
    if result.outcome is Outcome.OK:
        toast = toast_of(result, "good", move.title, move.detail)
        return Done(toast, url, NextForm(name, new_form_key(), "", is_done=True))
    toast = _refused(result, form)
    # While it is not known what became of it the key stays: trying again cannot do it twice.
    is_open = result.outcome in (Outcome.UNKNOWN, Outcome.IN_PROGRESS)
    is_final = not is_open or result.code == GATEWAY_ERROR
    return Done(toast, url, NextForm(name, new_form_key() if is_final else "", toast.detail))


def _refused(result: CallResult, form: Form) -> Toast:
    """Why it was not done, in words."""
    problem = decode(result, ProblemBody)
    details = problem.details if problem and isinstance(problem.details, dict) else {}
    currency = form.get("currency", "")
    if result.code == INSUFFICIENT_FUNDS:
        left = money(int(details.get("available_minor", 0)), currency)
        why = f"The wallet has {left} available, less than this. Nothing was taken."
        return toast_of(result, "refused", "Not enough money", why)
    if result.code == WALLET_NOT_FOUND:
        why = f"{details.get('user_id')} has no wallet in {currency}: the first deposit opens it."
        return toast_of(result, "refused", _NOT_MOVED, why)
    if result.code == PROVIDER_NOT_FOUND:
        why = f"There is no provider {form.get('provider')}. Nothing was taken."
        return toast_of(result, "refused", _NOT_MOVED, why)
    if result.code == GATEWAY_TIMEOUT:
        why = "The gateway has not answered. The money stays held until it is known how it ends."
        return toast_of(result, "degraded", "Not known yet", why)
    if result.code == API_KEY_NEEDED:
        return toast_of(result, "failed", _NOT_MOVED, NO_KEY)
    if result.code == GATEWAY_ERROR and problem:
        return toast_of(result, "failed", _NOT_MOVED, problem.detail + ".")
    return failure_toast(result, _NOT_MOVED)


def _name(form: Form, field: str, what: str) -> str:
    name = form.get(field, "").strip()
    if not re.fullmatch(NAME, name):
        raise FormMistake(
            f"Name {what}: letters, digits, dots, dashes and underscores, at most 64 of them."
        )
    return name


def _sum(form: Form) -> Sum:
    currency = next((each for each in CURRENCIES if each == form.get("currency")), None)
    if currency is None:
        raise FormMistake("Choose one of the currencies.")
    minor = minor_units(form.get("amount", ""), currency)
    if minor is None:
        raise FormMistake(
            f"This is no amount in {currency}: write one as {example_amount(currency)}."
        )
    if not 1 <= minor <= MAX_AMOUNT_MINOR:
        least, most = money(1, currency), money(MAX_AMOUNT_MINOR, currency)
        raise FormMistake(f"An amount is from {least} to {most}.")
    return Sum(minor, currency)
