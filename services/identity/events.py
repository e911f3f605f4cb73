"""What the identity service announces: the `data` of its events, written by trigger
(infra/migrations/sql/0031_revoked_logins.up.sql, 0036_withdrawn_keys.up.sql)."""

from uuid import UUID

import msgspec


class LoginRevoked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`login.revoked`: what began with a login is over before its time; `because` says whether its
    user logged out, or a spent refresh token was shown again. The aggregate is the login."""

    family_id: UUID
    user_id: str
    because: str


class KeyWithdrawn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`key.withdrawn`: a signing key opens nothing any more; `was` is its state before, and `actor`
    and `because` are who withdrew it and why. The aggregate is the key."""

    kid: str
    was: str
    actor: str
    because: str
