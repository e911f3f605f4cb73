"""What is committed before anybody is asked (rule R1), in SQL: a payment with its leg, its attempt
and why it goes where it goes; the tombstone of one never opened; the payment of a capture."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from gateways import Capture
from services.payment import domain
from services.payment.domain import Attempt, Charge, DecisionKind, MadeBy, Payment

# The intent in one statement and so in one transaction: the payment, its one leg, the leg's first
# attempt, and why it goes to this provider. Whatever is in the way (this payment, this order, or
# another one under this key) makes it insert nothing at all.
OPEN_SQL = (
    "WITH opened AS ("
    " INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state,"
    "   idempotency_key, request_hash, made_by, owner, traceparent, next_attempt_at)"
    " VALUES (:payment_id, :order_id, :amount_minor, :currency, 'PROCESSING',"
    "   :idempotency_key, :request_hash, :made_by, :owner, :traceparent,"
    "   now() + make_interval(secs => :grace_s))"
    " ON CONFLICT DO NOTHING RETURNING payment_id, amount_minor, currency),"
    " leg AS ("
    " INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
    " SELECT payment_id, 1, amount_minor, currency, :provider FROM opened),"
    " decided AS ("
    " INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
    " SELECT payment_id, 1, :kind, 1, :provider, :why, :inputs ::jsonb FROM opened)"
    " INSERT INTO payments.attempts"
    "   (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, method, state,"
    "   sent_at)"
    " SELECT payment_id, 1, 1, :provider, :gw_key, amount_minor, currency, :method, 'IN_FLIGHT',"
    "   now()"
    " FROM opened"
    " RETURNING created_at, updated_at"
)
_OPEN = statement(
    text(OPEN_SQL),
    "INSERT payments.payments, payments.legs, payments.attempts, payments.decisions",
)
# The same for several legs, each with its first attempt and the reason for its provider: of a new
# payment, or of another plan of one that there is.
_LEGS_SQL = (
    "WITH planned AS ("
    " SELECT * FROM jsonb_to_recordset(:legs ::jsonb) AS planned (leg_n int, place int,"
    "   amount_minor bigint, provider text, fallbacks text[], method text, gw_key text,"
    "   why text, inputs jsonb, budget_s float8, may_retry bool)),"
    " opened AS ({opened}),"
    " leg AS ("
    " INSERT INTO payments.legs"
    "   (payment_id, leg_n, plan_n, amount_minor, currency, provider, fallbacks, begin_until,"
    "    may_retry)"
    " SELECT payment_id, leg_n, :plan_n, amount_minor, currency, provider, fallbacks,"
    "   now() + make_interval(secs => budget_s), may_retry"
    " FROM opened, planned),"
    " decided AS ("
    " INSERT INTO payments.decisions"
    "   (payment_id, n, plan_n, kind, leg_n, provider, reason, inputs)"
    " SELECT payment_id, decisions + place, :plan_n, 'route', leg_n, provider, why, inputs"
    " FROM opened, planned)"
    " INSERT INTO payments.attempts (payment_id, leg_n, n, provider, gw_key, amount_minor,"
    "   currency, method, state, sent_at)"
    " SELECT payment_id, leg_n, 1, provider, gw_key, amount_minor, currency, method,"
    "   'IN_FLIGHT', now()"
    " FROM opened, planned"
)
_OPEN_LEGS = statement(
    text(
        _LEGS_SQL.format(
            opened="INSERT INTO payments.payments (payment_id, amount_minor, currency, state,"
            "   made_by, owner, traceparent, next_attempt_at)"
            " VALUES (:payment_id, :amount_minor, :currency, 'PROCESSING', :made_by, :owner,"
            "   :traceparent, now() + make_interval(secs => :grace_s))"
            " RETURNING payment_id, currency, 0 AS decisions"
        )
    ),
    "INSERT payments.payments, payments.legs, payments.attempts, payments.decisions",
)
_ADD_LEGS = statement(
    text(
        _LEGS_SQL.format(
            opened="SELECT payment_id, currency, (SELECT max(n) FROM payments.decisions d"
            "   WHERE d.payment_id = p.payment_id) AS decisions"
            " FROM payments.payments p WHERE payment_id = :payment_id"
        )
    ),
    "INSERT payments.legs, payments.attempts, payments.decisions",
)
_PLANT = statement(
    text(
        "INSERT INTO payments.payments"
        "   (payment_id, order_id, state, cancel_reason, made_by, cancelled_by, owner, traceparent)"
        " VALUES (:payment_id, :order_id, 'CANCELLED', :reason, :made_by, :made_by, :owner,"
        "   :traceparent)"
        " ON CONFLICT DO NOTHING RETURNING payment_id"
    ),
    "INSERT payments.payments tombstone",
)
_ADOPT = statement(
    text(
        "WITH adopted AS ("
        " INSERT INTO payments.payments"
        "   (payment_id, amount_minor, currency, state, cancel_reason, made_by)"
        " VALUES (:payment_id, :amount_minor, :currency, 'CANCELLED', 'NEVER_ASKED_FOR', 'capture')"
        " ON CONFLICT DO NOTHING RETURNING payment_id, amount_minor, currency),"
        " leg AS ("
        " INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
        " SELECT payment_id, 1, amount_minor, currency, :provider FROM adopted),"
        " decided AS ("
        " INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
        " SELECT payment_id, 1, :kind, 1, :provider, :why, :inputs ::jsonb FROM adopted)"
        " INSERT INTO payments.attempts"
        "   (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, state)"
        " SELECT payment_id, 1, 1, :provider, :gw_key, amount_minor, currency, 'VOIDED'"
        " FROM adopted"
        " RETURNING payment_id"
    ),
    "INSERT payments.payments adopted",
)


class Decision(msgspec.Struct, frozen=True):
    """Why a leg goes to a provider, in plain words, and what that was decided from."""

    kind: DecisionKind
    reason: str
    inputs: dict[str, Any]


class PlannedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg to be opened: how much at which provider, with what, who may take it after a
    definite no, for so many seconds from now, and whether a request for it may be repeated."""

    amount_minor: int
    provider: str
    decision: Decision
    method: str | None = None
    fallbacks: tuple[str, ...] = ()
    budget_s: float = 0.0
    may_retry: bool = True


