"""Which access tokens are good (RFC 9068): signed with ES256 by a published key, for us, for now.

The library checks the signature alone. Everything else is checked here, and what is not known is
refused: a header that names a key of its own is never read further."""

import base64
import binascii
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chassis.http.json_body import parse_json
from chassis.http.problems import Problem

ALGORITHM, TYPE = "ES256", "at+jwt"
# A person's token is some 700 bytes; a head is 16 KiB at most.
_LONGEST = 4096
# What clocks of two machines may differ by.
LEEWAY_S = 5
# No token of ours lives longer: an end that is further away was not written by us.
LONGEST_LIFE_S = 3600
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_HEADER = frozenset({"alg", "typ", "kid"})
_MOST_KNOWN = 2048

_Name = Annotated[str, Meta(min_length=1, max_length=128)]
_Second = Annotated[int, Meta(ge=0, le=2**40)]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says: times in seconds since 1970, `aud` the names of the processes it is for,
    `shop` the id of the shop that made it."""

    iss: _Name
    sub: _Name
    aud: Annotated[list[_Name], Meta(min_length=1, max_length=64)]
    exp: _Second
    iat: _Second
    nbf: _Second
    jti: _Name
    client_id: _Name
    roles: Annotated[list[_Name], Meta(max_length=16)] = []
    shop: _Name | None = None


class BadToken(Exception):
    """Why a token opens nothing; the message is for whoever sent it."""


class UnknownKey(BadToken):
    """It is signed with a key that is not among those we have."""


def is_shaped(shown: str) -> bool:
    """Whether this is meant to be a token of identity, good or not, and no operator token."""
    return shown.startswith("eyJ") and shown.count(".") == 2


def check(token: str, keys: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> Claims:
    """The claims of a good token; `BadToken` of any other. `keys` are public keys of joserfc by
    their thumbprint."""
    match = _SHAPE.fullmatch(token) if len(token) <= _LONGEST else None
    if match is None:
        raise BadToken("this is not three parts of base64url, at most 4096 characters")
    claims = _read(match[2], "payload")
    key = keys.get(_key_id(_read(match[1], "header")))
    _bytes(match[3], "signature")
    if key is None:
        raise UnknownKey("it is not signed with a key of this shop")
    _check_signature(token, key)
    return _checked(claims, issuer, audience, now)


def _key_id(header: Any) -> str:
    if not isinstance(header, dict) or set(header) != _HEADER:
        raise BadToken("the header has alg, typ and kid, and nothing else")
    if header["alg"] != ALGORITHM:
        raise BadToken(f"it must be signed with {ALGORITHM}")
    if header["typ"] != TYPE:
        raise BadToken(f"it is not an access token: its type must be {TYPE}")
    return header["kid"] if isinstance(header["kid"], str) else ""


def _check_signature(token: str, key: Any) -> None:
    from joserfc import errors, jws  # a tenth of a second, at the first token

    try:
        jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
    except (errors.JoseError, ValueError):
        raise BadToken("the signature is not of the key that it names") from None


def _checked(payload: Any, issuer: str, audience: str, now: float) -> Claims:
    try:
        claims = msgspec.convert(payload, Claims, strict=True)
    except msgspec.ValidationError as error:
        raise BadToken(f"a claim is missing or does not fit: {error}") from None
    if claims.iss != issuer:
        raise BadToken("it was issued by somebody else")
    if audience not in claims.aud:
        raise BadToken("it is for other services")
    if claims.exp <= now:
        raise BadToken("it has ended")
    if max(claims.nbf, claims.iat) > now + LEEWAY_S:
        raise BadToken("it is not good yet")
    if not 0 < claims.exp - claims.iat <= LONGEST_LIFE_S:
        raise BadToken("no token lives that long")
    return claims


def _read(part: str, name: str) -> Any:
    try:
        return parse_json(_bytes(part, name))
    except Problem:
        raise BadToken(f"the {name} is not unambiguous JSON") from None


def _bytes(part: str, name: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise BadToken(f"the {name} is not base64url") from None
    # Two spellings of the same bytes would be two tokens.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise BadToken(f"the {name} is not base64url")
    return raw


class KnownTokens:
    """Tokens that were found good, until they end; the one unused longest is forgotten first."""

    def __init__(self) -> None:
        self._claims: OrderedDict[str, Claims] = OrderedDict()

    def find(self, token: str) -> Claims | None:
        """The claims of a token that was good, and still is."""
        claims = self._claims.get(token)
        if claims is None:
            return None
        if claims.exp <= time.time():
            del self._claims[token]
            return None
        self._claims.move_to_end(token)
        return claims

    def keep(self, token: str, claims: Claims) -> None:
        """It need not be checked again."""
        self._claims[token] = claims
        if len(self._claims) > _MOST_KNOWN:
            self._claims.popitem(last=False)

    def forget(self) -> None:
        """The keys are others: every token is checked again."""
        self._claims.clear()
