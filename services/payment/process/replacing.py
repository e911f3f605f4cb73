"""Opens another plan in place of one that came to nothing, in the transaction that ends that one.

Once, and only while nothing of the first can take money any more: each of its legs was declined,
never sent, or voided where a void is final. The accounts that failed it are left out. What the
policy says about other accounts, a card that is refused everywhere, and the merchant's time hold
for a plan as they hold for a leg."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from chassis.database.pool import Connection
from services.payment import intents, store
from services.payment.breakers import store as breakers
from services.payment.context import PaymentContext
from services.payment.domain import WALLET, Attempt, Payment
from services.payment.merchants import store as merchant_store
from services.payment.merchants.merchant import Merchant
from services.payment.process import store as requests
from services.payment.process.contexts import StepContext
from services.payment.process.deciding import Decided, decide_again
from services.payment.process.store import StoredPlan
from services.payment.routing.next_account import HARD_DECLINES, MOST_ATTEMPTS


async def replace_plan(context: PaymentContext, tx: Connection, payment: Payment) -> Payment | None:
    """The payment with its next plan; None where there is none. `payment` is locked, and stands as
    its last leg left it."""
    left_s = _left_s(payment)
    if left_s <= 0 or not _allows_another(context, payment):
        return None
    stored = await requests.stored_plan(tx, payment.payment_id)
    if stored is None or not stored.inputs["fallback"]:
        return None
    failed = _failed(payment)
    usable = await _usable(context, tx, stored, failed, left_s)
    decided = await _decided(context, tx, stored, usable, left_s)
    if decided is None:
        return None
    await store.decide(tx, payment, "replace", *_why(payment, failed))
    await intents.add_legs(tx, decided.legs, payment)
    last = max(each.leg_n for each in payment.attempts)
    steps = tuple(
        msgspec.structs.replace(each, leg_n=last + each.leg_n) for each in decided.plan.steps
    )
    await requests.keep_plan(
        tx,
        payment.payment_id,
        plan=msgspec.structs.replace(decided.plan, plan_n=payment.plan_n + 1, steps=steps),
        merchant_id=stored.merchant_id,
        policy_version=stored.policy_version,
        inputs={**decided.inputs, "left_out": sorted(failed)},
        methods={account: stored.methods[account] for account in usable},
    )
    return await store.find(tx, payment.payment_id)


def _left_s(payment: Payment) -> float:
    """What is left of the merchant's time; nothing for a payment that nobody planned."""
    ends = [each.begin_until for each in payment.newest if each.begin_until is not None]
    return (min(ends) - datetime.now(UTC)).total_seconds() if ends else 0.0


def _allows_another(context: PaymentContext, payment: Payment) -> bool:
    """Whether what its legs came to is final, and no answer to expect of every account."""
    tries = _tries(payment)
    # A wallet pays what its user said, and no other account has a part in that.
    if any(each.provider == WALLET for each in tries):
        return False
    if any(each.state == "FAILED" and each.detail in HARD_DECLINES for each in tries):
        return False
    if max(each.n for each in tries) >= MOST_ATTEMPTS:
        return False
    voided = [context.connector_of(each.provider) for each in tries if each.state == "VOIDED"]
    return all(connector is not None and connector.can.fences for connector in voided)


def _tries(payment: Payment) -> list[Attempt]:
    return [each for each in payment.attempts if each.plan_n == payment.plan_n]


def _failed(payment: Payment) -> frozenset[str]:
    """The accounts that did not have their part: that declined, or never said that they hold it."""
    return frozenset(
        each.provider
        for each in _tries(payment)
        if each.state == "FAILED" or not each.was_authorised
    )


async def _usable(
    context: PaymentContext,
    tx: Connection,
    stored: StoredPlan,
    failed: frozenset[str],
    left_s: float,
) -> list[str]:
    """The accounts of the first plan that may have a part now."""
    closed = await breakers.closed_to_new(tx)
    return [
        account
        for account in stored.methods
        if account not in failed | closed
        and context.connector_of(account) is not None
        and context.usual.p99_s(account) <= left_s
    ]


async def _decided(
    context: PaymentContext, tx: Connection, stored: StoredPlan, usable: list[str], left_s: float
) -> Decided | None:
    """The next plan, by what the accounts take now: what the first one held is free again, and
    nobody else plans with them until this one holds its own."""
    if not usable:
        return None
    await merchant_store.lock(tx, usable)
    chain = [each["account"] for each in stored.inputs["terms"]]
    merchant = Merchant(
        merchant_id=stored.merchant_id,
        method="",
        accounts=await merchant_store.terms(tx, chain),
        budget_ms=stored.inputs["budget_ms"],
        policy_version=stored.policy_version,
        policy_text=stored.policy_text,
        attributes={},
    )
    steps = [
        StepContext(account, round(left_s * 1000), stored.methods[account]) for account in usable
    ]
    two_phase = [
        account
        for account in usable
        if (connector := context.connector_of(account)) is not None and connector.can.two_phase
    ]
    decided = decide_again(stored.inputs, merchant, steps=steps, two_phase=two_phase)
    if not isinstance(decided, Decided):
        return None
    # The time is the merchant's, not the plan's.
    legs = tuple(msgspec.structs.replace(leg, budget_s=left_s) for leg in decided.legs)
    return msgspec.structs.replace(decided, legs=legs)


def _why(payment: Payment, failed: frozenset[str]) -> tuple[str, dict[str, Any]]:
    """Why the plan is replaced, in words, and how its legs stood."""
    stand = {str(each.leg_n): each.state for each in payment.newest}
    names, part = " and ".join(sorted(failed)), "its part" if len(failed) == 1 else "their parts"
    reason = f"Nothing was taken, since {names} did not have {part}; other accounts are planned."
    return reason, {"legs": stand, "left_out": sorted(failed)}
