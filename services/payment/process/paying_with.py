"""What the customer pays with: the card as it may be kept, and its stand-in at each account."""

import asyncio
import logging
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET

from chassis.database.pool import Connection
from gateways import CardRefused, GatewayNotSent, GatewayUnknown, PlainCard
from services.payment import store
from services.payment.breakers.breakers import Admitted
from services.payment.context import PaymentContext
from services.payment.domain import WALLET
from services.payment.process import cards
from services.payment.process.contexts import BadField, DomainContext, NoAccountNow, StepContext
from services.payment.process.messages import ExternalRequest

logger = logging.getLogger(__name__)

# To exchange a card is one request that takes no money; it shares the merchant's time.
_EXCHANGE_SHARE = 0.25


async def kept_card(connection: Connection, request: ExternalRequest) -> cards.KeptCard | None:
    """What may be kept of the card, if there is one and it can be charged at all."""
    details = request.payment_method
    if details is UNSET:
        return None
    if details.card is UNSET and details.wallet is UNSET:
        raise BadField(
            "/payment_method",
            "has neither a card nor a wallet; without a payment_method the merchant's own pays",
        )
    if details.card is UNSET:
        return None
    wrong = cards.problem_of(details.card, datetime.now(UTC))
    if wrong is not None:
        raise BadField(f"/payment_method/card/{wrong[0]}", wrong[1])
    return cards.kept(details.card, await store.card_key(connection))


async def admitted(context: PaymentContext, domain: DomainContext) -> Admitted:
    """The merchant's accounts that have a connector, usually answer within what is left of its
    time, and whose breaker lets them be asked."""
    having = [
        each.account
        for each in domain.merchant.accounts
        if each.takes(domain.request.currency) and context.connector_of(each.account) is not None
    ]
    in_time = [each for each in having if context.usual.p99_s(each) <= domain.left_s]
    found = await context.breakers.admit(in_time)
    if having and not found.accounts:
        raise NoAccountNow
    if domain.wallet is not None and WALLET in having and WALLET not in found.accounts:
        raise NoAccountNow
    return found


async def steps_of(
    context: PaymentContext, domain: DomainContext, accounts: Admitted
) -> tuple[StepContext, ...]:
    """Each account's part. A card is exchanged there, all at once, before anything is committed: a
    crash later needs no number. An account that takes no card has no part; a card that none of them
    will ever take is a bad field."""
    begun = [domain.step(account) for account in accounts.accounts]
    details = domain.request.payment_method
    if details is UNSET or details.card is UNSET:
        return tuple(begun)
    card = PlainCard(
        details.card.number.replace(" ", ""),
        details.card.exp_month,
        details.card.exp_year,
        details.card.cvc,
    )
    own = tuple(step for step in begun if step.account == WALLET)
    begun = [step for step in begun if step.account != WALLET]
    found = await asyncio.gather(*(_exchanged(context, step, card) for step in begun))
    steps = tuple(step for step in found if isinstance(step, StepContext))
    refused = [each.code for each in found if isinstance(each, CardRefused)]
    if begun and not steps and len(refused) == len(begun):
        raise BadField("/payment_method/card", f"no account takes this card ({refused[0]})")
    if begun and not steps:
        raise NoAccountNow
    return steps + own


async def _exchanged(
    context: PaymentContext, step: StepContext, card: PlainCard
) -> StepContext | CardRefused | None:
    connector = context.connector_of(step.account)
    if connector is None:
        return None
    try:
        async with asyncio.timeout(_EXCHANGE_SHARE * step.remaining_ms / 1000):
            method = await connector.exchange(step.account, card)
    except CardRefused as refused:
        return refused
    except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
        logger.warning("an account took no card: %s", error, extra={"provider": step.account})
        return None
    return msgspec.structs.replace(step, method=method)
