"""The identity service's endpoints: login, tokens, what is published, users and keys."""

import re
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from chassis.database.pool import Database
from chassis.http.json_body import Strict
from chassis.http.openapi import answered, refused
from chassis.http.problems import NOT_EXECUTED, Problem, invalid
from chassis.identity.caller import ANONYMOUS, OPERATOR, caller_of, needs_role
from chassis.identity.owners import OPEN, OTHER_CREDENTIAL, actor_of
from services.identity import contract, oauth, store
from services.identity.contract import (
    KeySet,
    LogIn,
    NewUser,
    OAuthError,
    ServerMetadata,
    SigningKeyList,
    SigningKeyView,
    TokenView,
    UserView,
    WithdrawKey,
    WithdrawnKeyView,
)
from services.identity.domain import SigningKey
from services.identity.logins import Logins
from services.identity.oauth import Grants, NoToken
from services.identity.settings import IdentitySettings
from services.identity.signing_keys import SigningKeys
from services.identity.tokens import NAMES

# An RFC 7638 thumbprint.
_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NO_STORE = {"Cache-Control": "no-store"}
# Who asks without a token, and the services: somebody called so would be taken for them.
_OF_THE_SHOP = {ANONYMOUS.subject, *NAMES}
_OPERATOR = {
    401: refused("This needs a token with the role operator"),
    403: refused("The caller has not the role operator"),
}
_OAUTH_ERRORS = {
    400: answered(OAuthError, "The request or the grant is not good (RFC 6749, 5.2)"),
    401: answered(OAuthError, "This is no service of the shop, or its secret is wrong"),
}


@post(
    "/login", status_code=200, dto=Strict[LogIn], return_dto=None,
    summary="A token for a person, by name and password", opt=OPEN,
    responses={
        401: refused("There is no such user with this password"),
        429: refused("Too many wrong passwords, of this account or of all"),
    },
)  # fmt: skip
async def log_in(data: JSONBody[LogIn], state: State) -> Response[TokenView]:
    """POST /login."""
    logins: Logins = state["logins"]
    return Response(await logins.log_in(data.user, data.password), headers=_NO_STORE)


def _answer_no_token(_: Request[Any, Any, Any], error: NoToken) -> Response[OAuthError]:
    basic = {"WWW-Authenticate": 'Basic realm="valerix"'} if error.status == 401 else {}
    return Response(
        OAuthError(error.code, str(error)), status_code=error.status,
        media_type=MediaType.JSON, headers={**_NO_STORE, **NOT_EXECUTED, **basic},
    )  # fmt: skip


@post(
    "/oauth2/token", status_code=200, exception_handlers={NoToken: _answer_no_token},
    summary="A token by client credentials, refresh token, or exchange", responses=_OAUTH_ERRORS,
    opt=OTHER_CREDENTIAL,
)  # fmt: skip
async def issue_token(request: Request[Any, Any, Any], state: State) -> Response[TokenView]:
    """POST /oauth2/token, a form (RFC 6749)."""
    grants: Grants = state["grants"]
    form = oauth.read_form(await request.body(), request.headers.get("content-type", ""))
    view = await grants.issue(form, request.headers.get("authorization", ""))
    return Response(view, headers=_NO_STORE)


@post(
    "/oauth2/revoke", status_code=200, exception_handlers={NoToken: _answer_no_token},
    summary="Log out: end all that a refresh token belongs to", responses=_OAUTH_ERRORS,
    opt=OTHER_CREDENTIAL,
)  # fmt: skip
async def revoke_token(request: Request[Any, Any, Any], state: State) -> Response[None]:
    """POST /oauth2/revoke, a form (RFC 7009)."""
    grants: Grants = state["grants"]
    form = oauth.read_form(await request.body(), request.headers.get("content-type", ""))
    await grants.revoke(form)
    return Response(None, headers=_NO_STORE)


@get(
    "/.well-known/jwks.json", summary="The public keys of tokens (RFC 7517)", opt=OPEN,
    responses={200: answered(KeySet, "Every key that a token may be signed with")},
)  # fmt: skip
async def show_keys(state: State) -> Response[bytes]:
    """GET /.well-known/jwks.json."""
    keys: SigningKeys = state["keys"]
    settings: IdentitySettings = state["settings"]
    return Response(
        await keys.published(), media_type=MediaType.JSON,
        headers={"Cache-Control": f"public, max-age={settings.identity_keys_every_s:.0f}"},
    )  # fmt: skip


