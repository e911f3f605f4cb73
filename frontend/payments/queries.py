"""Reads payments, read-only, for their pages and the JSON API (docs/decisions/0013)."""

# ruff: noqa: S608 - only this module's own constants are put into these statements.

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Database, Row, statement
from chassis.http.problems import invalid_parameter
from frontend.payments.records import (
    BreakerChange,
    DecisionRecord,
    LedgerLine,
    PaymentChoices,
    PaymentDetails,
    PaymentFilter,
    PaymentPage,
    PaymentRecord,
    PlanRecord,
    RefundRecord,
    StateChange,
    TryRecord,
    UnpaidRequest,
)

T = TypeVar("T")

# More than one screen, and quick to render.
PAGE = 50

_PAYMENT = """
  SELECT p.payment_id::text AS payment_id, p.order_id::text AS order_id,
    r.merchant_id, r.request_id, p.state, p.amount_minor, p.currency, p.decline_code,
    p.cancel_reason, p.needs_review,
    (SELECT sum((leg ->> 'fee_minor')::bigint)::bigint
     FROM payments.plans n, jsonb_array_elements(n.legs) leg
     WHERE n.payment_id = p.payment_id
       AND n.plan_n = (SELECT max(plan_n) FROM payments.plans WHERE payment_id = p.payment_id)
    ) AS fee_minor,
    a.legs, a.tries, a.providers, coalesce(split_part(p.traceparent, '-', 2), '') AS trace_id,
    p.created_at, p.updated_at
  FROM payments.payments p
  LEFT JOIN payments.requests r ON r.payment_id = p.payment_id
  CROSS JOIN LATERAL (SELECT count(*)::int AS tries,
      (SELECT count(*)::int FROM payments.legs l WHERE l.payment_id = p.payment_id AND l.plan_n = (
        SELECT max(plan_n) FROM payments.legs WHERE payment_id = p.payment_id)) AS legs,
      coalesce(array_agg(DISTINCT provider ORDER BY provider), '{}') AS providers
    FROM payments.attempts WHERE payment_id = p.payment_id) a
"""
_LIST = statement(
    text(
        f"""{_PAYMENT}
  WHERE (:state ::text = '' OR p.state = :state)
    AND (:merchant ::text = '' OR r.merchant_id = :merchant)
    AND (NOT :review ::bool OR p.needs_review)
    AND (:provider ::text = '' OR EXISTS (SELECT FROM payments.attempts t
      WHERE t.payment_id = p.payment_id AND t.provider = :provider))
    AND (:search ::text = '' OR p.payment_id IN (
      SELECT payment_id FROM payments.requests WHERE request_id = :search
      UNION ALL SELECT payment_id FROM payments.payments
      WHERE payment_id = :id ::uuid OR order_id = :id))
    AND (p.created_at, p.payment_id) < (:before_at ::timestamptz, :before_id ::uuid)
  ORDER BY p.created_at DESC, p.payment_id DESC LIMIT :most"""
    ),
    "SELECT payments page",
)
_UNPAID = statement(
    text(
        "SELECT merchant_id, request_id, status_code AS status, answer, at FROM payments.requests"
        " WHERE request_id = :search AND payment_id IS NULL ORDER BY at DESC LIMIT 5"
    ),
    "SELECT unpaid requests",
)
_CHOICES = statement(
    text(
        "SELECT (SELECT array_agg(account ORDER BY account) FROM payments.provider_accounts)"
        " AS providers,"
        " (SELECT array_agg(merchant_id ORDER BY merchant_id) FROM payments.merchants) AS merchants"
    ),
    "SELECT payment choices",
)
_ONE = statement(text(f"{_PAYMENT} WHERE p.payment_id = :payment_id"), "SELECT payment")
_PLAN = statement(
    text(
        "SELECT plan_n, at, merchant_id, inputs, legs, certificate,"
        " ARRAY(SELECT jsonb_object_keys(methods) ORDER BY 1) AS accounts"
        " FROM payments.plans WHERE payment_id = :payment_id ORDER BY plan_n DESC"
    ),
    "SELECT plan",
)
_TRIES = statement(
    text(
        "SELECT leg_n, n, provider, amount_minor, state, detail, provider_ref, created_at"
        " FROM payments.attempts WHERE payment_id = :payment_id ORDER BY leg_n, n LIMIT 100"
    ),
    "SELECT tries",
)
_CHANGES = statement(
    text(
        "SELECT leg_n, n, dst AS state, at, detail FROM payments.attempt_history"
        " WHERE payment_id = :payment_id ORDER BY leg_n, n, id LIMIT 500"
    ),
    "SELECT attempt history",
)
_DECISIONS = statement(
    text(
        "SELECT n, plan_n, kind, leg_n, provider, reason, inputs, at FROM payments.decisions"
        " WHERE payment_id = :payment_id ORDER BY n LIMIT 100"
    ),
    "SELECT decisions",
)
_LEDGER = statement(
    text(
        "SELECT leg_n, kind, line, account, amount_minor, currency, posted_at FROM payments.ledger"
        " WHERE payment_id = :payment_id ORDER BY posted_at, leg_n, kind, line LIMIT 200"
    ),
    "SELECT ledger lines",
)
_REFUNDS = statement(
    text(
        "SELECT leg_n, n, amount_minor, currency, at FROM payments.refunds"
        " WHERE payment_id = :payment_id ORDER BY leg_n, n LIMIT 100"
    ),
    "SELECT refunds",
)
_BREAKERS = statement(
    text(
        "SELECT account, dst AS state, reason, at FROM payments.breaker_transitions b"
        " WHERE account = ANY(:accounts ::text[]) AND at <= :until ::timestamptz"
        "   AND at >= coalesce((SELECT max(at) FROM payments.breaker_transitions"
        "     WHERE account = b.account AND at <= :since ::timestamptz), '-infinity')"
        " ORDER BY at, id LIMIT 200"
    ),
    "SELECT breaker transitions",
)
# The first page begins after every payment.
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


