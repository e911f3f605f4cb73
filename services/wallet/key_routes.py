"""API keys for the operator: who has one, a new one, its successor, its end."""

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from chassis.database.pool import Database
from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem
from chassis.identity.caller import needs_role
from services.wallet import api_keys, contract
from services.wallet.api_keys import Client
from services.wallet.contract import ApiKeyList, ApiKeyView, EndApiKey, NewApiKey, SecretApiKey

_OPERATOR = refused("This needs the operator token")
_NO_KEY = refused("There is no such key, or it opens nothing any more")


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


def _secret(key: str, client: Client) -> Response[SecretApiKey]:
    return Response(
        SecretApiKey(key.split("_")[1], client.application, client.user_id, key),
        status_code=201,
        headers={"Cache-Control": "no-store"},
    )


def _not_found(key_id: str) -> Problem:
    return Problem(
        404, contract.API_KEY_NOT_FOUND, "There is no such key, or it opens nothing any more",
        details={"key_id": key_id[:64]},
    )  # fmt: skip


@get(
    "/api-keys", guards=[needs_role("operator")], summary="Every API key, without its secret",
    responses={401: _OPERATOR},
)  # fmt: skip
async def list_api_keys(state: State) -> ApiKeyList:
    """GET /api-keys."""
    async with _database(state).connect() as connection:
        found = await api_keys.list_keys(connection)
    views = [
        ApiKeyView(each.key_id, each.application, each.user_id, each.created_at, each.ends_at)
        for each in found
    ]
    return ApiKeyList(views)


@post(
    "/api-keys", dto=Strict[NewApiKey], return_dto=None, guards=[needs_role("operator")],
    summary="Make an API key; it is shown this once", responses={401: _OPERATOR},
)  # fmt: skip
async def create_api_key(data: JSONBody[NewApiKey], state: State) -> Response[SecretApiKey]:
    """POST /api-keys."""
    async with _database(state).connect() as connection:
        key = await api_keys.create_key(connection, data.application, data.user_id)
    return _secret(key, Client(data.application, data.user_id))


@post(
    "/api-keys/{key_id:str}/rotate", dto=Strict[EndApiKey], return_dto=None,
    guards=[needs_role("operator")],
    summary="Make the key's successor; the old one opens wallets for a while yet",
    responses={401: _OPERATOR, 404: _NO_KEY},
)  # fmt: skip
async def rotate_api_key(
    key_id: FromPath[str], data: JSONBody[EndApiKey], state: State
) -> Response[SecretApiKey]:
    """POST /api-keys/{key_id}/rotate."""
    async with _database(state).begin() as tx:
        client = await api_keys.end_key(tx, _printable(key_id), in_s=data.in_s)
        if client is None:
            raise _not_found(key_id)
        key = await api_keys.create_key(tx, client.application, client.user_id)
    return _secret(key, client)


@post(
    "/api-keys/{key_id:str}/revoke", status_code=200, guards=[needs_role("operator")],
    summary="Let the key open nothing, from now on", responses={401: _OPERATOR, 404: _NO_KEY},
)  # fmt: skip
async def revoke_api_key(key_id: FromPath[str], state: State) -> dict[str, Any]:
    """POST /api-keys/{key_id}/revoke."""
    async with _database(state).connect() as connection:
        client = await api_keys.end_key(connection, _printable(key_id), in_s=0.0)
    if client is None:
        raise _not_found(key_id)
    return {"key_id": key_id, "application": client.application}


def _printable(key_id: str) -> str:
    if "\x00" in key_id:
        raise _not_found("")
    return key_id


KEY_ROUTES: list[BaseRouteHandler] = [
    list_api_keys, create_api_key, rotate_api_key, revoke_api_key,
]  # fmt: skip
