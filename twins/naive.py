"""The obvious flow: ask for the money, ask again, and without an answer take the goods back."""

from uuid import UUID, uuid4

import msgspec

from gateways import AttemptRef
from services.order.checkout import Checkout, Conclusion
from services.order.domain import Order
from services.payment import asking, charging, settlement
from services.payment.charging import Charged
from services.payment.client import PaymentDeclined, Succeeded
from services.payment.context import PaymentContext
from services.payment.domain import Attempt, Charge, KeyReused
from twins.twin import Fault, Replacement, Twin

# Asked once more, as a client library with its retries on does.
_TRIES = 2
_target_of = asking.target_of


async def charge_or_give_up(self: Checkout, order: Order, deadline_s: float) -> Conclusion:
    """Ask for the money, and once more; no answer counts as a no."""
    for _ in range(_TRIES):
        result = await self.payments.charge(
            order.payment_id, order.id, order.amount_minor, order.currency, deadline_s=deadline_s
        )
        if isinstance(result, Succeeded):
            return Conclusion("CONFIRMED")
        if isinstance(result, PaymentDeclined):
            return Conclusion("CANCELLING", "PAYMENT_DECLINED", result.code)
    return Conclusion("CANCELLING", "PAYMENT_TIMEOUT", "no answer")


async def release_and_forget(self: Checkout, order: Order, deadline_s: float) -> Conclusion:
    """Free the goods whatever became of the money, and whether or not that was heard."""
    await self.inventory.release(order.id, deadline_s=deadline_s)
    return Conclusion("FAILED")


async def charge_each_time(context: PaymentContext, command: Charge) -> Charged:
    """Every request takes the money, also the one that was answered before."""
    payment = await charging._open(context, command)
    payment = payment or await charging._in_the_way(context, command)
    if payment is None:
        raise KeyReused
    attempt = payment.attempt
    result = await asking.ask_gateway(
        context, payment, attempt, "charge", context.gateway_timeout_s
    )
    payment = await settlement.settle(
        context.database,
        context.metrics,
        payment.id_of(attempt),
        result,
        grace_s=context.grace_s,
    )
    return Charged(payment, replayed=False)


def target_under_a_key_of_its_own(payment_id: UUID, attempt: Attempt) -> AttemptRef:
    """As it was, under a key that no request has used before."""
    target = _target_of(payment_id, attempt)
    return msgspec.structs.replace(target, gw_key=f"{target.gw_key}:{uuid4()}")


TWIN = Twin(
    name="naive",
    wrong="No answer from payments is a no: the goods are freed, and each try is a new charge.",
    shows="An order that FAILED and was charged, twice; units that nobody can buy any more.",
    replaced=(
        Replacement("services.order.checkout", "Checkout._charge", charge_or_give_up),
        Replacement("services.order.checkout", "Checkout._undo", release_and_forget),
        Replacement("services.payment.charging", "charge", charge_each_time),
        Replacement("services.payment.asking", "target_of", target_under_a_key_of_its_own),
    ),
    door="order",
    faults=(
        Fault("payment", "lost_response", ("POST /payments",)),
        # One in two: what is freed in time is not leaked, so both can be seen.
        Fault("inventory", "refuse", ("POST /inventory/release",), probability=0.5),
    ),
    settings={"VALERIX_PAYMENT_STRIPE_ACCOUNTS": ""},
)