class PaymentQueries:
    """Every query of the pages of payments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: PaymentFilter, most: int = PAGE) -> PaymentPage:
        """The payments that fit, newest first, `most` of them."""
        before_at, before_id = place_of(wanted.before) if wanted.before else _NEWEST
        async with self._database.connect() as connection:
            rows = await connection.rows(
                _LIST,
                state=wanted.state,
                provider=wanted.provider,
                merchant=wanted.merchant,
                review=bool(wanted.review),
                search=wanted.search,
                id=_uuid(wanted.search),
                before_at=before_at,
                before_id=before_id,
                most=most + 1,
            )
            unpaid = await connection.rows(_UNPAID, search=wanted.search) if wanted.search else []
        found = _all(rows[:most], PaymentRecord)
        after = f"{found[-1].created_at.isoformat()}_{found[-1].payment_id}" if found else ""
        return PaymentPage(
            found,
            next=after if len(rows) > most else "",
            unpaid=tuple(_unpaid(row) for row in unpaid),
        )

    async def choices(self) -> PaymentChoices:
        """What the list can be filtered by."""
        async with self._database.connect() as connection:
            row = await connection.row(_CHOICES)
        known = {name: value or () for name, value in dict(row or {}).items()}
        return msgspec.convert(known, PaymentChoices)

    async def payment(self, payment_id: UUID) -> PaymentDetails | None:
        """One payment with all that is stored of it; None if there is no such payment."""
        async with self._database.connect() as connection:
            found = await connection.row(_ONE, payment_id=payment_id)
            if found is None:
                return None
            payment = msgspec.convert(dict(found), PaymentRecord)
            plans = _all(await connection.rows(_PLAN, payment_id=payment_id), PlanRecord)
            planned = plans[0] if plans else None
            return PaymentDetails(
                payment,
                planned,
                await _tries(connection, payment_id),
                _all(await connection.rows(_DECISIONS, payment_id=payment_id), DecisionRecord),
                _all(await connection.rows(_LEDGER, payment_id=payment_id), LedgerLine),
                _all(await connection.rows(_REFUNDS, payment_id=payment_id), RefundRecord),
                await _breakers(connection, payment, planned),
                replaced=plans[1] if len(plans) > 1 else None,
            )


async def _tries(connection: Connection, payment_id: UUID) -> tuple[TryRecord, ...]:
    states: dict[tuple[int, int], list[StateChange]] = {}
    for row in await connection.rows(_CHANGES, payment_id=payment_id):
        change = StateChange(row["state"], row["at"], row["detail"])
        states.setdefault((row["leg_n"], row["n"]), []).append(change)
    return tuple(
        msgspec.structs.replace(each, states=tuple(states.get((each.leg_n, each.n), ())))
        for each in _all(await connection.rows(_TRIES, payment_id=payment_id), TryRecord)
    )


async def _breakers(
    connection: Connection, payment: PaymentRecord, plan: PlanRecord | None
) -> tuple[BreakerChange, ...]:
    """Of every account that was tried or could have been, while the payment moved."""
    planned = () if plan is None else plan.inputs.terms
    accounts = {*payment.providers, *(each.account for each in planned)}
    rows = await connection.rows(
        _BREAKERS,
        accounts=sorted(accounts),
        since=payment.created_at,
        # A breaker opens a moment after what it saw.
        until=payment.updated_at + timedelta(seconds=60),
    )
    return _all(rows, BreakerChange)


def _unpaid(row: Row) -> UnpaidRequest:
    try:
        answer = msgspec.json.decode(row["answer"] or b"{}")
    except msgspec.DecodeError:
        answer = {}
    return UnpaidRequest(
        row["merchant_id"],
        row["request_id"],
        row["status"] or 0,
        str(answer.get("detail", "")),
        row["at"],
    )


def place_of(before: str) -> tuple[datetime, UUID]:
    """Where a page begins, as `PaymentPage.next` has it; raises `Problem` (400) otherwise."""
    at, _, number = before.rpartition("_")
    known = _uuid(number)
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        known = None
    if known is None:
        raise invalid_parameter("before", "must be the `next` of the page before")
    return moment, known


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def _all(rows: Sequence[Row], shape: type[T]) -> tuple[T, ...]:
    return tuple(msgspec.convert(dict(row), shape) for row in rows)
