"""The chain that seals the append-only tables, and where its head is kept outside the database.

A link holds the digests of what a range of transactions wrote, and the digest of the link before
it. Writers know nothing of it: a link is made afterwards, of transactions that have ended, so it
costs an order nothing and orders never wait for each other. The promise I27 computes the digests
again (proof/invariants/record.py).
"""

import fcntl
import logging
import os
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from proof.sealed_tables import FORMAT, LINK_CONTENT, digests

logger = logging.getLogger(__name__)

# The lines of so many versions of orders make one link: some 50 ms to compute again.
_MOST_VERSIONS = 2_000
# A folder's shop has one server; a few more come and go with VALERIX_DATABASE_URL.
_MOST_SERVERS = 7

# Another server, or another format, begins with the first transaction.
_LAST = f"""\
SELECT s.id AS server, pg_snapshot_xmin(pg_current_snapshot()) AS until, c.n, c.digest,
       CASE WHEN c.server = s.id AND c.format = {FORMAT} THEN c.before ELSE '0'::xid8 END AS since
FROM (SELECT system_identifier::text AS id FROM pg_control_system()) s
LEFT JOIN LATERAL (SELECT * FROM proof.chain ORDER BY n DESC LIMIT 1) c ON true"""  # noqa: S608 - constants
_FULL_LINK = """\
SELECT changed_in FROM orders.history WHERE changed_in > $1 AND changed_in < $2
ORDER BY changed_in OFFSET $3 LIMIT 1"""
_SEALED = """\
SELECT jsonb_object_agg(name, jsonb_build_array(lines, digest))::text AS tables,
       sum(lines)::bigint AS lines
FROM ({digests}) t""".format(digests=digests("$1", "$2"))
_ADD = """\
INSERT INTO proof.chain (n, server, since, before, at, tables, format, previous, digest)
SELECT n, server, since, before, at, tables, format, previous,
       sha256(previous || convert_to({content}, 'UTF8'))
FROM (SELECT $1::bigint AS n, $2::text AS server, $3::xid8 AS since, $4::xid8 AS before,
             now() AS at, $5::jsonb AS tables, {format} AS format, $6::bytea AS previous) l
ON CONFLICT (n) DO NOTHING
RETURNING n, encode(digest, 'hex') AS digest""".format(
    content=LINK_CONTENT.format(""), format=FORMAT
)
_HAS_MORE = f"""\
SELECT count(*) > 1 FROM proof.chain
WHERE format = {FORMAT} AND server = (SELECT system_identifier::text FROM pg_control_system())"""  # noqa: S608 - constant
SET_TIME = "SET LOCAL timezone = 'UTC'"


class Head(msgspec.Struct, frozen=True):
    """The newest link of the chain, and the digest of the newest checkpoint with the number of
    orders it proves, on one server."""

    n: int = 0
    digest: str = ""
    checkpoint: str = ""
    orders: int = 0


class Heads(msgspec.Struct, frozen=True):
    """What is known outside about each server. Read before the snapshot it is compared with: then
    all that it names is in the snapshot. `trouble` says why nothing is known; that there is no file
    (`is_missing`) is none before the first link."""

    known: dict[str, Head] = {}
    trouble: str = ""
    is_missing: bool = False

    def of(self, server: str) -> Head:
        """The head of a server, or an empty one."""
        return self.known.get(server, Head())


class HeadFile:
    """The heads of some servers in a file that only its owner reads. Without a path none is known,
    and the proof relies on the database alone. A file that cannot be read is never written."""

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._has_warned = False

    def read(self) -> Heads:
        """The heads as they were kept last."""
        if self._path is None:
            return Heads()
        try:
            return Heads(self._decoded(self._path.read_bytes()))
        except FileNotFoundError:
            return Heads(trouble=f"the head outside is missing: {self._path}", is_missing=True)
        except OSError as error:
            return Heads(trouble=f"the head outside cannot be read: {error.strerror}")
        except msgspec.MsgspecError:
            return Heads(trouble=f"the head outside is damaged: {self._path}")

    def keep(self, server: str, *, create: bool = True, **changes: Any) -> None:
        """Change what is kept of a server's head. Without `create`, only in a file that is there: a
        chain that has links had a head before."""
        if self._path is None:
            return
        try:
            self._write(self._path, server, os.O_CREAT if create else 0, changes)
        except FileNotFoundError:
            self._warn("its file is missing")
        except OSError as error:
            self._warn(str(error.strerror))
        except msgspec.MsgspecError:
            self._warn("its file is damaged")

    def put_aside(self) -> None:
        """Make room for a new file; a damaged one stays beside it."""
        if self._path is not None and self._path.exists():
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))

    def _warn(self, why: str) -> None:
        if not self._has_warned:
            logger.warning("the chain's head is kept in the database only: %s", why)
        self._has_warned = True

    def _write(self, path: Path, server: str, create: int, changes: dict[str, Any]) -> None:
        number = os.open(path, os.O_RDWR | create, 0o600)
        with os.fdopen(number, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the dashboard and `valerix verify` both write
            text = file.read()
            heads = self._decoded(text) if text else {}
            head = msgspec.structs.replace(heads.pop(server, Head()), **changes)
            newest = list(heads.items())[-_MOST_SERVERS:]
            file.seek(0)
            file.truncate(0)
            file.write(msgspec.json.encode(dict([*newest, (server, head)])))

    @staticmethod
    def _decoded(text: bytes) -> dict[str, Head]:
        return msgspec.json.decode(text, type=dict[str, Head])


NO_HEADS = HeadFile()


class Seal(msgspec.Struct, frozen=True):
    """A link that was added: its number and digest, and the server it was added on; `is_first` of a
    server's, or of a format's."""

    server: str
    n: int
    digest: str
    is_first: bool = False


async def seal(connection: asyncpg.Connection) -> Seal | None:
    """Add one link over what has been written since the last one; None if nothing has been, or if
    somebody else added it meanwhile."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(SET_TIME)
        last = await connection.fetchrow(_LAST)
        since, before = last["since"], last["until"]
        full = await connection.fetchval(_FULL_LINK, since, before, _MOST_VERSIONS)
        before = full or before
        found = await connection.fetchrow(_SEALED, since, before)
    if not found["lines"]:
        return None
    async with connection.transaction():
        await connection.execute(f"SET TRANSACTION READ WRITE; {SET_TIME}")
        values = ((last["n"] or 0) + 1, last["server"], since, before, found["tables"])
        added = await connection.fetchrow(_ADD, *values, last["digest"] or b"")
    if added is None:
        return None
    return Seal(last["server"], added["n"], added["digest"], is_first=since == 0)


async def newest(connection: asyncpg.Connection) -> Seal | None:
    """The newest link of this server; None before its first."""
    last = await connection.fetchrow(_LAST)
    if last["n"] is None or last["since"] == 0:
        return None
    return Seal(last["server"], last["n"], last["digest"].hex())


async def head_trouble(connection: asyncpg.Connection, heads: Heads) -> str:
    """Why the chain cannot be compared with what is kept outside, or "". A file that is missing is
    none while the chain has one link, which may be on its way to it."""
    if not heads.is_missing:
        return heads.trouble
    has_more = await connection.fetchval(_HAS_MORE)
    return heads.trouble if has_more else ""
