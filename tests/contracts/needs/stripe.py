"""What an account behind Stripe's API has to give whoever pays through it, for one API key."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from gateways import AttemptRef, Authorised, Captured, Declined, Refunded, Voided
from gateways.stripe_api import StripeAccount
from services.payment.domain import gw_key
from tests.contracts.matching import match, of_state
from tests.contracts.need import FORM, JSON, At, Need, id_of

INTENTS = "/v1/payment_intents"
AMOUNT, CURRENCY = 1999, "EUR"
_ALONE = "error_on_requires_action=true"
_SEEN = "expand[0]=latest_charge"
Move = Callable[[StripeAccount, AttemptRef], Awaitable[object]]


class Account:
    """The needs of one account's owner; `name` keeps those of two owners apart."""

    def __init__(self, name: str, api_key: str) -> None:
        self.name, self._api_key = name, api_key
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def target(self, what: str) -> AttemptRef:
        """An attempt whose intent has come so far."""
        payment_id = id_of(f"{self.name}: {what}")
        return AttemptRef(
            gw_key(payment_id, 1, 1), str(payment_id), AMOUNT, CURRENCY, method="pm_card_visa",
            provider_ref=f"pi_{what}",
        )  # fmt: skip

    def need(
        self, description: str, state: str, what: str, ask: Move, known: object, *request: Any,
        **more: Any,
    ) -> Need:  # fmt: skip
        """Asked by the connector, about the attempt whose intent has come to `what`."""
        target = self.target(what)
        given = {"api_key": self._api_key, "attempt": target.gw_key} if state else {}

        async def asked(at: At) -> object:
            account = StripeAccount(self.name, self._api_key, at.url)
            try:
                return await ask(account, target)
            finally:
                await account.close()

        headers = {**self._headers, **more.pop("headers", {})}
        return Need(description, state, asked, known, *request, given=given, headers=headers,
                    **more)  # fmt: skip

    def _moved(self, description: str, state: str, what: str, ask: Move, known: object, verb: str,
               **more: Any) -> Need:  # fmt: skip
        path = of_state(f"{INTENTS}/${{intent}}/{verb}", f"{INTENTS}/pi_{what}/{verb}")
        status = more.pop("status", 200)
        answer = more.pop("answer", {"object": "payment_intent"})
        return self.need(description, state, what, ask, known, "POST", path, status, answer,
                         kind=FORM, **more)  # fmt: skip

    def _seen(self, description: str, state: str, what: str, known: object, **fields: Any) -> Need:
        path = of_state(f"{INTENTS}/${{intent}}", f"{INTENTS}/pi_{what}")
        answer = {
            "id": match.regex(f"pi_{what}", regex="pi_.+"), "object": "payment_intent",
            "metadata": {"attempt": self.target(what).gw_key}, "currency": CURRENCY.lower(),
            **fields,
        }  # fmt: skip
        return self.need(description, state, what, StripeAccount.find_out, known, "GET", path,
                         200, answer, query=_SEEN)  # fmt: skip

    def takes(self) -> Iterator[Need]:
        """Begin, confirm, cancel, and find out."""
        fresh = self.target("taken")
        yield self.need(
            "begin a payment", "", "taken", lambda account, to: account.prepare(to, capture=True),
            "pi_new", "POST", INTENTS, 200, {"id": match.regex("pi_new", regex="pi_.+")},
            urlencode({
                "amount": AMOUNT, "currency": CURRENCY.lower(), "payment_method": fresh.method,
                "automatic_payment_methods[enabled]": "true",
                "automatic_payment_methods[allow_redirects]": "never",
                "capture_method": "automatic", "metadata[attempt]": fresh.gw_key,
                "metadata[payment]": fresh.payment_ref,
            }), kind=FORM, headers={"Idempotency-Key": fresh.gw_key},
        )  # fmt: skip
        captured = Captured(AMOUNT, CURRENCY)
        yield self._moved("confirm a payment", "a payment has begun", "taken", _authorise, captured,
                          "confirm", body=_ALONE)  # fmt: skip
        yield self._seen(
            "look at a payment that was taken", "a payment was taken", "taken", captured,
            status="succeeded", amount_received=AMOUNT, latest_charge={"refunded": False},
        )  # fmt: skip
        yield self._moved("cancel a payment", "a payment has begun", "cancelled",
                          StripeAccount.void, Voided(), "cancel")  # fmt: skip
        yield self._seen(
            "look at a payment that was cancelled", "a payment was cancelled", "cancelled",
            Voided(), status="canceled", last_payment_error=None,
        )  # fmt: skip

    def holds(self) -> Iterator[Need]:
        """Hold, take what is held, give back; and a card that is declined."""
        held, refunded = Authorised(AMOUNT, CURRENCY), Refunded(AMOUNT, CURRENCY)
        yield self._seen(
            "look at a payment that is held", "a payment is held", "held", held,
            status="requires_capture", amount_capturable=AMOUNT,
        )  # fmt: skip
        yield self._moved("take what is held", "a payment is held", "taken", StripeAccount.capture,
                          Captured(AMOUNT, CURRENCY), "capture")  # fmt: skip
        yield self.need(
            "give a payment back", "a payment was taken", "refunded", StripeAccount.refund,
            refunded, "POST", "/v1/refunds", 200, {"object": "refund"},
            {"payment_intent": of_state("${intent}", "pi_refunded")}, kind=FORM,
        )  # fmt: skip
        yield self._seen(
            "look at a payment that was given back", "a payment was given back", "refunded",
            refunded, status="succeeded", amount_received=AMOUNT, latest_charge={"refunded": True},
        )  # fmt: skip
        declined = {"type": "card_error", "code": "card_declined",
                    "decline_code": "insufficient_funds"}  # fmt: skip
        yield self._moved(
            "confirm a payment that the card declines", "a payment has begun with a poor card",
            "declined", _authorise, Declined("insufficient_funds"), "confirm", status=402,
            answer={"error": declined}, body=_ALONE, text=JSON,
        )  # fmt: skip
        yield self._seen(
            "look at a payment that the card declined", "a declined payment was cancelled",
            "declined", Declined("insufficient_funds"), status="canceled",
            last_payment_error=declined,
        )  # fmt: skip


async def _authorise(account: StripeAccount, target: AttemptRef) -> object:
    return await account.authorise(target, capture=True)
