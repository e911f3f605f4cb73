"""What is not finished, in SQL: due payments, money in doubt, captures that should not exist."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import literal_column, or_, text

from chassis.database.pool import Connection, statement
from chassis.due_work import DueWork, backoff
from services.payment.connectors import Capture, CapturePlace
from services.payment.tables import payments

# Twenty unanswered attempts, backing off to the maximum, are about eight minutes.
REVIEW_AFTER_ATTEMPTS = 20

_attempts = payments.c.attempts + literal_column("1")
PAYMENTS_DUE = DueWork(
    payments,
    key=payments.c.order_id,
    state=payments.c.state,
    # The partial index payments_due has the same words.
    due="state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')",
    # Half to one and a half of the backoff, so that what failed together is not tried together.
    again_s=backoff(payments.c.attempts, floor=0.5),
    on_claim={
        "attempts": _attempts,
        "needs_review": or_(
            payments.c.needs_review, _attempts >= literal_column(str(REVIEW_AFTER_ATTEMPTS))
        ),
    },
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
_ORPHANS = statement(
    text(
        "SELECT c.gw_key, a.order_id, a.n, p.state"
        " FROM unnest(:gw_keys ::text[]) AS c (gw_key)"
        " LEFT JOIN payments.attempts a ON a.gw_key = c.gw_key"
        " LEFT JOIN payments.payments p ON p.order_id = a.order_id"
        " WHERE p.state IS NULL OR p.state IN ('CANCELLED', 'CANCELLING', 'FAILED')"
    ),
    "SELECT payments.attempts orphans",
)

_ADOPT = statement(
    text(
        "WITH adopted AS ("
        " INSERT INTO payments.payments"
        "   (order_id, amount_minor, currency, state, cancel_reason, made_by)"
        " VALUES (:order_id, :amount_minor, :currency, 'CANCELLED', 'NEVER_ASKED_FOR', 'capture')"
        " ON CONFLICT DO NOTHING RETURNING order_id, amount_minor, currency)"
        " INSERT INTO payments.attempts"
        "   (order_id, n, provider, gw_key, amount_minor, currency, state)"
        " SELECT order_id, 1, :provider, :gw_key, amount_minor, currency, 'VOIDED' FROM adopted"
        " RETURNING order_id"
    ),
    "INSERT payments.payments adopted",
)
_SWEPT_TO = statement(
    text(
        "SELECT captured_at, gw_key FROM payments.sweeps"
        " WHERE provider = :provider AND pass = :sweep"
    ),
    "SELECT payments.sweeps",
)
# A capture that is stamped ahead of our time does not push the place ahead of what comes now.
_KEEP_SWEPT = statement(
    text(
        "INSERT INTO payments.sweeps AS s (provider, pass, captured_at, gw_key)"
        " VALUES (:provider, :sweep, least(:captured_at ::timestamptz, now()), :gw_key)"
        " ON CONFLICT (provider, pass) DO UPDATE SET captured_at = excluded.captured_at,"
        "   gw_key = excluded.gw_key, updated_at = now()"
        " WHERE s.pass = 'all'"
        "   OR (excluded.captured_at, excluded.gw_key) > (s.captured_at, s.gw_key)"
    ),
    "INSERT payments.sweeps",
)
_SWEEP_ANEW = statement(
    text("DELETE FROM payments.sweeps WHERE provider = :provider AND pass = :sweep"),
    "DELETE payments.sweeps",
)
Sweep = Literal["newest", "all"]


class Doubt(msgspec.Struct, frozen=True):
    """Money whose whereabouts are not known now, and how many payments need a human."""

    in_doubt_minor: float
    needing_review: int


class OrphanCapture(msgspec.Struct, frozen=True):
    """A capture that belongs to a cancelled payment, or (no order id) to none at all."""

    gw_key: str
    order_id: UUID | None
    n: int | None


async def doubt(connection: Connection) -> Doubt:
    """The figures as they are now."""
    row = await connection.row(_DOUBT)
    return Doubt(0.0, 0) if row is None else Doubt(row["in_doubt_minor"], row["needing_review"])


async def orphan_captures(connection: Connection, gw_keys: Sequence[str]) -> list[OrphanCapture]:
    """Which of these captures should not exist."""
    rows = await connection.rows(_ORPHANS, gw_keys=list(gw_keys))
    return [OrphanCapture(row["gw_key"], row["order_id"], row["n"]) for row in rows]


async def swept_to(connection: Connection, provider: str, sweep: Sweep) -> CapturePlace | None:
    """How far the provider's captures were read, if they were."""
    row = await connection.row(_SWEPT_TO, provider=provider, sweep=sweep)
    return None if row is None else CapturePlace(row["captured_at"], row["gw_key"])


async def keep_swept(
    connection: Connection, provider: str, sweep: Sweep, place: CapturePlace | None
) -> None:
    """Keep how far they were read; without a place the next turn begins with the first capture.
    Of two readers of the newest ones the further place stays."""
    if place is None:
        await connection.execute(_SWEEP_ANEW, provider=provider, sweep=sweep)
        return
    values = {"captured_at": place.captured_at, "gw_key": place.gw_key}
    await connection.execute(_KEEP_SWEPT, provider=provider, sweep=sweep, **values)


async def adopt(connection: Connection, capture: Capture, order_id: UUID, provider: str) -> bool:
    """Make a cancelled payment for a capture this database has never heard of (it was restored
    from a backup, say), so that it can be posted and refunded; false when there is a payment."""
    row = await connection.row(
        _ADOPT,
        order_id=order_id,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        provider=provider,
        gw_key=capture.gw_key,
    )
    return row is not None
