"""What happens to a payment intent: created, confirmed, captured or canceled.

Whoever touches an intent holds its row until the transaction ends, so that two at once are one
after the other, and the second sees what the first did."""

from datetime import timedelta
from typing import Any

from providers.acquirer import cards, store
from providers.acquirer.cards import AUTHENTICATE
from providers.acquirer.domain import (
    CANCELABLE,
    CAPTURABLE,
    CONFIRMABLE,
    CardCharge,
    PaymentIntent,
    PaymentMethod,
)
from providers.acquirer.errors import Refused, no_such, unexpected_state
from providers.acquirer.execute import Work, new_id
from providers.acquirer.parameters import Parameters, invalid, money, too_large
from providers.acquirer.payment_methods import (
    Confirmation,
    declines_with,
    method_for,
    read_confirmation,
)
from providers.acquirer.views import card_of, view

_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")


async def create(work: Work) -> PaymentIntent:
    """POST /v1/payment_intents; with `confirm` it is paid at once."""
    given = work.given
    amount_minor, currency = money(given, work.account)
    methods = ("automatic", "automatic_async", "manual")
    captured = given.text("capture_method", choices=methods)
    _card_alone(given)
    description, metadata = given.text("description"), given.metadata()
    confirms, confirmation = given.flag("confirm"), read_confirmation(work)
    work.begin()
    method = await method_for(work, confirmation)
    intent_id = new_id("pi")
    intent = await store.add(
        work.tx,
        PaymentIntent,
        id=intent_id,
        account=work.account.name,
        amount_minor=amount_minor,
        currency=currency,
        capture_method="manual" if captured == "manual" else "automatic",
        status="requires_confirmation" if method else "requires_payment_method",
        payment_method=method.id if method else None,
        client_secret=f"{intent_id}_{new_id('secret')}",
        description=description or None,
        metadata=metadata,
    )
    work.happened("payment_intent.created", intent)
    return await _pay(work, intent, method, confirmation) if confirms else intent


def _card_alone(given: Parameters) -> None:
    """What other kinds of payment a request allows: there are cards, which are always allowed."""
    if any(kind != "card" for kind in given.texts("payment_method_types")):
        raise invalid("payment_method_types", "Invalid payment_method_types: must be card.")
    automatic = given.nested("automatic_payment_methods")
    automatic.flag("automatic_payment_methods[enabled]")
    redirects = "automatic_payment_methods[allow_redirects]"
    automatic.text(redirects, choices=("always", "never"))


async def confirm(work: Work, intent_id: str) -> PaymentIntent:
    """POST /v1/payment_intents/{id}/confirm."""
    confirmation = read_confirmation(work)
    work.begin()
    intent = await _locked(work, intent_id)
    if intent.status not in CONFIRMABLE:
        raise _cannot("confirm", intent, CONFIRMABLE)
    method = await method_for(work, confirmation)
    if method is None and intent.payment_method is not None:
        method = await store.find(work.tx, PaymentMethod, work.account, intent.payment_method)
    return await _pay(work, intent, method, confirmation)


async def capture(work: Work, intent_id: str) -> PaymentIntent:
    """POST /v1/payment_intents/{id}/capture: all of it, or a part; the rest is released."""
    asked = work.given.amount("amount_to_capture")
    work.begin()
    intent = await _locked(work, intent_id)
    if intent.status not in CAPTURABLE:
        raise _cannot("capture", intent, CAPTURABLE)
    amount_minor = intent.amount_minor if asked is None else asked
    if amount_minor > intent.amount_minor:
        raise too_large("amount_to_capture", "This is more than what was authorized.")
    charge = await _charge_of(work, intent)
    if work.context.now() - charge.created_at > _hold(work):
        await _release(work, intent, charge, "automatic")
        raise Refused(
            400, "The authorization has expired; nothing can be captured any more.",
            code="charge_expired_for_capture",
        )  # fmt: skip
    await store.give_back_capacity(work.tx, charge, charge.amount_minor - amount_minor)
    line = await work.record(intent, charge.id, amount_minor, work.account.fee_minor(amount_minor))
    charge = await store.change_charge(
        work.tx, charge, captured_minor=amount_minor, balance_transaction=line
    )
    work.happened("charge.captured", charge)
    return await work.move(intent, status="succeeded", received_minor=amount_minor)


