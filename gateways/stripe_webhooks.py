"""The events of an account behind Stripe's API: their signatures, and where they are sent."""

import contextlib
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec
import stripe

from chassis.contracts.checks import hand_over
from chassis.http.json_body import parse_json
from chassis.http.problems import Problem
from gateways import NewEndpoint, ProviderEvent, Unverified
from gateways.stripe_contract import StripeEvent
from gateways.stripe_errors import asked

# As the library's own default: older ones may be replayed.
_TOLERANCE_S = 300
# What says that money was held, taken, given up or given back. What comes before that is asked for
# by our own questions.
_Type = Literal[
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.succeeded",
    "charge.refunded",
]
_TYPES: tuple[_Type, ...] = get_args(_Type)
# An account has at most sixteen.
_MOST_ENDPOINTS = 100


class StripeWebhooks:
    """The events of one account, through the library's client of it."""

    signature_header = "stripe-signature"
    types: frozenset[str] = frozenset(_TYPES)

    def __init__(self, client: stripe.StripeClient) -> None:
        self._endpoints = client.v1.webhook_endpoints
        self._intents = client.v1.payment_intents

    def read(self, payload: bytes, signature: str, secret: str) -> ProviderEvent:
        """The library checks the signature, over the bytes as they came."""
        if not _is_signed(payload, signature, secret, None):
            raise Unverified("bad_signature")
        if not _is_signed(payload, signature, secret, _TOLERANCE_S):
            raise Unverified("stale")
        # Every event, however many there are: what is signed is the account's own mistake.
        hand_over(StripeEvent, "received", payload)
        try:
            event = msgspec.convert(parse_json(payload), StripeEvent)
            happened_at = datetime.fromtimestamp(event.created, UTC)
        except (Problem, msgspec.ValidationError, ValueError, OverflowError, OSError):
            raise Unverified("malformed") from None
        about = event.data.object
        is_intent = about.get("object") == "payment_intent"
        metadata = about.get("metadata")
        key = metadata.get("attempt") if is_intent and isinstance(metadata, dict) else None
        return ProviderEvent(
            event_id=event.id,
            type=event.type,
            happened_at=happened_at,
            intent=_short(about.get("id" if is_intent else "payment_intent")),
            attempt_key=_short(key),
        )

    async def attempt_of(self, intent: str) -> str | None:
        """From the intent's own metadata."""
        try:
            found = await asked(
                lambda: self._intents.retrieve_async(intent), lets=stripe.InvalidRequestError
            )
        except stripe.InvalidRequestError:
            return None
        return _short(getattr(found.metadata, "attempt", None))

    async def endpoints(self, url: str) -> list[str]:
        """Those with this address, whoever made them."""
        page = await asked(lambda: self._endpoints.list_async({"limit": _MOST_ENDPOINTS}))
        return [each.id for each in page.data if each.url == url]

    async def create_endpoint(self, url: str) -> NewEndpoint:
        """For the types above."""
        made = await asked(
            lambda: self._endpoints.create_async({"url": url, "enabled_events": list(_TYPES)})
        )
        return NewEndpoint(made.id, str(made.secret))

    async def delete_endpoint(self, endpoint: str) -> None:
        """Refused where it is gone already."""
        with contextlib.suppress(stripe.InvalidRequestError):
            await asked(
                lambda: self._endpoints.delete_async(endpoint), lets=stripe.InvalidRequestError
            )


def _is_signed(payload: bytes, signature: str, secret: str, tolerance_s: int | None) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, signature, secret, tolerance_s)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        # Bytes that are no text, and a header beyond ASCII, are what nobody signed.
        return False
    return True


def _short(found: object) -> str | None:
    return found if isinstance(found, str) and 1 <= len(found) <= 255 else None
