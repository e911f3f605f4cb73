"""Migration 0013, taken back: the older program finds its own rows, and no account's secret."""

import asyncio

import asyncpg

from fleet import migrate


async def test_taken_back_it_leaves_the_card_key_and_no_secret_of_a_webhook(
    database_url: str, connection: asyncpg.Connection
):
    key = await connection.fetchval("SELECT value FROM payments.secrets")
    await connection.execute(
        "INSERT INTO payments.secrets VALUES ('webhook alfa', 'whsec_0123456789abcdef');"
        "INSERT INTO payments.webhook_endpoints (account, endpoint, url)"
        " VALUES ('alfa', 'we_1', 'x');"
        "INSERT INTO payments.provider_events (provider, event_id, type, happened_at)"
        " VALUES ('alfa', 'evt_1', 'payment_intent.succeeded', now())"
    )
    await asyncio.to_thread(migrate._run, database_url, "downgrade", "0012")  # noqa: SLF001
    rows = await connection.fetch("SELECT name, value FROM payments.secrets")
    assert [tuple(row) for row in rows] == [("card fingerprints", key)]
