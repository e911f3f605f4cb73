"""Payments in SQL: each function takes a connection first and gives domain values back."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select, text

from chassis.database.pool import Connection, Row, statement
from services.payment.domain import (
    Attempt,
    AttemptId,
    AttemptState,
    MadeBy,
    Payment,
    PaymentState,
)
from services.payment.ledger.postings import Line
from services.payment.tables import attempts, payments

_p, _a = payments.c, attempts.c
# One join, so that payment and attempts are of one moment.
_SHOWN = (
    select(
        _p.payment_id,
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
        _a.leg_n,
        _a.n,
        _a.provider,
        _a.gw_key,
        _a.amount_minor.label("attempt_minor"),
        _a.currency.label("attempt_currency"),
        _a.state.label("attempt_state"),
        _a.detail,
        _a.created_at,
        _a.updated_at,
    )
    .select_from(payments.outerjoin(attempts, _a.payment_id == _p.payment_id))
    .order_by(_a.leg_n, _a.n)
)
_FIND = statement(
    _SHOWN.where(_p.payment_id == bindparam("payment_id")),
    "SELECT payments.payments, payments.attempts",
)
_FIND_OF_ORDER = statement(
    _SHOWN.where(_p.order_id == bindparam("order_id")),
    "SELECT payments.payments, payments.attempts",
)
_LOCK = statement(
    select(_p.payment_id).where(_p.payment_id == bindparam("payment_id")).with_for_update(),
    "SELECT payments.payments FOR UPDATE",
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
        " WHERE payment_id = :payment_id AND :payment_to ::text IS NOT NULL),"
        " attempt AS ("
        " UPDATE payments.attempts SET state = :attempt_to ::text, detail = :detail ::text,"
        "   updated_at = now()"
        " WHERE payment_id = :payment_id AND leg_n = :leg_n AND n = :n"
        "   AND :attempt_to ::text IS NOT NULL"
        " RETURNING updated_at),"
        " posted AS ("
        " INSERT INTO payments.ledger"
        "   (payment_id, leg_n, kind, line, account, amount_minor, currency)"
        " SELECT :payment_id ::uuid, * FROM unnest(:legs ::int[], :kinds ::text[], :lines ::int[],"
        "   :accounts ::text[], :amounts ::bigint[], :currencies ::text[]))"
        " SELECT updated_at FROM attempt"
    ),
    "UPDATE payments.payments, payments.attempts; INSERT payments.ledger",
)
_FLAG = statement(
    text(
        "UPDATE payments.payments SET needs_review = true, updated_at = now()"
        " WHERE payment_id = :payment_id AND NOT needs_review"
    ),
    "UPDATE payments.payments needs_review",
)


async def find(connection: Connection, payment_id: UUID) -> Payment | None:
    """The payment with its attempts, not locked."""
    return _payment(await connection.rows(_FIND, payment_id=payment_id))


async def find_of_order(connection: Connection, order_id: UUID) -> Payment | None:
    """The payment of an order with its attempts, not locked."""
    return _payment(await connection.rows(_FIND_OF_ORDER, order_id=order_id))


def _payment(rows: Sequence[Row]) -> Payment | None:
    if not rows:
        return None
    first = rows[0]
    return Payment(
        payment_id=first["payment_id"],
        order_id=first["order_id"],
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
        leg_n=row["leg_n"],
        n=row["n"],
        provider=row["provider"],
        gw_key=row["gw_key"],
        amount_minor=row["attempt_minor"],
        currency=row["attempt_currency"],
        state=row["attempt_state"],
        detail=row["detail"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def lock(tx: Connection, payment_id: UUID) -> Payment | None:
    """The payment, held until the transaction ends.

    Locked first and read second on purpose: one statement that waited for the lock would show
    the payment of now with the attempts of before."""
    if await tx.row(_LOCK, payment_id=payment_id) is None:
        return None
    return await find(tx, payment_id)


class PaymentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a payment, of one of its attempts, or of both, and what is posted with it."""

    payment_to: PaymentState | None = None
    decline_code: str | None = None
    cancel_reason: str | None = None
    cancelled_by: MadeBy | None = None
    attempt: AttemptId | None = None
    attempt_to: AttemptState | None = None
    detail: str | None = None
    lines: tuple[Line, ...] = ()


async def move(tx: Connection, payment: Payment, step: PaymentStep, *, grace_s: float) -> Payment:
    """Take one step; the database refuses one that is not in its tables, or was posted before.

    `grace_s` is how long the reconciler leaves what is unfinished to whoever works on it."""
    row = await tx.row(
        _MOVE,
        payment_id=payment.payment_id,
        grace_s=grace_s,
        payment_to=step.payment_to,
        decline_code=step.decline_code,
        cancel_reason=step.cancel_reason,
        cancelled_by=step.cancelled_by,
        leg_n=step.attempt and step.attempt.leg_n,
        n=step.attempt and step.attempt.n,
        attempt_to=step.attempt_to,
        detail=step.detail,
        legs=[line.leg_n for line in step.lines],
        kinds=[line.kind for line in step.lines],
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
    if step.attempt is not None and step.attempt_to is not None and row is not None:
        payment = payment.moved(
            step.attempt, state=step.attempt_to, detail=step.detail, updated_at=row["updated_at"]
        )
    return payment


async def flag(connection: Connection, payment_id: UUID) -> bool:
    """Ask for a human's review; true when nobody had asked before."""
    return await connection.execute(_FLAG, payment_id=payment_id) > 0
