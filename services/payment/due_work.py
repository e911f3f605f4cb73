"""What is not finished, in SQL: due payments, money in doubt, captures that should not exist."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import literal_column, or_, text

from chassis.database.pool import Connection, Row, statement
from chassis.due_work import DueWork, backoff
from gateways import CapturePlace
from services.payment.domain import AttemptId
from services.payment.tables import payments

# Twenty unanswered attempts, backing off to the maximum, are about eight minutes.
REVIEW_AFTER_ATTEMPTS = 20

_attempts = payments.c.attempts + literal_column("1")
PAYMENTS_DUE = DueWork(
    payments,
    key=payments.c.payment_id,
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
        "   (SELECT count(*) FROM payments.payments WHERE needs_review) AS needing_review,"
        "   (SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8"
        "    FROM payments.provider_events WHERE processed_at IS NULL) AS webhook_lag_s,"
        "   (SELECT coalesce(extract(epoch FROM now() - min(found_at)), 0)::float8"
        "    FROM payments.reconciliation_breaks WHERE state = 'open') AS oldest_break_s,"
        "   (SELECT jsonb_object_agg(kind, n) FROM (SELECT kind, count(*) AS n"
        "    FROM payments.reconciliation_breaks WHERE state = 'open' GROUP BY kind) k) AS breaks"
        " FROM payments.payments p JOIN payments.attempts a USING (payment_id)"
        " WHERE p.state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
        "   AND (a.state IN ('IN_FLIGHT', 'UNKNOWN') OR a.state = 'AUTHORISED' AND EXISTS ("
        "     SELECT FROM payments.decisions d"
        "     WHERE d.payment_id = p.payment_id AND d.kind = 'capture'))"
    ),
    "SELECT money in doubt",
)
# Of these captures at the gateway, the ones that are not money rightly taken: the payment was
# cancelled or declined, the leg was given up, or the attempt has never been heard of.
_ORPHANS = statement(
    text(
        "SELECT c.gw_key, a.payment_id, a.leg_n, a.n"
        " FROM unnest(:gw_keys ::text[]) AS c (gw_key)"
        " LEFT JOIN payments.attempts a ON a.gw_key = c.gw_key"
        " LEFT JOIN payments.payments p ON p.payment_id = a.payment_id"
        " WHERE p.state IS NULL OR p.state IN ('CANCELLED', 'CANCELLING', 'FAILED')"
        "   OR a.state IN ('VOIDED', 'FAILED')"
    ),
    "SELECT payments.attempts orphans",
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
    """Money whose whereabouts are not known now, how many payments need a human, how long the
    oldest event waits, and the differences that a reconciliation found, by kind."""

    in_doubt_minor: float
    needing_review: int
    webhook_lag_s: float = 0.0
    oldest_break_s: float = 0.0
    open_breaks: dict[str, int] = {}


class OrphanCapture(msgspec.Struct, frozen=True):
    """A capture that belongs to an attempt of a cancelled payment, or (None) to none at all."""

    gw_key: str
    attempt: AttemptId | None


async def doubt(connection: Connection) -> Doubt:
    """The figures as they are now."""
    row = await connection.row(_DOUBT)
    if row is None:
        return Doubt(0.0, 0)
    return Doubt(
        row["in_doubt_minor"],
        row["needing_review"],
        row["webhook_lag_s"],
        row["oldest_break_s"],
        row["breaks"] or {},
    )


async def orphan_captures(connection: Connection, gw_keys: Sequence[str]) -> list[OrphanCapture]:
    """Which of these captures should not exist."""
    rows = await connection.rows(_ORPHANS, gw_keys=list(gw_keys))
    return [OrphanCapture(row["gw_key"], _attempt_id(row)) for row in rows]


def _attempt_id(row: Row) -> AttemptId | None:
    if row["payment_id"] is None:
        return None
    return AttemptId(row["payment_id"], row["leg_n"], row["n"])


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
