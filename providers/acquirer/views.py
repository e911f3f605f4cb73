"""Objects as Stripe's API shows them: plain values, ready to be JSON."""

from datetime import datetime
from typing import Any

from providers.acquirer.cards import MESSAGES, code_of
from providers.acquirer.domain import (
    AccountEvent,
    BalanceTransaction,
    CardCharge,
    PaymentIntent,
    PaymentMethod,
    Refund,
    WebhookEndpoint,
)

View = dict[str, Any]
Shown = (
    PaymentIntent
    | CardCharge
    | Refund
    | PaymentMethod
    | BalanceTransaction
    | AccountEvent
    | WebhookEndpoint
)


def _at(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def card_of(method: PaymentMethod) -> View:
    """What may be shown of a card; a charge keeps it as it was."""
    return {
        "brand": method.brand,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "fingerprint": method.fingerprint,
        "last4": method.last4,
    }


def _payment_method(method: PaymentMethod) -> View:
    return {
        "id": method.id,
        "object": "payment_method",
        "card": {**card_of(method), "checks": {"cvc_check": "unchecked"}, "funding": "credit"},
        "created": _at(method.created_at),
        "customer": None,
        "livemode": False,
        "metadata": method.metadata,
        "type": "card",
    }


def _intent(intent: PaymentIntent) -> View:
    needs_action = intent.status == "requires_action"
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount_minor,
        "amount_capturable": intent.capturable_minor,
        "amount_received": intent.received_minor,
        "canceled_at": _at(intent.canceled_at),
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": _at(intent.created_at),
        "currency": intent.currency,
        "customer": None,
        "description": intent.description,
        "last_payment_error": intent.last_error,
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": intent.metadata,
        "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}} if needs_action else None,
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "processing": None,
    } | {"status": intent.status}


def _charge(charge: CardCharge) -> View:
    failed = charge.status == "failed"
    decline = charge.decline_code or ""
    refunded = charge.amount_minor if charge.released else charge.refunded_minor
    whole_refund = charge.captured_minor > 0 and charge.refundable_minor == 0
    return {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount_minor,
        "amount_captured": charge.captured_minor,
        "amount_refunded": refunded,
        "balance_transaction": charge.balance_transaction,
        "captured": charge.captured_minor > 0,
        "created": _at(charge.created_at),
        "currency": charge.currency,
        "disputed": False,
        "failure_code": code_of(decline) if failed else None,
        "failure_message": MESSAGES.get(decline) if failed else None,
        "livemode": False,
        "metadata": {},
        "outcome": {
            "network_status": "declined_by_network" if failed else "approved_by_network",
            "reason": charge.decline_code,
            "type": "issuer_declined" if failed else "authorized",
        },
        "paid": not failed,
        "payment_intent": charge.intent,
        "payment_method": charge.payment_method,
        "payment_method_details": {"card": charge.card, "type": "card"},
        "refunded": charge.released or whole_refund,
        "status": charge.status,
    }


def _refund(refund: Refund) -> View:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount_minor,
        "balance_transaction": refund.balance_transaction,
        "charge": refund.charge,
        "created": _at(refund.created_at),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent,
        "reason": refund.reason,
        "status": "succeeded",
    }


def _balance_transaction(line: BalanceTransaction) -> View:
    fee = {
        "amount": line.fee_minor,
        "currency": line.currency,
        "description": "Processing fee",
        "type": "stripe_fee",
    }
    return {
        "id": line.id,
        "object": "balance_transaction",
        "amount": line.amount_minor,
        "available_on": _at(line.created_at),
        "created": _at(line.created_at),
        "currency": line.currency,
        "description": None,
        "exchange_rate": None,
        "fee": line.fee_minor,
        "fee_details": [fee] if line.fee_minor else [],
        "net": line.net_minor,
        "reporting_category": line.type,
        "source": line.source,
        "status": "available",
        "type": line.type,
    }


def _event(event: AccountEvent) -> View:
    return {
        "id": event.id,
        "object": "event",
        "api_version": event.api_version,
        "created": _at(event.created_at),
        "data": {"object": event.object},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


def _webhook_endpoint(endpoint: WebhookEndpoint) -> View:
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "created": _at(endpoint.created_at),
        "description": endpoint.description,
        "enabled_events": endpoint.enabled_events,
        "livemode": False,
        "metadata": endpoint.metadata,
        "status": "enabled",
        "url": endpoint.url,
    }


def view(shown: Shown) -> View:
    """The object as its account sees it; the secret of a webhook endpoint is not in it."""
    match shown:
        case PaymentIntent():
            return _intent(shown)
        case CardCharge():
            return _charge(shown)
        case Refund():
            return _refund(shown)
        case PaymentMethod():
            return _payment_method(shown)
        case BalanceTransaction():
            return _balance_transaction(shown)
        case AccountEvent():
            return _event(shown)
        case WebhookEndpoint():
            return _webhook_endpoint(shown)
