"""Payments in SQL: each function takes a connection first and gives domain values back."""

from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select, text

from chassis.database.pool import Connection, Row, statement
from services.payment import domain
from services.payment.domain import (
    Attempt,
    AttemptState,
    Charge,
    MadeBy,
    Payment,
    PaymentState,
)
from services.payment.outcomes import Line
from services.payment.tables import attempts, payments

_p, _a = payments.c, attempts.c
# One join, so that payment and attempts are of one moment.
_FIND = statement(
    select(
        _p.order_id,
        _p.amount_minor,
        _p.currency,
        _p.state,
        _p.decline_code,
        _p.cancel_reason,
        _p.idempotency_key,
        _p.request_hash,
        _p.made_by,
        _p.needs_review,
        _p.traceparent,
        _a.n,
        _a.provider,
        _a.gw_key,
        _a.state.label("attempt_state"),
        _a.detail,
        _a.created_at,
        _a.updated_at,
    )
    .select_from(payments.outerjoin(attempts, _a.order_id == _p.order_id))
    .where(_p.order_id == bindparam("order_id"))
    .order_by(_a.n),
    "SELECT payments.payments, payments.attempts",
)
_LOCK = statement(
    select(_p.order_id).where(_p.order_id == bindparam("order_id")).with_for_update(),
    "SELECT payments.payments FOR UPDATE",
)
# The intent, payment and first attempt, in one statement and so in one transaction. Whatever is
# in the way (this order, or another order under this key) makes it insert nothing at all.
_OPEN = statement(
    text(
        "WITH opened AS ("
        " INSERT INTO payments.payments (order_id, amount_minor, currency, state,"
        "   idempotency_key, request_hash, made_by, traceparent, next_attempt_at)"
        " VALUES (:order_id, :amount_minor, :currency, 'PROCESSING',"
        "   :idempotency_key, :request_hash, :made_by, :traceparent,"
        "   now() + make_interval(secs => :grace_s))"
        " ON CONFLICT DO NOTHING RETURNING order_id, amount_minor, currency)"
        " INSERT INTO payments.attempts"
        "   (order_id, n, provider, gw_key, amount_minor, currency, state)"
        " SELECT order_id, 1, :provider, :gw_key, amount_minor, currency, 'IN_FLIGHT' FROM opened"
        " RETURNING created_at, updated_at"
    ),
    "INSERT payments.payments, payments.attempts",
)
_PLANT = statement(
    text(
        "INSERT INTO payments.payments"
        "   (order_id, state, cancel_reason, made_by, cancelled_by, traceparent)"
        " VALUES (:order_id, 'CANCELLED', :reason, :made_by, :made_by, :traceparent)"
        " ON CONFLICT DO NOTHING RETURNING order_id"
    ),
    "INSERT payments.payments tombstone",
)
# One step of both machines and its posting, in one round trip; a step that is NULL is not taken.
# A payment that moves has an answer of its gateway, so it no longer needs a review.
_MOVE = statement(
    text(
        "WITH moved AS ("
        " UPDATE payments.payments SET state = :payment_to ::text,"
        "   decline_code = coalesce(decline_code, :decline_code ::text),"
        "   cancel_reason = coalesce(cancel_reason, :cancel_reason ::text),"
        "   cancelled_by = coalesce(cancelled_by, :cancelled_by ::text),"
        "   needs_review = false, attempts = 0, updated_at = now(),"
        "   next_attempt_at = now() + make_interval(secs => :grace_s)"
        " WHERE order_id = :order_id AND :payment_to ::text IS NOT NULL),"
        " attempt AS ("
        " UPDATE payments.attempts SET state = :attempt_to ::text, detail = :detail ::text,"
        "   updated_at = now()"
        " WHERE order_id = :order_id AND n = :n AND :attempt_to ::text IS NOT NULL"
        " RETURNING updated_at),"
        " posted AS ("
        " INSERT INTO payments.ledger (transfer_id, line, account, amount_minor, currency)"
        " SELECT * FROM unnest(:transfers ::text[], :lines ::int[], :accounts ::text[],"
        "   :amounts ::bigint[], :currencies ::text[]))"
        " SELECT updated_at FROM attempt"
    ),
    "UPDATE payments.payments, payments.attempts; INSERT payments.ledger",
)
_FLAG = statement(
    text(
        "UPDATE payments.payments SET needs_review = true, updated_at = now()"
        " WHERE order_id = :order_id AND NOT needs_review"
    ),
    "UPDATE payments.payments needs_review",
)