async def open_payment(
    connection: Connection,
    charge: Charge,
    *,
    payment_id: UUID,
    provider: str,
    decision: Decision,
    traceparent: str | None,
    grace_s: float,
) -> Payment | None:
    """Commit the intent to charge (rule R1), or None when the payment, the order or the key is
    taken.

    `grace_s` is how long the reconciler leaves the payment to whoever opened it."""
    gw_key = domain.gw_key(payment_id, 1, 1)
    values = {**msgspec.structs.asdict(charge), "payment_id": payment_id}
    method = values.pop("wallet_id")
    row = await connection.row(
        _OPEN,
        **values,
        provider=provider,
        gw_key=gw_key,
        method=method,
        kind=decision.kind,
        why=decision.reason,
        inputs=decision.inputs,
        traceparent=traceparent,
        grace_s=grace_s,
    )
    if row is None:
        return None
    attempt = Attempt(
        leg_n=1,
        n=1,
        provider=provider,
        gw_key=gw_key,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        state="IN_FLIGHT",
        method=method,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
    return Payment(**values, state="PROCESSING", traceparent=traceparent, attempts=(attempt,))


async def open_legs(
    connection: Connection,
    planned: Sequence[PlannedLeg],
    *,
    payment_id: UUID,
    currency: str,
    made_by: MadeBy,
    owner: str,
    traceparent: str | None,
    grace_s: float,
) -> None:
    """Commit the intent to charge a payment that no order has, in these legs (rule R1)."""
    await connection.execute(
        _OPEN_LEGS,
        payment_id=payment_id,
        amount_minor=sum(leg.amount_minor for leg in planned),
        currency=currency,
        made_by=made_by,
        owner=owner,
        traceparent=traceparent,
        grace_s=grace_s,
        plan_n=1,
        legs=_as_rows(planned, payment_id),
    )


async def add_legs(tx: Connection, planned: Sequence[PlannedLeg], payment: Payment) -> None:
    """Commit the intent to charge a payment in other legs, of its next plan (rule R1). The database
    refuses it while anything of the plan before can still take money."""
    last = max(each.leg_n for each in payment.attempts)
    await tx.execute(
        _ADD_LEGS,
        payment_id=payment.payment_id,
        plan_n=payment.plan_n + 1,
        legs=_as_rows(planned, payment.payment_id, after=last),
    )


def _as_rows(
    planned: Sequence[PlannedLeg], payment_id: UUID, *, after: int = 0
) -> list[dict[str, Any]]:
    """Legs are numbered through the plans of a payment."""
    return [
        {
            "leg_n": after + place,
            "place": place,
            "amount_minor": leg.amount_minor,
            "provider": leg.provider,
            "fallbacks": list(leg.fallbacks),
            "method": leg.method,
            "budget_s": leg.budget_s,
            "may_retry": leg.may_retry,
            "gw_key": domain.gw_key(payment_id, after + place, 1),
            "why": leg.decision.reason,
            "inputs": leg.decision.inputs,
        }
        for place, leg in enumerate(planned, 1)
    ]


async def plant_tombstone(
    connection: Connection,
    payment_id: UUID,
    order_id: UUID | None,
    *,
    reason: str,
    made_by: MadeBy,
    owner: str,
    traceparent: str | None,
) -> Payment | None:
    """Cancel a payment that nobody has opened yet (rule R4), so that a later charge is refused.
    None when there is such a payment already, or the order has another one."""
    row = await connection.row(
        _PLANT,
        payment_id=payment_id,
        order_id=order_id,
        reason=reason,
        made_by=made_by,
        owner=owner,
        traceparent=traceparent,
    )
    if row is None:
        return None
    return Payment(
        payment_id,
        order_id,
        state="CANCELLED",
        cancel_reason=reason,
        made_by=made_by,
        owner=owner,
        traceparent=traceparent,
    )


async def adopt(
    connection: Connection, capture: Capture, payment_id: UUID, provider: str, decision: Decision
) -> bool:
    """Make a cancelled payment for a capture this database has never heard of (it was restored
    from a backup, say), so that it can be posted and refunded; false when there is a payment."""
    row = await connection.row(
        _ADOPT,
        payment_id=payment_id,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        provider=provider,
        gw_key=capture.gw_key,
        kind=decision.kind,
        why=decision.reason,
        inputs=decision.inputs,
    )
    return row is not None
