"""The acquirer's promises: what must be true of its tables whatever was asked of it at once."""

import asyncpg

# Each gives the rows that break its promise.
PROMISES = {
    "an intent has at most one charge that succeeded": """
        SELECT intent FROM acquirer.charges WHERE status = 'succeeded'
        GROUP BY intent HAVING count(*) > 1""",
    "what an intent received is what its charge captured": """
        SELECT i.id FROM acquirer.intents i
        LEFT JOIN acquirer.charges c ON c.intent = i.id AND c.status = 'succeeded'
        WHERE i.received_minor <> coalesce(c.captured_minor, 0)""",
    "each charge is captured by one line, for its amount": """
        SELECT c.id FROM acquirer.charges c
        LEFT JOIN acquirer.balance_transactions b ON b.source = c.id
        WHERE c.captured_minor <> coalesce(b.amount_minor, 0)
           OR c.balance_transaction IS DISTINCT FROM b.id""",
    "each refund is one line, for its amount": """
        SELECT r.id FROM acquirer.refunds r
        LEFT JOIN acquirer.balance_transactions b ON b.id = r.balance_transaction
        WHERE (b.source, b.type, b.amount_minor, b.fee_minor)
              IS DISTINCT FROM (r.id, 'refund', -r.amount_minor, 0::bigint)""",
    "a charge was refunded as much as its refunds say, and no more than was captured": """
        SELECT c.id FROM acquirer.charges c
        LEFT JOIN acquirer.refunds r ON r.charge = c.id
        GROUP BY c.id
        HAVING c.refunded_minor <> coalesce(sum(r.amount_minor), 0)
            OR c.refunded_minor > c.captured_minor""",
    "every line is of a charge or of a refund": """
        SELECT b.id FROM acquirer.balance_transactions b
        WHERE NOT EXISTS (SELECT FROM acquirer.charges c WHERE c.id = b.source)
          AND NOT EXISTS (SELECT FROM acquirer.refunds r WHERE r.id = b.source)""",
    "a line's fee is that of its account, rounded up once": """
        SELECT b.id FROM acquirer.balance_transactions b JOIN acquirer.accounts a
            ON a.name = b.account
        WHERE b.type = 'charge' AND b.fee_minor
              <> ceil(b.amount_minor * a.fee_basis_points / 10000.0) + a.fee_fixed_minor""",
    "the capacity in use is what was captured or is held": """
        SELECT a.name FROM acquirer.accounts a
        LEFT JOIN acquirer.volumes v ON v.account = a.name
        WHERE coalesce(v.authorised_minor, 0) <> (
          SELECT coalesce(sum(CASE WHEN c.released THEN 0 WHEN c.captured_minor > 0
                                   THEN c.captured_minor ELSE c.amount_minor END), 0)
          FROM acquirer.charges c WHERE c.account = a.name AND c.status = 'succeeded')""",
}


async def broken_promises(tables: asyncpg.Connection) -> dict[str, list[str]]:
    """The promises that do not hold, each with what breaks it."""
    found = {what: await tables.fetch(sql) for what, sql in PROMISES.items()}
    return {what: [row[0] for row in rows] for what, rows in found.items() if rows}