@get(
    "/.well-known/oauth-authorization-server", summary="Where a client finds what (RFC 8414)",
    opt=OPEN,
)  # fmt: skip
async def show_metadata(state: State) -> ServerMetadata:
    """GET /.well-known/oauth-authorization-server."""
    settings: IdentitySettings = state["settings"]
    return msgspec.convert(oauth.metadata(settings.identity_issuer), ServerMetadata)


@post(
    "/users", dto=Strict[NewUser], return_dto=None, guards=[needs_role("operator")],
    summary="Make a user", responses={**_OPERATOR, 409: refused("There is one of this name")},
)  # fmt: skip
async def add_user(
    data: JSONBody[NewUser], request: Request[Any, Any, Any], state: State
) -> Response[UserView]:
    """POST /users. Who shows the operator token itself may give any role, others their own."""
    if data.user in _OF_THE_SHOP:
        raise invalid("/user", "is one of the shop's own names: choose another")
    caller = caller_of(request)
    trusted = caller.is_anonymous or caller == OPERATOR
    if not trusted and not all(caller.has(role) for role in data.roles):
        raise Problem(
            403, contract.ROLE_ABOVE, "Nobody gives a role above their own; nothing was done",
            headers=NOT_EXECUTED,
        )  # fmt: skip
    logins: Logins = state["logins"]
    database: Database = state["database"]
    hashed = await logins.passwords.hash(data.password)
    async with database.connect() as connection:
        created_at = await store.add_user(connection, data.user, hashed, list(data.roles))
    if created_at is None:
        raise Problem(409, contract.USER_EXISTS, "There is a user of this name already")
    return Response(UserView(data.user, list(data.roles), created_at), status_code=201)


def _views(keys: list[SigningKey]) -> SigningKeyList:
    return SigningKeyList(
        [msgspec.convert(each, SigningKeyView, from_attributes=True)
         for each in keys if each.state != "WITHDRAWN"],
        [msgspec.convert(each, WithdrawnKeyView, from_attributes=True)
         for each in keys if each.state == "WITHDRAWN"],
    )  # fmt: skip


@get(
    "/signing-keys", guards=[needs_role("operator")],
    summary="Every key that is published or was withdrawn, and when it signs", responses=_OPERATOR,
)  # fmt: skip
async def list_signing_keys(state: State) -> SigningKeyList:
    """GET /signing-keys."""
    keys: SigningKeys = state["keys"]
    return _views(await keys.turn())


@post(
    "/signing-keys/rotate", status_code=202, guards=[needs_role("operator")],
    summary="Let the next key sign now, or as soon as everybody has it", responses=_OPERATOR,
)  # fmt: skip
async def rotate_signing_key(state: State) -> SigningKeyList:
    """POST /signing-keys/rotate."""
    keys: SigningKeys = state["keys"]
    return _views(await keys.turn(early=True))


@post(
    "/signing-keys/{kid:str}/withdraw", status_code=200, dto=Strict[WithdrawKey], return_dto=None,
    guards=[needs_role("operator")],
    summary="Let a stolen key open nothing any more, and the next one sign at once",
    responses={**_OPERATOR, 404: refused("There is no such key")},
)  # fmt: skip
async def withdraw_signing_key(
    kid: FromPath[str], data: JSONBody[WithdrawKey], request: Request[Any, Any, Any], state: State
) -> SigningKeyList:
    """POST /signing-keys/{kid}/withdraw."""
    signing: SigningKeys = state["keys"]
    keys = None
    if _KID.fullmatch(kid):
        keys = await signing.withdraw(kid, actor_of(request), data.reason)
    if keys is None:
        raise Problem(
            404, contract.KEY_NOT_FOUND, "There is no key of this kid; nothing was done",
            headers=NOT_EXECUTED,
        )  # fmt: skip
    return _views(keys)


ROUTES: list[BaseRouteHandler] = [
    log_in, issue_token, revoke_token, show_keys, show_metadata, add_user, list_signing_keys,
    rotate_signing_key, withdraw_signing_key,
]  # fmt: skip
