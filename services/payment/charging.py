"""How money is taken: commit the intent, ask the gateway in no transaction, settle its answer."""

from uuid import UUID

import msgspec

from chassis.database.pool import demand_caller
from chassis.ids import new_id
from chassis.telemetry.context import current_traceparent
from services.payment import domain, intents, operations, store
from services.payment.context import PaymentContext
from services.payment.domain import Charge, Payment
from services.payment.intents import Decision


class Charged(msgspec.Struct, frozen=True):
    """The payment after a charge; `replayed` when it is the stored answer to this very key."""

    payment: Payment
    replayed: bool


async def charge(context: PaymentContext, command: Charge) -> Charged:
    """Take the money once per order. Raises `KeyReused`, `AnotherPayment`, `Fenced` or
    `AmountDiffers`.

    Never decides from a missing answer: the payment stays PROCESSING, and the reconciler (or the
    same request again) asks the gateway with the same key."""
    demand_caller()
    payment = await _open(context, command)
    if payment is None:
        payment = await _in_the_way(context, command)
        if payment is None:
            raise domain.KeyReused  # payment and order are new, so the key is another order's
        domain.admit(payment, command)
    if payment.state != "PROCESSING":
        return Charged(payment, replayed=payment.idempotency_key == command.idempotency_key)
    payment = await operations.as_far_as_it_goes(context, payment, most=1)
    # A cancel may have overtaken the gateway's answer, and cancel wins.
    domain.admit(payment, command)
    return Charged(payment, replayed=False)


async def _open(context: PaymentContext, command: Charge) -> Payment | None:
    provider, why = context.connector.name, "It is the one connector that is configured."
    inputs: dict[str, object] = {"configured": [provider]}
    if command.wallet_id is not None:
        provider, why = domain.WALLET, "The customer pays from a wallet."
        inputs = {"wallet_id": command.wallet_id}
    async with context.database.connect() as connection:
        payment = await intents.open_payment(
            connection,
            command,
            payment_id=command.payment_id or new_id(),
            provider=provider,
            decision=Decision("route", why, inputs),
            traceparent=current_traceparent(),
            grace_s=context.grace_s,
        )
    if payment is not None:
        context.metrics.moved("PROCESSING")
    return payment


async def _in_the_way(context: PaymentContext, command: Charge) -> Payment | None:
    """The payment of this order, or the one that has this id."""
    async with context.database.connect() as connection:
        payment = await store.find_of_order(connection, command.order_id)
        if payment is None and command.payment_id is not None:
            payment = await store.find(connection, command.payment_id)
    return payment


async def look(context: PaymentContext, payment_id: UUID) -> Payment | None:
    """The payment as it stands."""
    async with context.database.connect() as connection:
        return await store.find(connection, payment_id)


async def look_for_order(context: PaymentContext, order_id: UUID) -> Payment | None:
    """The order's payment as it stands."""
    async with context.database.connect() as connection:
        return await store.find_of_order(connection, order_id)
