"""The token endpoint's grants (RFC 6749, RFC 8693): a form in, a token or an error out."""

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from chassis.identity.tokens import BadToken, Claims, check
from chassis.service_credential import ServiceCredential
from services.identity.contract import TokenView
from services.identity.logins import Logins
from services.identity.settings import IdentitySettings
from services.identity.signing_keys import SigningKeys
from services.identity.tokens import NAMES, Mint, for_service

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS = ["client_credentials", "refresh_token", EXCHANGE]
_MOST_FIELDS = 20
# The one parameter that may be there several times (RFC 8693, 2.1).
_REPEATED = frozenset({"audience"})

Form = Mapping[str, list[str]]


class NoToken(Exception):
    """No token: the code of RFC 6749, 5.2, and why."""

    def __init__(self, code: str, why: str, *, status: int = 400) -> None:
        super().__init__(why)
        self.code, self.status = code, status


def read_form(raw: bytes, content_type: str) -> Form:
    """The parameters of a form; `NoToken` for what is none, or has one of them twice."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise NoToken("invalid_request", "send application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw),
            errors="strict", max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise NoToken("invalid_request", "this is not a form of at most 20 fields") from None
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    for name, values in form.items():
        if len(values) > 1 and name not in _REPEATED:
            raise NoToken("invalid_request", f"{name[:40]} is there twice")
    return form


class Grants:
    """Who gets a token for what."""

    def __init__(
        self, settings: IdentitySettings, keys: SigningKeys, mint: Mint, logins: Logins
    ) -> None:
        self._settings, self._keys, self._mint, self._logins = settings, keys, mint, logins
        self._credential = ServiceCredential(settings)

    async def issue(self, form: Form, authorization: str) -> TokenView:
        """The token that is asked for; `NoToken`."""
        match _one(form, "grant_type"):
            case "client_credentials":
                return await self._of_service(self._client(form, authorization), form)
            case "refresh_token":
                if found := await self._logins.refresh(_one(form, "refresh_token")):
                    return found
                raise NoToken("invalid_grant", "this refresh token is not good, or no longer")
            case grant if grant == EXCHANGE:
                return await self._exchanged(self._client(form, authorization), form)
            case _:
                raise NoToken("unsupported_grant_type", f"one of {', '.join(GRANTS)}")

    async def revoke(self, form: Form) -> None:
        """End what belongs to a refresh token; what is none is gone already (RFC 7009, 2.2)."""
        token = _one(form, "token")
        if token.count(".") == 2:
            raise NoToken(
                "unsupported_token_type", "an access token cannot be taken back; it ends by itself"
            )
        await self._logins.revoke(token)

    async def _of_service(self, client: str, form: Form) -> TokenView:
        audience = _narrowed(for_service(client), form)
        life_s = self._settings.identity_service_s
        return await self._mint.issue(client, client, (), audience, life_s)

    async def _exchanged(self, client: str, form: Form) -> TokenView:
        """A person's token, for the processes that this service asks in their name."""
        if _one(form, "subject_token_type") != ACCESS_TOKEN:
            raise NoToken("invalid_request", f"subject_token_type must be {ACCESS_TOKEN}")
        claims = self._subject(_one(form, "subject_token"), client)
        audience = _narrowed(for_service(client), form)
        life_s = min(self._settings.identity_access_s, claims.exp - time.time())
        if life_s < 1:
            raise NoToken("invalid_request", "the subject_token has ended")
        view = await self._mint.issue(claims.sub, client, claims.roles, audience, life_s)
        return msgspec.structs.replace(view, issued_token_type=ACCESS_TOKEN)

    def _subject(self, token: str, client: str) -> Claims:
        issuer, now = self._settings.identity_issuer, time.time()
        try:
            # A service exchanges what was sent to it, and nothing that it found elsewhere.
            return check(token, self._keys.public(), issuer=issuer, audience=client, now=now)
        except BadToken as error:
            raise NoToken("invalid_request", f"the subject_token is not good: {error}") from None

    def _client(self, form: Form, authorization: str) -> str:
        """The service that asks, by its secret: in the head or in the form, not in both."""
        name, secret = _basic(authorization)
        if "client_secret" in form:
            if name:
                raise NoToken("invalid_request", "authenticate once, in the head or in the form")
            name, secret = _one(form, "client_id"), _one(form, "client_secret")
        if name not in NAMES or not self._credential.is_secret_of(name, secret):
            raise NoToken("invalid_client", "no service of this shop has this secret", status=401)
        return name


def _narrowed(allowed: list[str], form: Form) -> list[str]:
    asked = form.get("audience") or allowed
    if not asked or not set(asked) <= set(allowed):
        raise NoToken("invalid_target", "a service gets tokens for the services that it calls")
    return list(dict.fromkeys(asked))


def _one(form: Form, name: str) -> str:
    if not (value := form.get(name, [""])[0]):
        raise NoToken("invalid_request", f"{name} is missing")
    return value


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(shown.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def metadata(issuer: str) -> dict[str, Any]:
    """RFC 8414. No ID tokens are made, so there is nothing of OpenID Connect."""
    methods = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/token",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "grant_types_supported": GRANTS,
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": [*methods, "none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
    }
