"""An account behind Stripe's API, asked through the official library.

An attempt is one payment intent. It is created unconfirmed, and its id is kept with the attempt:
the first id kept is the only one ever used. Only then is it confirmed, by id. So a create may be
repeated, under its key, and under another where its key stands for an error: an intent that is
never confirmed takes no money. What became of it is found out by its id, and it is fenced by
cancelling it by its id.

A confirm carries no key of ours: under one, a stored 500 would be replayed for ever. A declined
intent could be confirmed once more by a request that is late, so a decline counts once the intent
is cancelled."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any
from uuid import uuid4

import aiohttp
import stripe
from stripe import _http_client

from chassis.contracts.checks import hand_over, takes_turn
from chassis.telemetry.context import span_now
from gateways import (
    AttemptRef,
    Authorised,
    Capabilities,
    Capture,
    Captured,
    CapturePlace,
    CardRefused,
    Declined,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    PlainCard,
    Refunded,
    Taken,
    Voided,
)
from gateways.stripe_contract import answer_contract
from gateways.stripe_errors import asked, brief, failed
from gateways.stripe_webhooks import StripeWebhooks

# Stripe forgets a key after 24 hours, and the same key would be a new request then.
_KEY_LIFE_S = 23 * 3600.0
# Each further key of a create may leave an intent that nobody confirms, so there is a further one
# only once the attempt is twice as old, from a second on, as the first look at a charge in doubt:
# sixteen in six hours of an account that answers 500, and then one every six hours, long before
# the key before it is forgotten.
FURTHER_KEY_S, _LONGEST_KEY_S = 1.0, 6 * 3600.0
# Refused before the card was asked: the account takes no such amount, or none today; another may.
_REFUSED_HERE = frozenset({"charge_exceeds_source_limit", "amount_too_large", "amount_too_small"})
# What a call may take at all; whoever asks has less time and says so.
_TIMEOUT_S = 30.0
# Some 400 000 lines: more than an account takes on any day here.
_LARGEST_FILE = 64 << 20


class _Traced(_http_client.AIOHTTPClient):
    """Hands the trace on, as every call from process to process does here, and lets what is
    answered be checked against its contract."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        answer = await super().request_async(method, url, headers, post_data=post_data)
        if takes_turn() and (shape := answer_contract(url, answer[1])):
            hand_over(shape, "received", answer[0])
        return answer

    async def request_stream_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[Any, int, Mapping[str, str]]:
        if span := span_now.get():
            headers = {**headers, **span.headers}
        return await super().request_stream_async(method, url, headers, post_data=post_data)


