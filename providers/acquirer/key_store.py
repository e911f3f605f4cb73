"""Idempotency keys in SQL: one row a key, written in the transaction that does what it asks."""

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from providers.acquirer.domain import Account

# Held until the transaction ends, so that a second request finds it taken and need not wait.
_LOCK = statement(
    text(
        "SELECT pg_try_advisory_xact_lock("
        "  hashtextextended('acquirer:' || :account || ':' || :key, 0)) AS locked"
    ),
    "SELECT lock of acquirer.idempotency_keys",
)
_FIND = statement(
    text(
        "SELECT request_hash, status_code, response, request_id FROM acquirer.idempotency_keys"
        " WHERE account = :account AND key = :key"
        " AND created_at > now() - make_interval(secs => :ttl_s)"
    ),
    "SELECT acquirer.idempotency_keys",
)
# Whoever keeps a result holds the key and found nothing alive under it: what is there has expired.
_KEEP = statement(
    text(
        "INSERT INTO acquirer.idempotency_keys"
        "   (account, key, request_hash, status_code, response, request_id)"
        " VALUES (:account, :key, :request_hash, :status_code, :response, :request_id)"
        " ON CONFLICT (account, key) DO UPDATE SET request_hash = excluded.request_hash,"
        "   status_code = excluded.status_code, response = excluded.response,"
        "   request_id = excluded.request_id, created_at = now()"
    ),
    "INSERT acquirer.idempotency_keys",
)
_PURGE = statement(
    text(
        "DELETE FROM acquirer.idempotency_keys"
        " WHERE created_at <= now() - make_interval(secs => :ttl_s)"
    ),
    "DELETE acquirer.idempotency_keys expired",
)


class StoredResult(msgspec.Struct, frozen=True):
    """What a key's first request asked for, and what it got."""

    request_hash: bytes
    status_code: int
    response: bytes
    request_id: str


async def lock(tx: Connection, account: Account, key: str) -> bool:
    """Take the key until the transaction ends; false while another request has it."""
    row = await tx.row(_LOCK, account=account.name, key=key)
    return row is not None and bool(row["locked"])


async def find(tx: Connection, account: Account, key: str, ttl_s: float) -> StoredResult | None:
    """What the key's first request got, while it lives."""
    row = await tx.row(_FIND, account=account.name, key=key, ttl_s=ttl_s)
    return None if row is None else StoredResult(**dict(row))


async def keep(tx: Connection, account: Account, key: str, result: StoredResult) -> None:
    """Keep the result together with its effect."""
    await tx.execute(_KEEP, account=account.name, key=key, **msgspec.structs.asdict(result))


async def purge(c: Connection, ttl_s: float) -> int:
    """Delete the keys that have expired."""
    return await c.execute(_PURGE, ttl_s=ttl_s)
