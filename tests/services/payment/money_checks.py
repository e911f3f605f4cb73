"""What must be true of our rows, our ledger and the provider's record, as small queries."""

from typing import Any

import asyncpg


async def violations(eyes: asyncpg.Connection) -> dict[str, list[Any]]:
    """The money invariants that must hold at every instant, each with the rows that break it."""
    return {
        name: rows
        for name, sql in _INVARIANTS.items()
        if (rows := [tuple(row) for row in await eyes.fetch(sql)])
    }


_INVARIANTS = {
    "charged twice": (
        "SELECT payment_ref, count(*) FROM gateway.charges WHERE state = 'CAPTURED'"
        " GROUP BY payment_ref HAVING count(*) > 1"
    ),
    "said SUCCEEDED, not captured": (
        "SELECT p.payment_id FROM payments.payments p WHERE p.state = 'SUCCEEDED' AND NOT EXISTS"
        " (SELECT 1 FROM gateway.charges c WHERE c.payment_ref = p.payment_id::text"
        "  AND c.state = 'CAPTURED' AND c.amount_minor = p.amount_minor)"
    ),
    "said over, still captured": (
        "SELECT p.payment_id, p.state FROM payments.payments p JOIN gateway.charges c"
        " ON c.payment_ref = p.payment_id::text AND c.state = 'CAPTURED'"
        " WHERE p.state IN ('FAILED', 'CANCELLED', 'REFUNDED')"
    ),
    "ledger out of balance": (
        "SELECT payment_id FROM payments.ledger GROUP BY payment_id, leg_n, kind, currency"
        " HAVING sum(amount_minor) <> 0"
    ),
    "two live attempts": (
        "SELECT payment_id FROM payments.attempts"
        " WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED')"
        " GROUP BY payment_id, leg_n HAVING count(*) > 1"
    ),
    "attempt and payment disagree": (
        "SELECT p.payment_id, p.state, a.state FROM payments.payments p"
        " JOIN payments.attempts a USING (payment_id) WHERE (p.state, a.state) NOT IN ("
        "('PROCESSING', 'IN_FLIGHT'), ('PROCESSING', 'UNKNOWN'), ('CANCELLING', 'IN_FLIGHT'),"
        "('CANCELLING', 'UNKNOWN'), ('SUCCEEDED', 'SUCCEEDED'), ('REFUND_PENDING', 'SUCCEEDED'),"
        "('FAILED', 'FAILED'), ('CANCELLED', 'VOIDED'), ('REFUNDED', 'REFUNDED'))"
    ),
    "ledger and states disagree": (
        "SELECT p.payment_id, p.state, sum(l.amount_minor) FROM payments.payments p"
        " LEFT JOIN payments.ledger l ON l.payment_id = p.payment_id"
        " AND l.account = 'gateway_clearing' GROUP BY p.payment_id"
        " HAVING coalesce(sum(l.amount_minor), 0) <>"
        " CASE WHEN p.state IN ('SUCCEEDED', 'REFUND_PENDING') THEN p.amount_minor ELSE 0 END"
    ),
}
# Once nothing is under way any more, also these.
_AT_REST = {
    "unfinished": (
        "SELECT payment_id, state FROM payments.payments"
        " WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
    ),
    "money in doubt": (
        "SELECT payment_id FROM payments.attempts WHERE state IN ('IN_FLIGHT', 'UNKNOWN')"
    ),
    "clearing is not what the provider holds": (
        "SELECT ours, theirs FROM"
        " (SELECT coalesce(sum(amount_minor), 0) AS ours FROM payments.ledger"
        "  WHERE account = 'gateway_clearing') o,"
        " (SELECT coalesce(sum(amount_minor), 0) AS theirs FROM gateway.charges"
        "  WHERE state = 'CAPTURED') t WHERE ours <> theirs"
    ),
    "waits for a human": "SELECT payment_id FROM payments.payments WHERE needs_review",
}


async def unsettled(eyes: asyncpg.Connection) -> dict[str, list[Any]]:
    """What is not settled yet, and any violation."""
    return await violations(eyes) | {
        name: rows
        for name, sql in _AT_REST.items()
        if (rows := [tuple(row) for row in await eyes.fetch(sql)])
    }
