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
        "SELECT c.payment_ref, a.leg_n, count(*) FROM gateway.charges c"
        " LEFT JOIN payments.attempts a USING (gw_key) WHERE c.state = 'CAPTURED'"
        " GROUP BY c.payment_ref, a.leg_n HAVING count(*) > 1"
    ),
    "said SUCCEEDED, not captured": (
        "SELECT p.payment_id FROM payments.payments p WHERE p.state = 'SUCCEEDED'"
        " AND p.amount_minor IS DISTINCT FROM"
        " (SELECT sum(c.amount_minor) FROM gateway.charges c"
        "  WHERE c.payment_ref = p.payment_id::text AND c.state = 'CAPTURED')"
    ),
    "said over, still captured or held": (
        "SELECT p.payment_id, p.state FROM payments.payments p JOIN gateway.charges c"
        " ON c.payment_ref = p.payment_id::text AND c.state IN ('CAPTURED', 'AUTHORISED')"
        " WHERE p.state IN ('FAILED', 'CANCELLED', 'REFUNDED')"
    ),
    "ledger out of balance": (
        "SELECT payment_id FROM payments.ledger GROUP BY payment_id, leg_n, kind, currency"
        " HAVING sum(amount_minor) <> 0"
    ),
    "two live attempts": (
        "SELECT payment_id FROM payments.attempts"
        " WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED')"
        " GROUP BY payment_id, leg_n HAVING count(*) > 1"
    ),
    # Of several legs any may be the last to follow.
    "attempt and payment disagree": (
        "SELECT p.payment_id, p.state, array_agg(a.state) FROM payments.payments p"
        " JOIN (SELECT DISTINCT ON (payment_id, leg_n) payment_id, leg_n, state"
        "  FROM payments.attempts JOIN payments.legs l USING (payment_id, leg_n)"
        "  WHERE plan_n = (SELECT max(plan_n) FROM payments.legs WHERE payment_id = l.payment_id)"
        "  ORDER BY payment_id, leg_n, n DESC) a USING (payment_id)"
        " GROUP BY p.payment_id"
        " HAVING bool_or((p.state, a.state) NOT IN ("
        "('PROCESSING', 'IN_FLIGHT'), ('PROCESSING', 'UNKNOWN'), ('CANCELLING', 'IN_FLIGHT'),"
        "('CANCELLING', 'UNKNOWN'), ('SUCCEEDED', 'SUCCEEDED'), ('REFUND_PENDING', 'SUCCEEDED'),"
        "('FAILED', 'FAILED'), ('CANCELLED', 'VOIDED'), ('REFUNDED', 'REFUNDED')))"
        " AND (count(DISTINCT a.leg_n) = 1 OR p.state = 'SUCCEEDED'"
        " OR p.state IN ('FAILED', 'CANCELLED', 'REFUNDED')"
        "  AND bool_or(a.state NOT IN ('FAILED', 'VOIDED', 'REFUNDED')))"
    ),
    "ledger and attempts disagree": (
        "SELECT payment_id, leg_n FROM (SELECT payment_id, leg_n, amount_minor AS minor"
        " FROM payments.attempts WHERE state = 'SUCCEEDED' UNION ALL"
        " SELECT payment_id, leg_n, -amount_minor FROM payments.ledger"
        " WHERE account = 'gateway_clearing') t"
        " GROUP BY payment_id, leg_n HAVING sum(minor) <> 0"
    ),
}
# Once nothing is under way any more, also these.
_AT_REST = {
    "unfinished": (
        "SELECT payment_id, state FROM payments.payments"
        " WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
    ),
    "money in doubt": (
        "SELECT payment_id FROM payments.attempts"
        " WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED')"
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
