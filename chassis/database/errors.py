"""What asking a database may raise when it gives no answer: it is away, starting or full."""

import asyncpg

UNANSWERED = (
    OSError,  # no connection, and every timeout
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
