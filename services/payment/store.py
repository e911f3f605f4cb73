"""Payments in SQL: each function takes a connection first and gives domain values back."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, literal_column, select, text
from sqlalchemy.sql import ColumnElement

from chassis.database.pool import Connection, Row, statement
from services.payment.domain import (
    Attempt,
    AttemptId,
    AttemptState,
    DecisionKind,
    MadeBy,
    Payment,
    PaymentState,
    gw_key,
)
from services.payment.ledger.postings import Line
from services.payment.planning.fees import leg_fee
from services.payment.tables import attempts, legs, payments

_p, _a, _l = payments.c, attempts.c, legs.c
# What was decided about all legs of a plan together; an index has these rows and no others.
_DECIDED: ColumnElement[Any] = literal_column(
    "(SELECT array_agg(plan_n || ' ' || kind) FROM payments.decisions d"
    " WHERE d.payment_id = payments.payments.payment_id"
    " AND d.kind IN ('capture', 'void', 'compensate'))"
).label("decided")
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
        _p.owner,
        _p.needs_review,
        _p.traceparent,
        _DECIDED,
        _a.leg_n,
        _a.n,
        _a.provider,
        _a.gw_key,
        _a.amount_minor.label("attempt_minor"),
        _a.currency.label("attempt_currency"),
        _a.state.label("attempt_state"),
        _a.detail,
        _a.authorised_at,
        _a.method,
        _a.provider_ref,
        _a.asks,
        _l.plan_n,
        _l.fallbacks,
        _l.begin_until,
        _l.may_retry,
        _a.created_at,
        _a.updated_at,
    )
    .select_from(
        payments.outerjoin(attempts, _a.payment_id == _p.payment_id).outerjoin(
            legs, (_l.payment_id == _a.payment_id) & (_l.leg_n == _a.leg_n)
        )
    )
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
        "   authorised_at = CASE WHEN :attempt_to = 'AUTHORISED' THEN now() ELSE authorised_at END,"
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
# The same for a payment that stands as it was seen, by itself: where the attempt or the payment has
# moved meanwhile, nothing does. Each part finds rows only where the one before did, and the payment
# is locked first, as everybody locks it.
_MOVE_AS_SEEN = statement(
    text(
        "WITH locked AS ("
        " SELECT payment_id FROM payments.payments"
        " WHERE payment_id = :payment_id AND state = :payment_was ::text FOR UPDATE),"
        " attempt AS ("
        " UPDATE payments.attempts a SET state = :attempt_to ::text, detail = :detail ::text,"
        "   updated_at = now()"
        " FROM locked WHERE a.payment_id = locked.payment_id AND leg_n = :leg_n AND n = :n"
        "   AND state = :attempt_was ::text"
        " RETURNING a.payment_id, a.updated_at),"
        " moved AS ("
        " UPDATE payments.payments p SET state = :payment_to ::text,"
        "   decline_code = coalesce(decline_code, :decline_code ::text),"
        "   needs_review = false, attempts = 0, updated_at = now(),"
        "   next_attempt_at = now() + make_interval(secs => :grace_s)"
        " FROM attempt WHERE p.payment_id = attempt.payment_id),"
        " posted AS ("
        " INSERT INTO payments.ledger"
        "   (payment_id, leg_n, kind, line, account, amount_minor, currency)"
        " SELECT payment_id, l.* FROM attempt, unnest(:legs ::int[], :kinds ::text[],"
        "   :lines ::int[], :accounts ::text[], :amounts ::bigint[], :currencies ::text[]) AS l)"
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


_CARD_KEY = statement(
    text("SELECT value FROM payments.secrets WHERE name = 'card fingerprints'"),
    "SELECT payments.secrets",
)
_DECIDE = statement(
    text(
        "INSERT INTO payments.decisions (payment_id, n, plan_n, kind, reason, inputs)"
        " SELECT :payment_id ::uuid, coalesce(max(n), 0) + 1, :plan_n, :kind, :why,"
        "   :inputs ::jsonb"
        " FROM payments.decisions WHERE payment_id = :payment_id"
    ),
    "INSERT payments.decisions",
)
# Before anybody is asked for it (rule R1): the refund of everything that is captured.
_ORDER_REFUNDS = statement(
    text(
        "INSERT INTO payments.refunds (payment_id, leg_n, n, refund_key, amount_minor, currency)"
        " SELECT payment_id, leg_n, n, gw_key || '\\:refund', amount_minor, currency"
        " FROM payments.attempts WHERE payment_id = :payment_id AND state = 'SUCCEEDED'"
        " ON CONFLICT DO NOTHING"
    ),
    "INSERT payments.refunds",
)
# The next attempt of a leg, and why it goes there.
_OPEN_NEXT = statement(
    text(
        "WITH decided AS ("
        " INSERT INTO payments.decisions"
        "   (payment_id, n, plan_n, kind, leg_n, provider, reason, inputs)"
        " SELECT :payment_id ::uuid, coalesce(max(n), 0) + 1, :plan_n, 'route', :leg_n, :account,"
        "   :why, :inputs ::jsonb"
        " FROM payments.decisions WHERE payment_id = :payment_id)"
        " INSERT INTO payments.attempts (payment_id, leg_n, n, provider, gw_key, amount_minor,"
        "   currency, method, state, sent_at)"
        " SELECT payment_id, leg_n, :n, :account, :gw_key, amount_minor, currency,"
        "   (SELECT methods ->> :account ::text FROM payments.plans p"
        "    WHERE p.payment_id = l.payment_id ORDER BY plan_n DESC LIMIT 1), 'IN_FLIGHT', now()"
        " FROM payments.legs l WHERE payment_id = :payment_id AND leg_n = :leg_n"
    ),
    "INSERT payments.attempts, payments.decisions",
)
# What the account charges by the terms that the plan was made from.
_PLANNED_TERMS = statement(
    text(
        "SELECT (terms ->> 'fee_basis_points')::int AS basis_points,"
        "   (terms ->> 'fee_fixed_minor')::bigint AS fixed_minor"
        " FROM payments.plans, jsonb_array_elements(inputs -> 'terms') AS terms"
        " WHERE payment_id = :payment_id AND terms ->> 'account' = :account"
        " ORDER BY plan_n DESC LIMIT 1"
    ),
    "SELECT payments.plans",
)
# Both wait for whoever settles the attempt, and then see what was settled.
_ASK_AGAIN = statement(
    text(
        "WITH locked AS ("
        " SELECT payment_id FROM payments.payments WHERE payment_id = :payment_id FOR UPDATE)"
        " UPDATE payments.attempts a SET asks = asks + 1 FROM locked"
        " WHERE a.payment_id = locked.payment_id AND leg_n = :leg_n AND n = :n"
        "   AND state IN ('IN_FLIGHT', 'UNKNOWN')"
    ),
    "UPDATE payments.attempts asks",
)
_KEEP_REF = statement(
    text(
        "WITH locked AS ("
        " SELECT payment_id FROM payments.payments WHERE payment_id = :payment_id FOR UPDATE)"
        " UPDATE payments.attempts a SET provider_ref = :ref FROM locked"
        " WHERE a.payment_id = locked.payment_id AND leg_n = :leg_n AND n = :n"
        "   AND state IN ('IN_FLIGHT', 'UNKNOWN') AND coalesce(provider_ref, :ref) = :ref"
    ),
    "UPDATE payments.attempts provider_ref",
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
    attempts = tuple(_attempt(row) for row in rows if row["n"] is not None)
    plan_n = max((each.plan_n for each in attempts), default=1)
    decided = [each.split() for each in first["decided"] or ()]
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
        owner=first["owner"],
        needs_review=first["needs_review"],
        traceparent=first["traceparent"],
        attempts=attempts,
        decided=frozenset(kind for of_plan, kind in decided if int(of_plan) == plan_n),
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
        was_authorised=row["authorised_at"] is not None,
        method=row["method"],
        provider_ref=row["provider_ref"],
        asks=row["asks"],
        plan_n=row["plan_n"],
        fallbacks=tuple(row["fallbacks"] or ()),
        begin_until=row["begin_until"],
        may_retry=row["may_retry"] is not False,
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


class PaymentMove(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a payment, of one of its attempts, or of both, and what is posted with it."""

    payment_to: PaymentState | None = None
    decline_code: str | None = None
    cancel_reason: str | None = None
    cancelled_by: MadeBy | None = None
    attempt: AttemptId | None = None
    attempt_to: AttemptState | None = None
    detail: str | None = None
    lines: tuple[Line, ...] = ()


