"""What must be true of merchants' payments once nothing is under way, and figures of them.

The acquirer's own tables are the truth about money; the proof is asked apart."""

from typing import Any

import asyncpg

from tests.providers.acquirer.promises import broken_promises

# Each gives the rows that break it.
_AT_REST = {
    "not in a final state": """
        SELECT payment_id, state FROM payments.payments JOIN payments.plans USING (payment_id)
        WHERE state NOT IN ('SUCCEEDED', 'FAILED')""",
    "waits for a human": "SELECT payment_id FROM payments.payments WHERE needs_review",
    "taken is neither nothing nor the amount": """
        SELECT p.payment_id, p.state, p.amount_minor, coalesce(sum(b.amount_minor), 0)
        FROM payments.payments p
        JOIN (SELECT DISTINCT payment_id FROM payments.plans) planned USING (payment_id)
        LEFT JOIN acquirer.intents i ON i.metadata ->> 'payment' = p.payment_id::text
        LEFT JOIN acquirer.balance_transactions b ON b.intent = i.id
        GROUP BY p.payment_id
        HAVING coalesce(sum(b.amount_minor), 0)
            <> CASE p.state WHEN 'SUCCEEDED' THEN p.amount_minor ELSE 0 END""",
    "a leg was taken twice": """
        SELECT a.payment_id, a.leg_n FROM acquirer.charges c
        JOIN acquirer.intents i ON i.id = c.intent
        JOIN payments.attempts a ON a.gw_key = i.metadata ->> 'attempt'
        WHERE c.status = 'succeeded' AND c.captured_minor > c.refunded_minor
        GROUP BY a.payment_id, a.leg_n HAVING count(*) > 1""",
    "money is still held": """
        SELECT id, intent FROM acquirer.charges
        WHERE status = 'succeeded' AND captured_minor = 0 AND NOT released""",
    "asked for, for nobody": """
        SELECT i.id FROM acquirer.intents i
        LEFT JOIN payments.payments p ON i.metadata ->> 'payment' = p.payment_id::text
        WHERE p.payment_id IS NULL""",
}
_FIGURES = {
    "payments": "SELECT state, count(*) FROM payments.payments GROUP BY 1",
    "taken in so many legs": """
        SELECT legs, count(*) FROM (SELECT count(DISTINCT leg_n) AS legs FROM payments.ledger
          GROUP BY payment_id) taken GROUP BY 1""",
    "plans": "SELECT plan_n, count(*) FROM payments.plans GROUP BY 1",
    "breakers": """
        SELECT dst, count(*) FROM payments.breaker_transitions WHERE src IS NOT NULL GROUP BY 1""",
    "events kept": "SELECT result, count(*) FROM payments.provider_events GROUP BY 1",
}


async def broken_at_rest(connection: asyncpg.Connection) -> dict[str, list[Any]]:
    """What is not as it must be, each with the first rows that break it; the acquirer's own
    promises too."""
    broken = dict(await broken_promises(connection))
    for what, sql in _AT_REST.items():
        if rows := await connection.fetch(sql):
            broken[what] = [tuple(row) for row in rows[:5]]
    return broken


async def figures(connection: asyncpg.Connection) -> dict[str, dict[Any, int]]:
    """How many payments, legs, plans, breakers and events came to what."""
    return {what: dict(await connection.fetch(sql)) for what, sql in _FIGURES.items()}