async def cancel(work: Work, intent_id: str) -> PaymentIntent:
    """POST /v1/payment_intents/{id}/cancel; what was held is released."""
    reason = work.given.text("cancellation_reason", choices=_REASONS)
    work.begin()
    intent = await _locked(work, intent_id)
    if intent.status not in CANCELABLE:
        raise _cannot("cancel", intent, CANCELABLE)
    charge = await _charge_of(work, intent) if intent.status in CAPTURABLE else None
    return await _release(work, intent, charge, reason or None)


async def _release(
    work: Work, intent: PaymentIntent, charge: CardCharge | None, reason: str | None
) -> PaymentIntent:
    if charge is not None:
        await store.give_back_capacity(work.tx, charge, charge.amount_minor)
        charge = await store.change_charge(work.tx, charge, released=True)
        work.happened("charge.refunded", charge)
    now = work.context.now()
    return await work.move(intent, status="canceled", cancellation_reason=reason, canceled_at=now)


async def _pay(
    work: Work, intent: PaymentIntent, method: PaymentMethod | None, confirmation: Confirmation
) -> PaymentIntent:
    """Try to take the money, or to hold it. Raises `Refused` 402 when the card is declined: the
    failed charge stays."""
    if method is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            view(intent),
        )
    decline = declines_with(work, method)
    if decline == AUTHENTICATE:
        if not confirmation.is_alone:
            work.charged.append("requires_action")
            return await work.move(intent, status="requires_action", payment_method=method.id)
        decline = "authentication_required"
    if decline:
        raise await _declined(work, intent, method, decline)
    if not await store.reserve_capacity(work.tx, work.account, intent.amount_minor):
        raise Refused(
            400, "This charge would exceed the account's processing limit of the day.",
            code="charge_exceeds_source_limit",
        )  # fmt: skip
    work.charged.append("approved")
    charge_id, line = new_id("ch"), None
    captured_minor = intent.amount_minor if intent.capture_method == "automatic" else 0
    if captured_minor:
        fee_minor = work.account.fee_minor(captured_minor)
        line = await work.record(intent, charge_id, captured_minor, fee_minor)
    charge = await _add_charge(
        work,
        intent,
        method,
        id=charge_id,
        status="succeeded",
        captured_minor=captured_minor,
        balance_transaction=line,
    )
    work.happened("charge.succeeded", charge)
    return await work.move(
        intent,
        status="succeeded" if captured_minor else "requires_capture",
        received_minor=captured_minor,
        payment_method=method.id,
        latest_charge=charge.id,
        last_error=None,
    )


async def _declined(
    work: Work, intent: PaymentIntent, method: PaymentMethod, decline: str
) -> Refused:
    work.charged.append("declined")
    charge = await _add_charge(
        work, intent, method, id=new_id("ch"), status="failed", decline_code=decline
    )
    work.happened("charge.failed", charge)
    message = cards.MESSAGES[decline]
    more: dict[str, Any] = {
        "charge": charge.id,
        "decline_code": decline,
        "payment_method": view(method),
    }
    code = cards.code_of(decline)
    refused = Refused(402, message, type="card_error", code=code, more=more)
    intent = await work.move(
        intent,
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge.id,
        last_error=dict(refused.error),
    )
    refused.error["payment_intent"] = view(intent)
    return refused


async def _add_charge(
    work: Work, intent: PaymentIntent, method: PaymentMethod, **outcome: Any
) -> CardCharge:
    defaults = {"decline_code": None, "captured_minor": 0, "balance_transaction": None}
    return await store.add(
        work.tx,
        CardCharge,
        account=work.account.name,
        intent=intent.id,
        payment_method=method.id,
        amount_minor=intent.amount_minor,
        currency=intent.currency,
        card=card_of(method),
        **(defaults | outcome),
    )


async def _locked(work: Work, intent_id: str) -> PaymentIntent:
    intent = await store.lock_intent(work.tx, work.account, intent_id)
    if intent is None:
        raise no_such("payment_intent", intent_id, "intent")
    return intent


async def _charge_of(work: Work, intent: PaymentIntent) -> CardCharge:
    charge = await store.find(work.tx, CardCharge, work.account, intent.latest_charge or "")
    if charge is None:
        raise LookupError(f"{intent.id} is {intent.status} without a charge")
    return charge


def _cannot(verb: str, intent: PaymentIntent, allowed: frozenset[str]) -> Refused:
    return unexpected_state(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent.status}. Only a "
        f"PaymentIntent with one of these can: {', '.join(sorted(allowed))}.",
        view(intent),
    )


def _hold(work: Work) -> timedelta:
    return timedelta(seconds=work.context.settings.acquirer_hold_s)