async def move(tx: Connection, payment: Payment, step: PaymentMove, *, grace_s: float) -> Payment:
    """Take one step; the database refuses one that is not in its tables, or was posted before.

    `grace_s` is how long the reconciler leaves what is unfinished to whoever works on it."""
    row = await tx.row(
        _MOVE,
        cancel_reason=step.cancel_reason,
        cancelled_by=step.cancelled_by,
        **_written(payment, step, grace_s),
    )
    return _after(payment, step, row)


async def move_as_seen(
    connection: Connection, seen: Payment, step: PaymentMove, *, grace_s: float
) -> Payment | None:
    """Take one step of an attempt and its payment, in one statement; None, and nothing is done,
    where one of them is no longer in the state in which it was seen."""
    if step.attempt is None:
        raise ValueError("a payment does not move without its attempt")
    row = await connection.row(
        _MOVE_AS_SEEN,
        payment_was=seen.state,
        attempt_was=seen.find(step.attempt).state,
        **_written(seen, step, grace_s),
    )
    return None if row is None else _after(seen, step, row)


def _written(payment: Payment, step: PaymentMove, grace_s: float) -> dict[str, Any]:
    return {
        "payment_id": payment.payment_id,
        "grace_s": grace_s,
        "payment_to": step.payment_to,
        "decline_code": step.decline_code,
        "leg_n": step.attempt and step.attempt.leg_n,
        "n": step.attempt and step.attempt.n,
        "attempt_to": step.attempt_to,
        "detail": step.detail,
        "legs": [line.leg_n for line in step.lines],
        "kinds": [line.kind for line in step.lines],
        "lines": [line.line for line in step.lines],
        "accounts": [line.account for line in step.lines],
        "amounts": [line.amount_minor for line in step.lines],
        "currencies": [line.currency for line in step.lines],
    }


