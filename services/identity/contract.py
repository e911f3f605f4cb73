"""The identity service on the wire: logins, tokens by OAuth 2.0 (RFC 6749), published keys."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chassis.identity.caller import Role

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
UserId = Annotated[str, Meta(pattern=NAME)]
# Argon2 reads all of it.
Password = Annotated[str, Meta(min_length=1, max_length=256)]

# The stable `code` of each refusal.
WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a code
USER_EXISTS = "user-exists"
ROLE_ABOVE = "role-above-own"
NO_KEY = "no-signing-key"
KEY_NOT_FOUND = "signing-key-not-found"
# Why a login ended: its user asked for it. Every other reason is one to look at.
LOGGED_OUT = "logged out"


class LogIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /login."""

    user: UserId
    password: Password

    def __repr__(self) -> str:
        return f"LogIn({self.user!r}, ...)"


class TokenView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access token, for `expires_in` seconds, and for a person a refresh token, good once.
    `issued_token_type` is there after an exchange (RFC 8693)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None = None
    issued_token_type: str | None = None

    def __repr__(self) -> str:
        return f"TokenView(expires_in={self.expires_in})"


class OAuthError(msgspec.Struct, frozen=True):
    """Why there is no token (RFC 6749, 5.2): `error` is the code, from a fixed list."""

    error: str
    error_description: str


class KeySet(msgspec.Struct, frozen=True):
    """A JWK Set (RFC 7517): public keys of ES256, each with its thumbprint as `kid`."""

    keys: list[dict[str, str]]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /users."""

    user: UserId
    password: Annotated[str, Meta(min_length=12, max_length=256)]
    roles: Annotated[list[Role], Meta(min_length=1, max_length=3)]

    def __repr__(self) -> str:
        return f"NewUser({self.user!r}, ...)"


class UserView(msgspec.Struct, frozen=True):
    """A user, without what they are known by."""

    user: str
    roles: list[str]
    created_at: datetime


class SigningKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key: NEXT is published, and does not sign before `signs_at`; RETIRED is published until
    `gone_at`."""

    kid: str
    state: Literal["NEXT", "SIGNING", "RETIRED"]
    published_at: datetime
    signs_at: datetime
    signing_since: datetime | None
    retired_at: datetime | None
    gone_at: datetime | None


class WithdrawnKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key that opens nothing and is not published: since when, by whom and why."""

    kid: str
    withdrawn_at: datetime
    withdrawn_by: str
    withdrawn_because: str


class SigningKeyList(msgspec.Struct, frozen=True):
    """Every key that is published, and every one that was withdrawn, each the newest first."""

    keys: list[SigningKeyView]
    withdrawn: list[WithdrawnKeyView]


class WithdrawKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /signing-keys/{kid}/withdraw: why, for the audit log."""

    reason: Annotated[str, Meta(pattern=r"^\S([^\x00-\x1f\x7f]{0,198}\S)?$(?!\n)")]


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 8414: where a client finds what."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
