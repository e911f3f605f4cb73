"""The relay's endpoints: what happened, what is on its way, what was put aside, and the proof."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter
from sqlalchemy import text

from chassis.database.pool import Database, statement
from chassis.http.cursors import read_cursor, write_cursor
from chassis.http.openapi import limit_up_to, refused
from chassis.http.parameters import rows_of
from chassis.http.problems import Problem, invalid_parameter, one_of
from chassis.identity.caller import needs_role
from chassis.messaging.postgres import RING
from chassis.telemetry.context import parse_traceparent
from services.events.catalogue import TYPES
from services.events.cursors import Number
from services.events.relay import proof
from services.events.relay.contract import (
    ConsumerLag,
    EventPage,
    EventView,
    GaplessProof,
    LagView,
    ParkedList,
    ParkedView,
)
from services.events.relay.relay import Relay
from services.events.relay.store import OutboxRow, find_head, find_outboxes
from services.events.relay.watermarks import look

DEFAULT_PAGE, MAX_PAGE = 50, 200
# A body may be anything; what a person reads of it is this long.
_SHOWN = 2000
_VIEW = (
    "consumer, event_id, kind, reason, type, aggregate, aggregate_id, aggregate_seq, at,"
    f" retry_at, left(encode(message, 'escape'), {_SHOWN}) AS message"
)
_PARKED = statement(
    text(
        f"SELECT {_VIEW} FROM events.parked"
        f" WHERE done_at IS NULL ORDER BY at, event_id LIMIT {MAX_PAGE}"
    ),
    "SELECT events.parked",
)
_RETRY = statement(
    text(
        "UPDATE events.parked SET retry_at = now()"
        " WHERE consumer = :consumer AND event_id = :event_id AND done_at IS NULL"
        f" RETURNING {_VIEW}"
    ),
    "UPDATE events.parked",
)
_Filter = Annotated[str | None, QueryParameter()]


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


def _sources(state: State) -> Mapping[str, str]:
    sources: Mapping[str, str] = state["sources"]
    return sources


@get("/events", summary="The newest events, and whether they are published")
async def list_events(
    state: State,
    limit: Annotated[int, limit_up_to(MAX_PAGE)] = DEFAULT_PAGE,
    cursor: _Filter = None,
    type: _Filter = None,  # noqa: A002 - the parameter's name on the wire
    aggregate: _Filter = None,
    aggregate_id: _Filter = None,
) -> EventPage:
    """GET /events: a page; more than 200 are 200."""
    most = rows_of(limit, MAX_PAGE)
    if type is not None:
        one_of("type", type, TYPES)
    before = {} if cursor is None else read_cursor("events", cursor, dict[str, Number])
    async with _database(state).connect() as connection:
        outboxes = await find_outboxes(connection, list(_sources(state)))
        found = await outboxes.tail(
            connection,
            most + 1,
            before,
            type=type,
            aggregate=_printable("aggregate", aggregate),
            aggregate_id=_printable("aggregate_id", aggregate_id),
        )
    found.sort(key=lambda row: (row.at, row.id), reverse=True)
    shown = found[:most]
    # The outboxes' clocks differ from the one order in which they were numbered.
    shown.sort(key=lambda row: (row.position is None, row.position or 0), reverse=True)
    after = write_cursor("events", _lowest(before, shown)) if len(found) > most else None
    return EventPage([_view(row, _sources(state)) for row in shown], after)


def _view(row: OutboxRow, sources: Mapping[str, str]) -> EventView:
    traced = parse_traceparent(row.traceparent)
    return EventView(
        event_id=row.event_id,
        type=row.type,
        source=sources[row.room],
        aggregate=row.aggregate,
        aggregate_id=row.aggregate_id,
        aggregate_seq=row.aggregate_seq,
        at=row.at,
        trace_id=traced[0] if traced else None,
        position=row.position,
        confirmed_at=row.confirmed_at,
        data=row.payload,
    )


def _printable(name: str, value: str | None) -> str | None:
    if value is not None and ("\x00" in value or len(value) > MAX_PAGE):
        raise invalid_parameter(name, f"must be at most {MAX_PAGE} printable characters")
    return value


def _lowest(before: Mapping[str, int], shown: Sequence[OutboxRow]) -> dict[str, int]:
    """The id in each outbox below which the next page begins."""
    lowest = dict(before)
    for row in shown:
        lowest[row.room] = min(row.id, lowest.get(row.room, row.id))
    return lowest


@get("/events/lag", summary="What is still on its way, and to whom")
async def show_lag(state: State) -> LagView:
    """GET /events/lag."""
    relay: Relay = state["relay"]
    async with _database(state).connect() as connection:
        outboxes = await find_outboxes(connection, list(_sources(state)))
        head = await find_head(connection)
        waiting, oldest = await outboxes.waiting(connection, head["confirmed"])
        lags = [lag for lag, _ in await look(connection, outboxes)]
    return LagView(
        transport="rabbitmq" if state["settings"].amqp_url else "postgres",
        leader=head["leader"],
        since=head["since"],
        leads_here=relay.leads,
        trouble=relay.trouble,
        position=head["position"],
        unpublished=waiting,
        oldest_unpublished_at=oldest,
        consumers=[ConsumerLag(**msgspec.structs.asdict(lag)) for lag in lags],
    )


@get("/events/parked", summary="Events that were put aside, oldest first")
async def list_parked(state: State) -> ParkedList:
    """GET /events/parked."""
    async with _database(state).connect() as connection:
        rows: list[Any] = list(await connection.rows(_PARKED))
    return ParkedList([ParkedView(**dict(row)) for row in rows])


@post(
    "/events/parked/{consumer:str}/{event_id:uuid}/replay",
    guards=[needs_role("operator")],
    status_code=202,
    summary="Let a parked event be tried again; its consumer does so within a second",
    responses={
        401: refused("This needs the operator token"),
        404: refused("Nothing of this id is parked for this consumer"),
    },
)
async def replay(consumer: FromPath[str], event_id: FromPath[UUID], state: State) -> ParkedView:
    """POST /events/parked/{consumer}/{event_id}/replay: what is parked, as it is then."""
    if "\x00" not in consumer:
        async with _database(state).connect() as connection:
            found = await connection.row(_RETRY, consumer=consumer, event_id=event_id)
            await connection.execute(RING)
        if found is not None:
            return ParkedView(**dict(found))
    raise Problem(404, "not-parked", "Nothing of this id is parked for this consumer")


@get("/events/verify", summary="The gapless proof: committed = positioned = confirmed = consumed")
async def verify(
    state: State, aggregate: _Filter = None, aggregate_id: _Filter = None
) -> GaplessProof:
    """GET /events/verify."""
    async with _database(state).connect() as connection:
        outboxes = await find_outboxes(connection, list(_sources(state)))
        return await proof.prove(
            connection,
            outboxes,
            _printable("aggregate", aggregate),
            _printable("aggregate_id", aggregate_id),
        )


ROUTES: list[BaseRouteHandler] = [list_events, show_lag, list_parked, replay, verify]