async def open_payment(
    connection: Connection,
    charge: Charge,
    *,
    provider: str,
    traceparent: str | None,
    grace_s: float,
) -> Payment | None:
    """Commit the intent to charge (rule R1), or None when the order or the key is taken.

    `grace_s` is how long the reconciler leaves the payment to whoever opened it."""
    gw_key = domain.gw_key(charge.order_id, 1)
    values = msgspec.structs.asdict(charge)
    row = await connection.row(
        _OPEN, **values, provider=provider, gw_key=gw_key, traceparent=traceparent, grace_s=grace_s
    )
    if row is None:
        return None
    attempt = Attempt(
        n=1,
        provider=provider,
        gw_key=gw_key,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        state="IN_FLIGHT",
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
    return Payment(**values, state="PROCESSING", traceparent=traceparent, attempts=(attempt,))


async def plant_tombstone(
    connection: Connection,
    order_id: UUID,
    *,
    reason: str,
    made_by: MadeBy,
    traceparent: str | None,
) -> Payment | None:
    """Cancel a payment that nobody has opened yet (rule R4), so that a later charge is refused.
    None when there is a payment already."""
    row = await connection.row(
        _PLANT, order_id=order_id, reason=reason, made_by=made_by, traceparent=traceparent
    )
    if row is None:
        return None
    return Payment(
        order_id,
        state="CANCELLED",
        cancel_reason=reason,
        made_by=made_by,
        traceparent=traceparent,
    )


async def find(connection: Connection, order_id: UUID) -> Payment | None:
    """The payment of an order with its attempts, not locked."""
    rows = await connection.rows(_FIND, order_id=order_id)
    if not rows:
        return None
    first = rows[0]
    return Payment(
        order_id=order_id,
        amount_minor=first["amount_minor"],
        currency=first["currency"],
        state=first["state"],
        decline_code=first["decline_code"],
        cancel_reason=first["cancel_reason"],
        idempotency_key=first["idempotency_key"],
        request_hash=first["request_hash"],
        made_by=first["made_by"],
        needs_review=first["needs_review"],
        traceparent=first["traceparent"],
        attempts=tuple(_attempt(row) for row in rows if row["n"] is not None),
    )


def _attempt(row: Row) -> Attempt:
    return Attempt(
        n=row["n"],
        provider=row["provider"],
        gw_key=row["gw_key"],
        # An attempt is always over the whole payment.
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        state=row["attempt_state"],
        detail=row["detail"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def lock(tx: Connection, order_id: UUID) -> Payment | None:
    """The payment of an order, held until the transaction ends.

    Locked first and read second on purpose: one statement that waited for the lock would show
    the payment of now with the attempts of before."""
    if await tx.row(_LOCK, order_id=order_id) is None:
        return None
    return await find(tx, order_id)


class PaymentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a payment, of one of its attempts, or of both, and what is posted with it."""

    payment_to: PaymentState | None = None
    decline_code: str | None = None
    cancel_reason: str | None = None
    cancelled_by: MadeBy | None = None
    n: int = 0
    attempt_to: AttemptState | None = None
    detail: str | None = None
    lines: tuple[Line, ...] = ()


async def move(tx: Connection, payment: Payment, step: PaymentStep, *, grace_s: float) -> Payment:
    """Take one step; the database refuses one that is not in its tables, or was posted before.

    `grace_s` is how long the reconciler leaves what is unfinished to whoever works on it."""
    row = await tx.row(
        _MOVE,
        order_id=payment.order_id,
        grace_s=grace_s,
        payment_to=step.payment_to,
        decline_code=step.decline_code,
        cancel_reason=step.cancel_reason,
        cancelled_by=step.cancelled_by,
        n=step.n,
        attempt_to=step.attempt_to,
        detail=step.detail,
        transfers=[line.transfer_id for line in step.lines],
        lines=[line.line for line in step.lines],
        accounts=[line.account for line in step.lines],
        amounts=[line.amount_minor for line in step.lines],
        currencies=[line.currency for line in step.lines],
    )
    if step.payment_to is not None:
        payment = msgspec.structs.replace(
            payment,
            state=step.payment_to,
            needs_review=False,
            decline_code=payment.decline_code or step.decline_code,
            cancel_reason=payment.cancel_reason or step.cancel_reason,
        )
    if step.attempt_to is not None and row is not None:
        moved = {"state": step.attempt_to, "detail": step.detail, "updated_at": row["updated_at"]}
        changed = tuple(
            msgspec.structs.replace(each, **moved) if each.n == step.n else each
            for each in payment.attempts
        )
        payment = msgspec.structs.replace(payment, attempts=changed)
    return payment


async def flag(connection: Connection, order_id: UUID) -> bool:
    """Ask for a human's review; true when nobody had asked before."""
    return await connection.execute(_FLAG, order_id=order_id) > 0
