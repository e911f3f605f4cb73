"""Gives money back: a captured charge, whole or in parts, never more than was captured."""

from providers.acquirer import store
from providers.acquirer.domain import CardCharge, PaymentIntent, Refund
from providers.acquirer.errors import Refused, no_such
from providers.acquirer.execute import Work, new_id
from providers.acquirer.parameters import missing, too_large

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


async def create(work: Work) -> Refund:
    """POST /v1/refunds, of a charge or of an intent's charge; the fee is not given back."""
    given = work.given
    charge_id, intent_id = given.text("charge"), given.text("payment_intent")
    asked, metadata = given.amount("amount"), given.metadata()
    reason = given.text("reason", choices=_REASONS)
    if not charge_id and not intent_id:
        raise missing("payment_intent")
    work.begin()
    intent, charge = await _charge_to_refund(work, charge_id, intent_id)
    if charge.captured_minor == 0:
        raise Refused(
            400, f"Charge {charge.id} has not been captured: there is nothing to refund.",
            code="charge_not_refundable", param="charge",
        )  # fmt: skip
    if charge.refundable_minor == 0:
        message = f"Charge {charge.id} has already been refunded."
        raise Refused(400, message, code="charge_already_refunded", param="charge")
    amount_minor = charge.refundable_minor if asked is None else asked
    if amount_minor > charge.refundable_minor:
        left = charge.refundable_minor
        raise too_large("amount", f"Refund amount is greater than what is left: {left}.")
    refund_id = new_id("re")
    line = await work.record(intent, refund_id, -amount_minor)
    refund = await store.add(
        work.tx,
        Refund,
        id=refund_id,
        account=work.account.name,
        charge=charge.id,
        intent=intent.id,
        amount_minor=amount_minor,
        currency=charge.currency,
        reason=reason or None,
        metadata=metadata,
        balance_transaction=line,
    )
    refunded_minor = charge.refunded_minor + amount_minor
    charge = await store.change_charge(work.tx, charge, refunded_minor=refunded_minor)
    work.happened("refund.created", refund)
    work.happened("charge.refunded", charge)
    return refund


async def _charge_to_refund(
    work: Work, charge_id: str, intent_id: str
) -> tuple[PaymentIntent, CardCharge]:
    """The charge and its intent, whose row is held: refunds of a charge are one after the other."""
    if charge_id:
        named = await store.find(work.tx, CardCharge, work.account, charge_id)
        if named is None or intent_id not in ("", named.intent):
            raise no_such("charge", charge_id, "charge", status=400)
        intent_id = named.intent
    intent = await store.lock_intent(work.tx, work.account, intent_id)
    if intent is None:
        raise no_such("payment_intent", intent_id, "payment_intent", status=400)
    wanted = charge_id or intent.latest_charge or ""
    charge = await store.find(work.tx, CardCharge, work.account, wanted)
    if charge is None:
        raise Refused(
            400, f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
            code="charge_not_refundable", param="payment_intent",
        )  # fmt: skip
    return intent, charge
