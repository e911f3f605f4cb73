"""What is waiting, in SQL: due payments, money in doubt, captures that should not have been."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from services.payment.connectors import Capture

# Twenty unanswered looks, backing off to the maximum, are about eight minutes.
REVIEW_AFTER_PROBES = 20

# Claiming is moving the due time: no lease to expire, and two probers on one payment are harmless.
# Half to one and a half of the backoff, so that what failed together is not retried together.
_CLAIM = statement(
    text(
        "UPDATE payments.payments SET attempts = attempts + 1,"
        "   needs_review = needs_review OR attempts + 1 >= :review_after,"
        "   next_attempt_at = now() + make_interval(secs =>"
        "     least(:max_s ::float8, :base_s * 2 ^ least(attempts, 20)) * (0.5 + random()))"
        " WHERE order_id IN ("
        "   SELECT order_id FROM payments.payments"
        "   WHERE next_attempt_at <= now()"
        "     AND state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
        "   ORDER BY next_attempt_at LIMIT :batch FOR UPDATE SKIP LOCKED)"
        " RETURNING order_id"
    ),
    "UPDATE payments.payments claim",
)
_DOUBT = statement(
    text(
        "SELECT coalesce(sum(a.amount_minor), 0)::float8 AS in_doubt_minor,"
        "   (SELECT count(*) FROM payments.payments WHERE needs_review) AS needing_review"
        " FROM payments.payments p JOIN payments.attempts a USING (order_id)"
        " WHERE p.state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
        "   AND a.state IN ('IN_FLIGHT', 'UNKNOWN')"
    ),
    "SELECT money in doubt",
)
# Of these captures at the gateway, the ones that are not money rightly taken: the payment was
# cancelled or declined, or the attempt has never been heard of.
_FUGITIVE = statement(
    text(
        "SELECT c.gw_key, a.order_id, a.n, p.state"
        " FROM unnest(:gw_keys ::text[]) AS c (gw_key)"
        " LEFT JOIN payments.attempts a ON a.gw_key = c.gw_key"
        " LEFT JOIN payments.payments p ON p.order_id = a.order_id"
        " WHERE p.state IS NULL OR p.state IN ('CANCELLED', 'CANCELLING', 'FAILED')"
    ),
    "SELECT payments.attempts fugitive",
)

_ADOPT = statement(
    text(
        "WITH adopted AS ("
        " INSERT INTO payments.payments (order_id, amount_minor, currency, state, cancel_reason)"
        " VALUES (:order_id, :amount_minor, :currency, 'CANCELLED', 'NEVER_ASKED_FOR')"
        " ON CONFLICT DO NOTHING RETURNING order_id, amount_minor, currency)"
        " INSERT INTO payments.attempts"
        "   (order_id, n, provider, gw_key, amount_minor, currency, state)"
        " SELECT order_id, 1, :provider, :gw_key, amount_minor, currency, 'VOIDED' FROM adopted"
        " RETURNING order_id"
    ),
    "INSERT payments.payments adopted",
)


class Doubt(msgspec.Struct, frozen=True):
    """How much money nobody can vouch for at the moment, and how many payments need a human."""

    in_doubt_minor: float
    needing_review: int


class OrphanCapture(msgspec.Struct, frozen=True):
    """A capture that belongs to a cancelled payment, or (no order id) to none at all."""

    gw_key: str
    order_id: UUID | None
    n: int | None


async def claim_due(
    connection: Connection, *, batch: int, base_s: float, max_s: float
) -> list[UUID]:
    """Payments whose time has come, claimed by making them due again later."""
    rows = await connection.rows(
        _CLAIM, batch=batch, base_s=base_s, max_s=max_s, review_after=REVIEW_AFTER_PROBES
    )
    return [row["order_id"] for row in rows]


async def doubt(connection: Connection) -> Doubt:
    """The figures of the moment."""
    row = await connection.row(_DOUBT)
    return Doubt(0.0, 0) if row is None else Doubt(row["in_doubt_minor"], row["needing_review"])


async def orphan_captures(connection: Connection, gw_keys: Sequence[str]) -> list[OrphanCapture]:
    """Which of these captures should not be there."""
    rows = await connection.rows(_FUGITIVE, gw_keys=list(gw_keys))
    return [OrphanCapture(row["gw_key"], row["order_id"], row["n"]) for row in rows]


async def adopt(connection: Connection, capture: Capture, order_id: UUID, provider: str) -> bool:
    """Make a cancelled payment for a capture this database has never heard of (it was restored
    from a backup, say), so that it can be booked and refunded; false when there is a payment."""
    row = await connection.row(
        _ADOPT,
        order_id=order_id,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        provider=provider,
        gw_key=capture.gw_key,
    )
    return row is not None
