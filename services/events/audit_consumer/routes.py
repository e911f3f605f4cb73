"""The audit log's endpoints."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from chassis.database.pool import Database, Row
from chassis.http.cursors import write_cursor
from chassis.http.openapi import limit_up_to
from chassis.http.parameters import rows_of
from chassis.http.problems import invalid_parameter, one_of
from chassis.telemetry.context import parse_traceparent
from services.events.audit_consumer import log
from services.events.audit_consumer.contract import AuditLine, AuditPage, ChainView
from services.events.catalogue import TYPES
from services.events.cursors import read_cursor

DEFAULT_PAGE, MAX_PAGE = 50, 200
_Filter = Annotated[str | None, QueryParameter()]


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


@get("/audit", summary="The audit log, newest first")
async def list_lines(
    state: State,
    limit: Annotated[int, limit_up_to(MAX_PAGE)] = DEFAULT_PAGE,
    cursor: _Filter = None,
    type: _Filter = None,  # noqa: A002 - the parameter's name on the wire
    aggregate: _Filter = None,
    aggregate_id: _Filter = None,
    subject: _Filter = None,
    event_id: Annotated[UUID | None, QueryParameter()] = None,
) -> AuditPage:
    """GET /audit: a page; more than 200 are 200."""
    filters = {
        "type": type, "aggregate": aggregate, "aggregate_id": aggregate_id, "subject": subject,
    }  # fmt: skip
    for name, value in filters.items():
        if value is not None and "\x00" in value:
            raise invalid_parameter(name, "must be printable characters")
    if type is not None:
        one_of("type", type, TYPES)
    most = rows_of(limit, MAX_PAGE)
    async with _database(state).connect() as connection:
        found = await log.page(
            connection,
            limit=most + 1,
            before=read_cursor("audit", cursor),
            event_id=event_id,
            **filters,
        )
    shown = [_line(row) for row in found[:most]]
    more = write_cursor("audit", shown[-1].n) if len(found) > most else None
    return AuditPage(shown, more)


def _line(row: Row) -> AuditLine:
    traced = parse_traceparent(row["traceparent"])
    values = {k: v for k, v in row.items() if k not in ("traceparent", "hash")}
    return AuditLine(trace_id=traced[0] if traced else None, hash=row["hash"].hex(), **values)


@get("/audit/chain", summary="Whether every line is as it was written")
async def check_chain(state: State) -> ChainView:
    """GET /audit/chain: reads the whole log."""
    async with _database(state).connect() as connection:
        lines, broken_at = await log.first_broken(connection)
    return ChainView(is_intact=broken_at is None, lines=lines, broken_at=broken_at)


ROUTES: list[BaseRouteHandler] = [list_lines, check_chain]
