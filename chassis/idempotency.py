"""One key is one request, and its first answer stays the same bytes: header, claim, replay.

A key is claimed in the transaction that makes what it is for, so there is never one without the
other, and it lives as long: no later request makes a second thing under it. A service whose row is
itself the record of its key needs only the header's half of this."""

import hashlib
import logging
import re
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    Float,
    LargeBinary,
    Table,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.database.pool import Connection, Statement, statement
from chassis.due_work import in_seconds
from chassis.http.asgi import Scope
from chassis.http.problems import Problem

logger = logging.getLogger(__name__)

# ---- the header ----------------------------------------------------------------------------------

# 16 characters make accidental reuse unlikely; 255 is what intermediaries carry.
_KEY = re.compile(rb"[\x21-\x7e]{16,255}")
_HELP = {"Link": '</schema>; rel="describedby"'}


def key_of(scope: Scope, *, required: bool) -> str | None:
    """The Idempotency-Key, or None where it is absent and optional. Raises `Problem` 400."""
    found = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not found:
        if not required:
            return None
        raise Problem(
            400, "idempotency-key-missing", "Send an Idempotency-Key header", headers=_HELP
        )
    if len(found) > 1 or not _KEY.fullmatch(found[0]):
        raise Problem(
            400, "idempotency-key-invalid",
            "An Idempotency-Key is one header of 16 to 255 visible ASCII characters",
            headers=_HELP,
        )  # fmt: skip
    return bytes(found[0]).decode("ascii")


def request_hash(method: str, route: str, caller: str, command: msgspec.Struct) -> bytes:
    """SHA-256 of what the request means: never of headers, spelling or time."""
    meaning = msgspec.json.encode([method, route, caller, command], order="sorted")
    return hashlib.sha256(meaning).digest()


def reused() -> Problem:
    """The same key with another payload; the original stays as it is."""
    return Problem(
        422, "idempotency-key-reused", "This Idempotency-Key was used for another request",
        headers=_HELP,
    )  # fmt: skip


def in_progress() -> Problem:
    """The first request with this key is still being worked on."""
    return Problem(
        409, "idempotency-in-progress", "The first request with this key is still running",
        retryable=True, headers={"Retry-After": "1"},
    )  # fmt: skip


# ---- the store -----------------------------------------------------------------------------------


class Key(msgspec.Struct, frozen=True):
    """A client's key within its scope, and what the request meant."""

    scope: str
    key: str
    request_hash: bytes

    @property
    def parameters(self) -> dict[str, Any]:
        """What finds the key's row."""
        return {"in_scope": self.scope, "the_key": self.key}


class StoredKey(msgspec.Struct, frozen=True):
    """What is stored under a key that was claimed before; `entity_id` is what it made."""

    key: Key
    request_hash: bytes
    entity_id: UUID | None
    status_code: int | None
    response: bytes | None
    locked: bool

    def replay(self) -> tuple[int, bytes] | UUID:
        """Status and bytes of the first answer; or the entity whose request died half-way: it is
        not executed again, but answered 202 as it stands, and that is kept.

        Raises `Problem`: 422 when the request was another one, 409 while it is still running."""
        if self.request_hash != self.key.request_hash:
            self._log_hit("another-request")
            raise reused()
        if self.status_code is not None and self.response is not None:
            self._log_hit("replayed")
            return self.status_code, self.response
        if self.locked or self.entity_id is None:
            self._log_hit("in-progress")
            raise in_progress()
        self._log_hit("unfinished")
        return self.entity_id

    def _log_hit(self, kind: str) -> None:
        """At DEBUG, without the key: whoever has it could ask in its client's name."""
        hit = {"idempotency": kind, "scope": self.key.scope, "entity": str(self.entity_id)}
        logger.debug("an idempotency key came again", extra=hit)


def _claim_statement(table: Table, entity: Column[Any]) -> Statement:
    k = table.c
    claimed = insert(table).values(
        scope=bindparam("in_scope"),
        key=bindparam("the_key"),
        request_hash=bindparam("hash"),
        locked_until=in_seconds(cast(bindparam("lock_s"), Float)),
        **{entity.name: bindparam("entity_id")},
    )
    return statement(
        claimed.on_conflict_do_nothing(index_elements=[k.scope, k.key]).returning(entity),
        f"INSERT {table.fullname}",
    )


class IdempotencyStore:
    """The keys of one service, in a table of its own; `entity` is the column of what a key made."""

    def __init__(self, table: Table, *, entity: Column[Any]) -> None:
        k = table.c
        this_key = (k.scope == bindparam("in_scope"), k.key == bindparam("the_key"))
        self._claim = _claim_statement(table, entity)
        self._find = statement(
            select(
                k.request_hash,
                entity.label("entity_id"),
                k.status_code,
                k.response,
                (k.locked_until > func.now()).label("locked"),
            ).where(*this_key),
            f"SELECT {table.fullname}",
        )
        # The first answer kept stays, whoever comes second.
        self._store = statement(
            update(table)
            .where(*this_key, k.response.is_(None))
            .values(
                status_code=bindparam("status", type_=k.status_code.type),
                response=cast(bindparam("body"), LargeBinary),
            )
            .returning(k.status_code, k.response),
            f"UPDATE {table.fullname}",
        )
        self._disown = statement(
            update(table)
            .where(*this_key, entity == bindparam("entity_id"))
            .values({entity: literal_column("NULL")}),
            f"UPDATE {table.fullname}",
        )

    async def claim(
        self, tx: Connection, key: Key, entity_id: UUID, *, lock_s: float
    ) -> StoredKey | None:
        """Claim the key in the transaction that makes its entity; what is there if it is taken."""
        row = await tx.row(
            self._claim, hash=key.request_hash, entity_id=entity_id, lock_s=lock_s, **key.parameters
        )
        return None if row is not None else await self.find(tx, key)

    async def find(self, c: Connection, key: Key) -> StoredKey | None:
        """What is stored under the key, if it was claimed."""
        found = await c.row(self._find, **key.parameters)
        return None if found is None else StoredKey(key, **dict(found))

    async def keep(
        self, c: Connection, key: Key, status_code: int, body: bytes
    ) -> tuple[int, bytes]:
        """Keep the answer, and return the one that is kept: the first one stays."""
        row = await c.row(self._store, status=status_code, body=body, **key.parameters)
        row = row or await c.row(self._find, **key.parameters)
        if row is None:
            raise LookupError(key.key)
        return row["status_code"], row["response"]

    async def disown(self, tx: Connection, key: Key, entity_id: UUID) -> None:
        """The key's answer is about no entity: none could be made."""
        await tx.execute(self._disown, entity_id=entity_id, **key.parameters)