def _after(payment: Payment, step: PaymentMove, row: Row | None) -> Payment:
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
            step.attempt,
            state=step.attempt_to,
            detail=step.detail,
            was_authorised=step.attempt_to == "AUTHORISED"
            or payment.find(step.attempt).was_authorised,
            updated_at=row["updated_at"],
        )
    return payment


async def flag(connection: Connection, payment_id: UUID) -> bool:
    """Ask for a human's review; true when nobody had asked before."""
    return await connection.execute(_FLAG, payment_id=payment_id) > 0


async def decide(
    tx: Connection, payment: Payment, kind: DecisionKind, why: str, inputs: dict[str, Any]
) -> Payment:
    """Write down what is decided about all legs of a plan together; once, or the database refuses
    it."""
    await tx.execute(
        _DECIDE,
        payment_id=payment.payment_id,
        plan_n=payment.plan_n,
        kind=kind,
        why=why,
        inputs=inputs,
    )
    return msgspec.structs.replace(payment, decided=payment.decided | {kind})


async def order_refunds(tx: Connection, payment_id: UUID) -> None:
    """A row and a key for the refund of each captured leg, where there is none yet."""
    await tx.execute(_ORDER_REFUNDS, payment_id=payment_id)


async def open_next(
    tx: Connection, payment: Payment, attempt: Attempt, account: str, why: str
) -> Payment | None:
    """The leg's next attempt, at another account. The payment with it."""
    await tx.execute(
        _OPEN_NEXT,
        payment_id=payment.payment_id,
        plan_n=attempt.plan_n,
        leg_n=attempt.leg_n,
        n=attempt.n + 1,
        account=account,
        gw_key=gw_key(payment.payment_id, attempt.leg_n, attempt.n + 1),
        why=why,
        inputs={"tried": list(payment.tried(attempt.leg_n)), "code": attempt.detail},
    )
    return await find(tx, payment.payment_id)


async def ask_again(connection: Connection, attempt: AttemptId) -> bool:
    """Say that one more driver asks for this attempt's money; false where it is settled."""
    return await connection.execute(_ASK_AGAIN, **msgspec.structs.asdict(attempt)) > 0


async def keep_ref(connection: Connection, attempt: AttemptId, ref: str) -> bool:
    """Keep the provider's name for an attempt; false where it is settled or has another one."""
    return await connection.execute(_KEEP_REF, ref=ref, **msgspec.structs.asdict(attempt)) > 0


async def planned_fee(connection: Connection, payment_id: UUID, attempt: Attempt) -> int | None:
    """The fee of an attempt in minor units, by its plan's terms; None where no plan has them."""
    terms = await connection.row(_PLANNED_TERMS, payment_id=payment_id, account=attempt.provider)
    return None if terms is None else leg_fee(attempt.amount_minor, **dict(terms))


async def card_key(connection: Connection) -> bytes:
    """The key of the fingerprints of cards; nothing but this database has it."""
    row = await connection.row(_CARD_KEY)
    if row is None:
        raise LookupError("the key of the cards' fingerprints is gone")
    key: bytes = row["value"]
    return key
