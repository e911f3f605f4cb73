"""The statements of users and refresh tokens. Whoever ends a token, or gives its successor, holds
the row of its family."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from chassis.ids import new_id
from services.identity.domain import RefreshToken, User

_USER = statement(
    text("SELECT user_id, password_hash, roles, is_demo FROM identity.users WHERE user_id = :user"),
    "SELECT identity.users",
)
_ADD_USER = statement(
    text(
        "INSERT INTO identity.users (user_id, password_hash, roles, is_demo)"
        " VALUES (:user, :password_hash, :roles, :is_demo) ON CONFLICT DO NOTHING"
        " RETURNING created_at"
    ),
    "INSERT identity.users",
)
_ADD_FAMILY = statement(
    text(
        "INSERT INTO identity.families (family_id, user_id, ends_at)"
        " VALUES (:family_id, :user, now() + :life_s * interval '1 second')"
    ),
    "INSERT identity.families",
)
_ADD_TOKEN = statement(
    text(
        "INSERT INTO identity.refresh_tokens (token_id, family_id, digest, parent)"
        " VALUES (:token_id, :family_id, :digest, :parent)"
    ),
    "INSERT identity.refresh_tokens",
)
_FAMILY_OF = statement(
    text(
        "SELECT family_id FROM identity.families WHERE family_id = ("
        " SELECT family_id FROM identity.refresh_tokens WHERE digest = :digest) FOR UPDATE"
    ),
    "SELECT identity.families",
)
_TOKEN = statement(
    text(
        "SELECT t.token_id, t.family_id, t.state, u.user_id, u.roles, u.is_demo,"
        " f.revoked_at IS NOT NULL OR f.ends_at <= now() AS is_over"
        " FROM identity.refresh_tokens t JOIN identity.families f USING (family_id)"
        " JOIN identity.users u USING (user_id) WHERE t.digest = :digest"
    ),
    "SELECT identity.refresh_tokens",
)
_SPEND = statement(
    text(
        "UPDATE identity.refresh_tokens SET state = 'SPENT', ended_at = clock_timestamp()"
        " WHERE token_id = :token_id"
    ),
    "UPDATE identity.refresh_tokens",
)
_REVOKE = statement(
    text(
        "UPDATE identity.families SET revoked_at = clock_timestamp(), revoked_because = :why"
        " WHERE family_id = :family_id AND revoked_at IS NULL"
    ),
    "UPDATE identity.families",
)


async def find_user(c: Connection, user: str) -> User | None:
    """The user of this name."""
    row = await c.row(_USER, user=user)
    return None if row is None else msgspec.convert(dict(row), User)


async def add_user(
    c: Connection, user: str, password_hash: str | None, roles: list[str], *, is_demo: bool = False
) -> datetime | None:
    """Make a user; when it was made, None where there is one of this name."""
    row = await c.row(
        _ADD_USER, user=user, password_hash=password_hash, roles=roles, is_demo=is_demo
    )
    return None if row is None else row["created_at"]


async def begin_family(tx: Connection, user: str, digest: bytes, *, life_s: float) -> None:
    """A login, with its first refresh token."""
    family_id = new_id()
    await tx.execute(_ADD_FAMILY, family_id=family_id, user=user, life_s=life_s)
    await tx.execute(_ADD_TOKEN, token_id=new_id(), family_id=family_id, digest=digest, parent=None)


async def lock_token(tx: Connection, digest: bytes) -> RefreshToken | None:
    """The token with its family locked."""
    if await tx.row(_FAMILY_OF, digest=digest) is None:
        return None
    row = await tx.row(_TOKEN, digest=digest)
    return None if row is None else msgspec.convert(dict(row), RefreshToken)


async def succeed(tx: Connection, token: RefreshToken, digest: bytes) -> None:
    """Spend a live token and give its successor."""
    await tx.execute(_SPEND, token_id=token.token_id)
    await tx.execute(
        _ADD_TOKEN, token_id=new_id(), family_id=token.family_id, digest=digest,
        parent=token.token_id,
    )  # fmt: skip


async def revoke(tx: Connection, family_id: UUID, why: str) -> bool:
    """End a family with its live token; False where it has been."""
    return await tx.execute(_REVOKE, family_id=family_id, why=why) == 1