class StripeAccount:
    """One account; `url` is where its API is."""

    can = Capabilities(fences=True, looks_up_by_key=False, two_phase=True, prepares=True)

    def __init__(self, account: str, api_key: str, url: str) -> None:
        self.name = account
        self._http = _Traced(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            max_network_retries=0,
            base_addresses={"api": url},
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._methods = client.v1.payment_methods
        self.webhooks = StripeWebhooks(client)
        self._settlement_url = f"{url.rstrip('/')}/settlement"
        self._api_key = api_key

    async def exchange(self, account: str, card: PlainCard) -> str:
        """A payment method of this account for the card."""
        del account
        details: Any = {
            "number": card.number,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "cvc": card.cvc,
        }
        try:
            method = await asked(
                lambda: self._methods.create_async({"type": "card", "card": details}),
                lets=stripe.CardError,
            )
        except stripe.CardError as error:
            raise CardRefused(str(error.code or "card_declined")) from error
        return str(method.id)

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """Create the intent, unconfirmed; its id."""
        number = key_number(target.age_s)
        try:
            return await self._created(target, capture, create_key(target, number))
        except stripe.APIError as error:
            if (error.headers or {}).get("Idempotent-Replayed") != "true":
                raise GatewayUnknown(brief(error)) from error
        # The key stands for an error for ever.
        key = create_key(target, number + 1)
        return await asked(lambda: self._created(target, capture, key))

    async def _created(self, target: AttemptRef, capture: bool, key: str) -> str:
        intent = await asked(
            lambda: self._intents.create_async(
                {
                    "amount": target.amount_minor,
                    "currency": target.currency.lower(),
                    "payment_method": target.method or "pm_card_visa",
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    "capture_method": "automatic" if capture else "manual",
                    "metadata": {"attempt": target.gw_key, "payment": target.payment_ref},
                },
                {"idempotency_key": key},
            ),
            lets=stripe.APIError,
        )
        return str(intent.id)

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Taken:
        """Confirm the intent, which says itself whether it is captured with that."""
        del capture
        ref, refused = _ref(target), ""
        # A customer whom the card's bank wants to see is not there: that is a decline.
        alone: Any = {"error_on_requires_action": True}
        try:
            await asked(lambda: self._intents.confirm_async(ref, alone), lets=stripe.StripeError)
        except stripe.CardError:
            pass  # declined: it says what it is
        except stripe.InvalidRequestError as error:
            refused = str(error.code or "")  # or it is past that, and says what it is
        except stripe.StripeError as error:
            failed(error)
        try:
            found = await self._found(target)
            if not isinstance(found, NotFound):
                return found
            # A decline counts once nobody can confirm it again.
            ended = await self.void(target)
            if isinstance(ended, Voided) and refused in _REFUSED_HERE:
                return Declined(refused)
            return ended
        except GatewayNotSent as error:
            # This question was not sent; the one for the money was.
            raise GatewayUnknown(str(error)) from error

    async def capture(self, target: AttemptRef) -> Taken | NotFound:
        """Take what is held."""
        return await self._moved(target, self._intents.capture_async)

    async def find_out(self, target: AttemptRef) -> Taken | NotFound:
        """What has become of the intent; without one, nobody has asked for the money yet."""
        return await self._found(target) if target.provider_ref else NotFound()

    async def void(self, target: AttemptRef) -> Taken:
        """Cancel the intent: no request that comes later can confirm it."""
        found = await self._moved(target, self._intents.cancel_async)
        if isinstance(found, NotFound):
            raise GatewayUnknown("the intent is neither cancelled nor paid")
        return found

    async def refund(self, target: AttemptRef) -> Taken | NotFound:
        """Give the whole amount back; it cannot be given back twice."""
        ref, key = _ref(target), f"{target.gw_key}:refund"
        if target.age_s >= _KEY_LIFE_S:
            key = f"{key}:{uuid4()}"
        # Refused where it was given back before; the charge then says so.
        with contextlib.suppress(stripe.InvalidRequestError):
            await asked(
                lambda: self._refunds.create_async(
                    {"payment_intent": ref}, {"idempotency_key": key}
                ),
                lets=stripe.InvalidRequestError,
            )
        return await self._found(target)

    async def captures(self, after: CapturePlace | None, limit: int) -> list[Capture]:
        """Nothing: a cancelled intent is never captured, and what the account holds is matched with
        its settlement file."""
        del after, limit
        return []

    async def settlement_file(self, day: date) -> bytes | None:
        """The account's file of that day; None at Stripe itself, which has none at this address."""
        headers = {"Authorization": f"Bearer {self._api_key}"}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.get(
                    self._settlement_url, params={"date": day.isoformat()}, allow_redirects=False
                ) as answer,
            ):
                if answer.status == 404:
                    return None
                if answer.status != 200:
                    raise GatewayUnknown(f"the settlement file was answered {answer.status}")
                return await _whole(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayUnknown(f"{type(error).__name__}: the settlement file") from error

    async def close(self) -> None:
        """Close its connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def _moved(
        self, target: AttemptRef, move: Callable[[str], Awaitable[Any]]
    ) -> Taken | NotFound:
        ref = _ref(target)
        # Refused where it is in another state; it then says in which.
        with contextlib.suppress(stripe.InvalidRequestError):
            await asked(lambda: move(ref), lets=stripe.InvalidRequestError)
        return await self._found(target)

    async def _found(self, target: AttemptRef) -> Taken | NotFound:
        ref = _ref(target)
        intent = await asked(
            lambda: self._intents.retrieve_async(ref, {"expand": ["latest_charge"]})
        )
        try:
            return _outcome(intent, target)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise GatewayUnknown(f"an answer that breaks the contract: {error!r}"[:200]) from error


def key_number(age_s: float) -> int:
    """Which key a create has when its attempt is so old, from 0 on."""
    early = min(age_s, _LONGEST_KEY_S) / FURTHER_KEY_S
    return int(early).bit_length() + int(age_s / _LONGEST_KEY_S)


def create_key(target: AttemptRef, number: int) -> str:
    """The attempt's own key, or a further one."""
    return f"{target.gw_key}:create:{number}" if number else target.gw_key


def _outcome(intent: Any, target: AttemptRef) -> Taken | NotFound:
    """What an intent's state says. Raises where it is not the intent that was asked about."""
    if intent.id != target.provider_ref or intent.metadata["attempt"] != target.gw_key:
        raise ValueError("another intent than was asked about")
    currency = str(intent.currency).upper()
    match intent.status:
        case "succeeded":
            charge, received = intent.latest_charge, int(intent.amount_received)
            if charge is not None and not isinstance(charge, str) and charge.refunded:
                return Refunded(received, currency)
            return Captured(received, currency)
        case "requires_capture":
            return Authorised(int(intent.amount_capturable), currency)
        case "canceled":
            error = intent.last_payment_error
            if error is not None:
                codes = (getattr(error, name, None) for name in ("decline_code", "code"))
                return Declined(str(next(filter(None, codes), "declined")))
            return Voided()
        case "requires_payment_method" | "requires_confirmation" | "requires_action":
            return NotFound()
        case "processing":
            raise GatewayUnknown("the account is still working on it")
    raise ValueError(f"the status {intent.status}")


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    async for piece in answer.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > _LARGEST_FILE:
            raise GatewayUnknown("the settlement file does not end")
        pieces.append(piece)
    return b"".join(pieces)


def _ref(target: AttemptRef) -> str:
    if target.provider_ref is None:
        raise GatewayUnknown("the attempt has no intent yet")
    return target.provider_ref
