"""Users, refresh tokens and signing keys as values."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec


class User(msgspec.Struct, frozen=True):
    """Whom a name and a password stand for."""

    user_id: str
    password_hash: str | None
    roles: list[str]
    is_demo: bool


class RefreshToken(msgspec.Struct, frozen=True):
    """One token of a family; `is_over` where the family was revoked or has ended."""

    token_id: UUID
    family_id: UUID
    state: Literal["LIVE", "SPENT", "REVOKED"]
    is_over: bool
    user_id: str
    roles: list[str]
    is_demo: bool


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key; the one that signs, or will, has its private part, and all but those that were
    withdrawn are published. `may_sign`: it has been published for long enough; `is_old`: it has
    signed for long enough."""

    kid: str
    state: Literal["NEXT", "SIGNING", "RETIRED", "WITHDRAWN"]
    public_key: str
    private_key: str | None
    published_at: datetime
    signs_at: datetime
    signing_since: datetime | None
    retired_at: datetime | None
    gone_at: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_because: str | None
    may_sign: bool
    is_old: bool
