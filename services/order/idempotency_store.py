"""Stored answers of POST /orders: one key is one order, and its answer stays the same bytes."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import LargeBinary, bindparam, cast, func, select, text, update

from chassis.database.pool import Connection, statement
from services.order.tables import idempotency

_k = idempotency.c
_this_key = (_k.scope == bindparam("in_scope"), _k.key == bindparam("the_key"))

# A key whose time is over may be claimed again; the order it once made stays what it is.
_CLAIM = statement(
    text(
        "INSERT INTO orders.idempotency AS i (scope, key, request_hash, order_id, locked_until,"
        " expires_at) VALUES (:in_scope, :the_key, :hash, :order,"
        " now() + make_interval(secs => :lock_s), now() + make_interval(secs => :ttl_s))"
        " ON CONFLICT (scope, key) DO UPDATE SET request_hash = excluded.request_hash,"
        " order_id = excluded.order_id, status_code = NULL, response = NULL,"
        " locked_until = excluded.locked_until, expires_at = excluded.expires_at"
        " WHERE i.expires_at <= now() RETURNING order_id"
    ),
    "INSERT orders.idempotency",
)
_FIND = statement(
    select(
        _k.request_hash,
        _k.order_id,
        _k.status_code,
        _k.response,
        (_k.locked_until > text("now()")).label("locked"),
    ).where(*_this_key),
    "SELECT orders.idempotency",
)
# The first answer kept stays, whoever comes second.
_STORE = statement(
    update(idempotency)
    .where(*_this_key)
    .values(
        status_code=func.coalesce(_k.status_code, bindparam("status", type_=_k.status_code.type)),
        response=func.coalesce(_k.response, cast(bindparam("body"), LargeBinary)),
    )
    .returning(_k.status_code, _k.response),
    "UPDATE orders.idempotency",
)
_DISOWN = statement(
    text(
        "UPDATE orders.idempotency SET order_id = NULL"
        " WHERE scope = :in_scope AND key = :the_key AND order_id = :order"
    ),
    "UPDATE orders.idempotency",
)
_FORGET = statement(
    text(
        "DELETE FROM orders.idempotency WHERE (scope, key) IN (SELECT scope, key FROM"
        " orders.idempotency WHERE expires_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED)"
    ),
    "DELETE orders.idempotency",
)


class Key(msgspec.Struct, frozen=True):
    """A client's key within its scope, and what the request meant."""

    scope: str
    key: str
    request_hash: bytes

    @property
    def where(self) -> dict[str, Any]:
        """As statement parameters."""
        return {"in_scope": self.scope, "the_key": self.key}


class Claimed(msgspec.Struct, frozen=True):
    """What is known under a key that was claimed before."""

    key: Key
    request_hash: bytes
    order_id: UUID | None
    status_code: int | None
    response: bytes | None
    locked: bool


async def claim(
    tx: Connection, key: Key, order_id: UUID, *, lock_s: float, ttl_s: float
) -> Claimed | None:
    """Claim the key in the order's own transaction; what is there already if it is taken."""
    row = await tx.row(
        _CLAIM, hash=key.request_hash, order=order_id, lock_s=lock_s, ttl_s=ttl_s, **key.where
    )
    if row is not None:
        return None
    found = await tx.row(_FIND, **key.where)
    return None if found is None else Claimed(key, **dict(found))


async def keep(c: Connection, key: Key, status_code: int, body: bytes) -> tuple[int, bytes]:
    """Keep the answer, and say which one is kept: the first one stays."""
    row = await c.row(_STORE, status=status_code, body=body, **key.where)
    return (status_code, body) if row is None else (row["status_code"], row["response"])


async def disown(tx: Connection, key: Key, order_id: UUID) -> None:
    """The key's answer is about no order: none could be made."""
    await tx.execute(_DISOWN, order=order_id, **key.where)


async def forget_expired(c: Connection) -> int:
    """Drop keys whose time is over, a bounded number at a time."""
    return await c.execute(_FORGET)
