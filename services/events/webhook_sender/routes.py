"""The webhook sender's endpoints: where merchants want their events, and what became of them."""

from typing import Annotated
from uuid import UUID

import asyncpg
from litestar import Response, delete, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from chassis.database.pool import Database, Row
from chassis.http.cursors import write_cursor
from chassis.http.json_body import Strict
from chassis.http.openapi import limit_up_to, refused
from chassis.http.parameters import rows_of
from chassis.http.problems import Problem, invalid, invalid_parameter
from chassis.http.shop_identity import internal_guard
from chassis.identity.caller import needs_role
from chassis.telemetry.context import parse_traceparent
from services.events.cursors import read_cursor
from services.events.webhook_sender import contract, store
from services.events.webhook_sender.addresses import fault_of
from services.events.webhook_sender.contract import (
    AddEndpoint,
    DeliveryPage,
    DeliveryState,
    DeliveryView,
    EndpointList,
    EndpointView,
    SecretEndpoint,
)
from services.events.webhook_sender.signature import new_secret

DEFAULT_PAGE, MAX_PAGE = 50, 200
REMOVED = "it was removed"
_LONGEST_MERCHANT = 64
_OPERATOR = refused("This needs the operator token")
_INTERNAL = refused("Only a service of this shop, or its operator, may ask for this")


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


@post(
    "/endpoints", dto=Strict[AddEndpoint], return_dto=None, guards=[needs_role("operator")],
    summary="Where a merchant wants its events; the secret is shown this once",
    responses={401: _OPERATOR, 404: refused("There is no such merchant")},
)  # fmt: skip
async def create_endpoint(data: JSONBody[AddEndpoint], state: State) -> Response[SecretEndpoint]:
    """POST /endpoints."""
    settings = state["settings"]
    if fault := fault_of(data.url, allows_private=settings.allows_private_addresses):
        raise invalid("/url", fault)
    secret, types = new_secret(), sorted(set(data.types))
    values = {"merchant_id": data.merchant_id, "url": data.url, "types": types}
    try:
        async with _database(state).begin() as tx:
            endpoint_id = await store.add_endpoint(tx, secret=secret, **values)
    except asyncpg.ForeignKeyViolationError:
        raise Problem(404, contract.MERCHANT_NOT_FOUND, "There is no such merchant") from None
    return Response(
        SecretEndpoint(endpoint_id, data.merchant_id, data.url, list(types), secret),
        status_code=201,
        headers={"Cache-Control": "no-store"},
    )


@get(
    "/endpoints", guards=[internal_guard], responses={401: _INTERNAL},
    summary="Every endpoint, without its secret; those that are disabled too",
)  # fmt: skip
async def list_endpoints(
    state: State, merchant_id: Annotated[str | None, QueryParameter()] = None
) -> EndpointList:
    """GET /endpoints."""
    async with _database(state).connect() as connection:
        found = await store.list_endpoints(connection, _merchant(merchant_id))
    return EndpointList([EndpointView(**dict(row)) for row in found])


@delete(
    "/endpoints/{endpoint_id:uuid}", status_code=204, guards=[needs_role("operator")],
    summary="Bring nothing there any more; what waits for it is dead",
    responses={401: _OPERATOR, 404: refused("There is no such endpoint")},
)  # fmt: skip
async def remove_endpoint(endpoint_id: FromPath[UUID], state: State) -> None:
    """DELETE /endpoints/{endpoint_id}: its deliveries stay on record."""
    async with _database(state).begin() as tx:
        is_removed = await store.disable_endpoint(tx, endpoint_id, REMOVED)
    if not is_removed:
        raise Problem(
            404, contract.ENDPOINT_NOT_FOUND, "There is no such endpoint, or it is disabled already"
        )


@get(
    "/deliveries", guards=[internal_guard], responses={401: _INTERNAL},
    summary="What was brought where, newest first",
)  # fmt: skip
async def list_deliveries(
    state: State,
    limit: Annotated[int, limit_up_to(MAX_PAGE)] = DEFAULT_PAGE,
    cursor: Annotated[str | None, QueryParameter()] = None,
    delivery_state: Annotated[DeliveryState | None, QueryParameter(name="state")] = None,
    merchant_id: Annotated[str | None, QueryParameter()] = None,
) -> DeliveryPage:
    """GET /deliveries: a page; more than 200 are 200."""
    most = rows_of(limit, MAX_PAGE)
    async with _database(state).connect() as connection:
        found = await store.page(
            connection,
            before=read_cursor("deliveries", cursor),
            limit=most + 1,
            state=delivery_state,
            merchant_id=_merchant(merchant_id),
        )
    shown = [_view(row) for row in found[:most]]
    more = write_cursor("deliveries", shown[-1].delivery_id) if len(found) > most else None
    return DeliveryPage(shown, more)


def _merchant(name: str | None) -> str | None:
    if name is not None and ("\x00" in name or len(name) > _LONGEST_MERCHANT):
        raise invalid_parameter("merchant_id", "must be a merchant's name")
    return name


def _view(row: Row) -> DeliveryView:
    traced = parse_traceparent(row["traceparent"])
    values = {name: row[name] for name in DeliveryView.__struct_fields__ if name in row}
    if row["state"] != "WAITING":
        values["next_attempt_at"] = None
    return DeliveryView(trace_id=traced[0] if traced else None, **values)


@post(
    "/deliveries/{delivery_id:int}/replay", guards=[needs_role("operator")], status_code=202,
    summary="Try a delivery once more, for as long as a new one, under its webhook-id",
    responses={
        401: _OPERATOR,
        404: refused("There is no such delivery"),
        409: refused("Its endpoint is disabled"),
    },
)  # fmt: skip
async def replay(delivery_id: FromPath[int], state: State) -> DeliveryView:
    """POST /deliveries/{delivery_id}/replay: the delivery as it is then; one that still waits is
    left as it is."""
    try:
        if not 0 <= delivery_id < 1 << 63:
            raise LookupError(delivery_id)
        async with _database(state).connect() as connection:
            found = await store.delivery(connection, delivery_id)
            if found["is_disabled"]:
                raise Problem(
                    409,
                    contract.ENDPOINT_DISABLED,
                    f"Its endpoint is disabled: {found['disabled_because']}; add a new one",
                )
            await store.replay(connection, delivery_id)
            return _view(await store.delivery(connection, delivery_id))
    except LookupError:
        raise Problem(404, contract.DELIVERY_NOT_FOUND, "There is no such delivery") from None


ROUTES: list[BaseRouteHandler] = [
    create_endpoint, list_endpoints, remove_endpoint, list_deliveries, replay,
]  # fmt: skip
