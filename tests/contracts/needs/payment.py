"""What the payment service needs: accounts that take money, tell of it and account for it; and
wallets that hold it."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from fleet.settings import load
from gateways import (
    AttemptRef,
    Authorised,
    Captured,
    Declined,
    NewEndpoint,
    NotFound,
    PlainCard,
    Refunded,
    Voided,
)
from gateways.stripe_api import StripeAccount
from services.payment.connectors.wallet import Wallets
from services.payment.domain import gw_key
from services.wallet.client import WalletClient
from tests.contracts.matching import match, of_state
from tests.contracts.need import FORM, At, Need, id_of
from tests.contracts.needs.stripe import Account

AMOUNT, CURRENCY, USER = 500, "EUR", "alice"
HOOK = "http://127.0.0.1:1/webhooks/bravo"
_CARD = PlainCard("4242424242424242", 12, 2034, "123")
_DAY = date(2026, 10, 1)
SETTLEMENT = (
    "balance_transaction,type,source,payment_intent,amount_minor,fee_minor,net_minor,currency,"
    "created_at"
)


def of_acquirer() -> Iterator[Need]:
    """An account with what a merchant's payment needs, its events and its settlement file."""
    keys = dict(each.split("=") for each in load("payment", {}).payment_stripe_accounts.split(","))
    account = Account("bravo", keys["bravo"])
    yield from account.takes()
    yield from account.holds()
    yield account.need(
        "exchange a card", "", "taken", lambda at, _: at.exchange("bravo", _CARD), "pm_new",
        "POST", "/v1/payment_methods", 200, {"id": match.regex("pm_new", regex="pm_.+")},
        urlencode({"type": "card", "card[number]": _CARD.number, "card[exp_month]": 12,
                   "card[exp_year]": 2034, "card[cvc]": _CARD.cvc}), kind=FORM,
    )  # fmt: skip
    yield from _webhooks(account)
    yield _settlement(account)


def _webhooks(account: Account) -> Iterator[Need]:
    endpoints = "/v1/webhook_endpoints"
    yield account.need(
        "list where events are sent", "events are sent somewhere", "taken",
        lambda at, _: at.webhooks.endpoints(HOOK), ["we_1"], "GET", endpoints, 200,
        {"data": match.each_like({"id": match.like("we_1"), "url": match.like(HOOK)})},
        query="limit=100",
    )  # fmt: skip
    types = ("payment_intent.amount_capturable_updated", "payment_intent.canceled",
             "payment_intent.succeeded", "charge.refunded")  # fmt: skip
    yield account.need(
        "have events sent somewhere", "", "taken",
        lambda at, _: at.webhooks.create_endpoint(HOOK), NewEndpoint("we_1", "whsec_1"), "POST",
        endpoints, 200, {"id": match.like("we_1"), "secret": match.like("whsec_1")},
        urlencode({"url": HOOK, **{f"enabled_events[{n}]": each for n, each in enumerate(types)}}),
        kind=FORM,
    )  # fmt: skip
    yield account.need(
        "have no more events sent there", "events are sent somewhere", "taken",
        lambda at, _: at.webhooks.delete_endpoint("we_1"), None, "DELETE",
        of_state(f"{endpoints}/${{endpoint}}", f"{endpoints}/we_1"), 200, {"deleted": True},
    )  # fmt: skip


def _settlement(account: Account) -> Need:
    async def ask(at: StripeAccount, _: AttemptRef) -> bool:
        return (await at.settlement_file(_DAY) or b"").decode().splitlines() == [SETTLEMENT]

    # Nothing was taken on that day.
    return account.need(
        "fetch the settlement file of a day", "", "taken", ask, True, "GET", "/settlement", 200,
        f"{SETTLEMENT}\r\n", query=f"date={_DAY}", text="text/csv",
    )  # fmt: skip


_MOVES: dict[str, Callable[[Wallets, AttemptRef], Awaitable[object]]] = {
    "PUT ": lambda wallets, target: wallets.authorise(target, capture=False),
    "GET ": Wallets.find_out,
    "POST /capture": Wallets.capture,
    "POST /void": Wallets.void,
    "POST /refund": Wallets.refund,
}


def _hold(
    what: str, when: str, move: str, known: object, *, amount: int = AMOUNT, status: int = 200,
    code: str = "", **fields: Any,
) -> Need:  # fmt: skip
    payment_id = id_of(what)
    target = AttemptRef(gw_key(payment_id, 1, 1), str(payment_id), amount, CURRENCY, method=USER)

    async def ask(at: At) -> object:
        return await _MOVES[move](
            Wallets(WalletClient(at.peer, at.settings.wallet_api_key)), target
        )

    hold: Any = {
        "hold_key": target.gw_key, "user_id": USER, "amount_minor": amount, "currency": CURRENCY,
        "reference": target.payment_ref, "reason": None,
        "transaction_id": match.uuid(str(payment_id)),
        **dict.fromkeys(("created_at", "updated_at"), match.like("2026-11-01T10:00:00Z")), **fields,
    }  # fmt: skip
    body = {"user_id": USER, "amount": amount, "currency": CURRENCY,
            "reference": target.payment_ref, "capture": False}  # fmt: skip
    method, _, step = move.partition(" ")
    return Need(
        what, when, ask, known, method, f"/holds/{target.gw_key}{step}", status,
        {"code": code, "details": hold} if code else hold, body if method == "PUT" else None,
        {"payment_id": str(payment_id)}, {"X-API-Key": load("payment", {}).wallet_api_key},
    )  # fmt: skip


def of_wallet() -> Iterator[Need]:
    """Money held for one attempt, taken, given back; and what became of it."""
    money = (AMOUNT, CURRENCY)
    held, taken = "money is held in the wallet", "held money was taken from the wallet"
    yield _hold(
        "hold money", "there is money in the wallet", "PUT ", Authorised(*money), state="HELD"
    )
    yield _hold("find out about held money", held, "GET ", Authorised(*money), state="HELD")
    yield _hold("take held money", held, "POST /capture", Captured(*money), state="POSTED")
    yield _hold("give held money back", held, "POST /void", Voided(), state="VOIDED")
    yield _hold("give taken money back", taken, "POST /refund", Refunded(*money), state="REFUNDED")
    yield _hold(
        "hold money that was given back", "a hold was given back", "PUT ", Voided(), status=409,
        code="hold-resolved", state="VOIDED", amount_minor=None, user_id=None, currency=None,
        reference=None, transaction_id=None,
    )  # fmt: skip
    yield _hold(
        "hold more money than there is", "there is money in the wallet", "PUT ",
        Declined("insufficient_funds"), amount=90_000_000, status=409, code="insufficient-funds",
        state="REFUSED", reason="insufficient-funds", transaction_id=None,
    )  # fmt: skip
    yield _unknown()


def _unknown() -> Need:
    need = _hold("find out about money that nobody asked for", "nothing is held", "GET ",
                 NotFound(), status=404)  # fmt: skip
    return need._replace(answer={"code": "hold-not-found"})
