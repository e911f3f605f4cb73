"""Endpoints and deliveries in SQL. `open_deliveries` is the effect of an event."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from chassis.messaging.envelope import CloudEvent
from chassis.messaging.inbox import Inbox
from services.events.catalogue import types_of
from services.events.webhook_sender.contract import (
    MOST_COUNTED,
    WebhookMessage,
)
from topology import find

CONSUMER = find("webhook_sender").name
TYPES = types_of("webhook_sender")
INBOX = Inbox(CONSUMER, TYPES, is_ordered=False)

# Of each endpoint those due first, as many as it has places for; of all endpoints first those that
# have the fewest under way, then the oldest. A look at the index deliveries_due for each endpoint.
_CLAIM = statement(
    text(
        "WITH due AS (SELECT w.delivery_id, w.next_attempt_at, e.url, e.secret, e.disabled_because,"
        " e.taken + row_number() OVER (PARTITION BY e.endpoint_id ORDER BY w.next_attempt_at) AS n"
        " FROM (SELECT e.*, coalesce(t.n, 0) AS taken FROM webhooks.endpoints e"
        " LEFT JOIN unnest(:taken_ids ::uuid[], :taken ::int[]) AS t (endpoint_id, n)"
        " USING (endpoint_id)) e CROSS JOIN LATERAL (SELECT delivery_id, next_attempt_at"
        " FROM webhooks.deliveries WHERE endpoint_id = e.endpoint_id AND state = 'WAITING'"
        " AND next_attempt_at <= now() ORDER BY next_attempt_at"
        " LIMIT greatest(0, :places ::int - e.taken) FOR UPDATE SKIP LOCKED) w"
        " ORDER BY n, w.next_attempt_at LIMIT :most ::int)"
        " UPDATE webhooks.deliveries d SET attempts = attempts + 1,"
        " next_attempt_at = now() + make_interval(secs => :lease_s ::float8)"
        " FROM due WHERE d.delivery_id = due.delivery_id"
        " RETURNING d.delivery_id, d.endpoint_id, d.event_id, d.body, d.attempts,"
        " due.url, due.secret, due.disabled_because"
    ),
    "UPDATE webhooks.deliveries claim",
)
# An endpoint gets what happens while it is there, whenever that is taken off the bus.
_OPEN = statement(
    text(
        "INSERT INTO webhooks.deliveries (endpoint_id, event_id, payment_id, type, body,"
        " traceparent) SELECT e.endpoint_id, v.event_id, v.payment_id, v.type, v.body,"
        " v.traceparent FROM unnest(:ids ::uuid[], :payment_ids ::uuid[], :types ::text[],"
        " :bodies ::text[], :traceparents ::text[], :merchant_ids ::text[], :times ::timestamptz[])"
        " WITH ORDINALITY"
        " AS v (event_id, payment_id, type, body, traceparent, merchant_id, at, n)"
        " JOIN webhooks.endpoints e ON e.merchant_id = v.merchant_id AND v.type = ANY (e.types)"
        " AND e.created_at <= v.at AND (e.disabled_at IS NULL OR e.disabled_at > v.at) ORDER BY v.n"
    ),
    "INSERT webhooks.deliveries",
)
_ADD = statement(
    text(
        "INSERT INTO webhooks.endpoints (merchant_id, url, secret, types)"
        " VALUES (:merchant_id, :url, :secret, :types ::text[]) RETURNING endpoint_id"
    ),
    "INSERT webhooks.endpoints",
)
_DISABLE = statement(
    text(
        "WITH gone AS (UPDATE webhooks.endpoints SET disabled_at = clock_timestamp(),"
        " disabled_because = :reason ::text WHERE endpoint_id = :endpoint_id"
        " AND disabled_at IS NULL RETURNING endpoint_id),"
        " ended AS (UPDATE webhooks.deliveries SET state = 'DEAD', last_reason = :reason ::text,"
        " ended_at = now(), updated_at = now()"
        " WHERE endpoint_id IN (SELECT endpoint_id FROM gone) AND state = 'WAITING')"
        " SELECT endpoint_id FROM gone"
    ),
    "UPDATE webhooks.endpoints",
)
_OF_STATE = (
    "(SELECT {columns} FROM (SELECT last_reason FROM webhooks.deliveries d"
    " WHERE d.endpoint_id = e.endpoint_id AND d.state = '{state}' LIMIT :most ::int) found)"
)
_COUNTED = ",".join(
    f" {_OF_STATE.format(columns='count(*)', state=state)} AS {state.lower()}"
    for state in ("SENT", "DEAD")
)
_WAITING = _OF_STATE.format(
    columns="count(*) AS waiting, count(last_reason) AS failing,"
    " max(last_reason) AS failing_because",
    state="WAITING",
)
_ENDPOINTS = statement(
    text(
        "SELECT e.endpoint_id, e.merchant_id, e.url, e.types, e.created_at, e.disabled_at,"
        f" e.disabled_because, w.*,{_COUNTED}"
        f" FROM webhooks.endpoints e CROSS JOIN LATERAL {_WAITING} w"
        " WHERE :merchant_id ::text IS NULL OR merchant_id = :merchant_id"
        " ORDER BY created_at DESC, endpoint_id LIMIT 200"
    ),
    "SELECT webhooks.endpoints",
)
_DELIVERIES = (
    "SELECT d.*, e.merchant_id, e.url, e.disabled_at IS NOT NULL AS is_disabled, e.disabled_because"
    " FROM webhooks.deliveries d JOIN webhooks.endpoints e USING (endpoint_id)"
)
_PAGE = statement(
    text(
        f"{_DELIVERIES} WHERE d.delivery_id < :before ::bigint"
        " AND (:state ::text IS NULL OR d.state = :state)"
        " AND (:merchant_id ::text IS NULL OR e.merchant_id = :merchant_id)"
        " ORDER BY d.delivery_id DESC LIMIT :limit ::int"
    ),
    "SELECT webhooks.deliveries",
)
_END = statement(
    text(
        "UPDATE webhooks.deliveries SET state = :state ::text, last_status = :status ::int,"
        " last_reason = :reason ::text, ended_at = now(), updated_at = now()"
        " WHERE delivery_id = :delivery_id AND state = 'WAITING'"
    ),
    "UPDATE webhooks.deliveries",
)
_AGAIN = statement(
    text(
        "UPDATE webhooks.deliveries SET last_status = :status ::int, last_reason = :reason ::text,"
        " updated_at = now(), next_attempt_at = now() + make_interval(secs => :after_s ::float8),"
        " (state, ended_at) = (SELECT CASE WHEN is_over THEN 'DEAD' ELSE 'WAITING' END,"
        " CASE WHEN is_over THEN now() END FROM (SELECT"
        " tried_since <= now() - make_interval(secs => :give_up_s ::float8) AS is_over) o)"
        " WHERE delivery_id = :delivery_id AND state = 'WAITING' RETURNING state"
    ),
    "UPDATE webhooks.deliveries",
)
_REPLAY = statement(
    text(
        "UPDATE webhooks.deliveries SET state = 'WAITING', attempts = 0, next_attempt_at = now(),"
        " tried_since = now(), ended_at = NULL, updated_at = now()"
        " WHERE delivery_id = :delivery_id AND state <> 'WAITING'"
    ),
    "UPDATE webhooks.deliveries",
)
_ONE = statement(
    text(f"{_DELIVERIES} WHERE d.delivery_id = :delivery_id"), "SELECT webhooks.deliveries"
)
# Dead ones of an endpoint that is there: somebody can do something about them.
_IS_ANY_WAITING = statement(
    text("SELECT EXISTS (SELECT FROM webhooks.deliveries WHERE state = 'WAITING') AS \"any\""),
    "SELECT webhooks.deliveries",
)
_FIGURES = statement(
    text(
        "SELECT (SELECT count(*) FROM webhooks.deliveries WHERE state = 'WAITING') AS waiting,"
        " (SELECT count(*) FROM webhooks.deliveries d JOIN webhooks.endpoints e USING (endpoint_id)"
        " WHERE d.state = 'DEAD' AND e.disabled_at IS NULL) AS dead,"
        " (SELECT coalesce(extract(epoch FROM now() - min(tried_since)), 0)::float8"
        " FROM webhooks.deliveries WHERE state = 'WAITING') AS oldest_s"
    ),
    "SELECT webhooks.deliveries",
)
_message = msgspec.json.Encoder().encode


class DueDelivery(msgspec.Struct, frozen=True):
    """A delivery that is claimed, with where it goes; `disabled_because` is set where nobody wants
    it any more."""

    delivery_id: int
    endpoint_id: UUID
    event_id: UUID
    body: str
    attempts: int
    url: str
    secret: str
    disabled_because: str | None


async def open_deliveries(tx: Connection, events: Sequence[CloudEvent]) -> None:
    """The effect: a delivery of each event to each endpoint of its merchant that wants its type."""
    theirs = [event for event in events if event.data.get("merchant_id") is not None]
    if not theirs:
        return
    await tx.execute(
        _OPEN,
        ids=[event.id for event in theirs],
        payment_ids=[UUID(event.aggregateid) for event in theirs],
        types=[event.type for event in theirs],
        bodies=[_body(event) for event in theirs],
        traceparents=[event.traceparent for event in theirs],
        merchant_ids=[str(event.data["merchant_id"]) for event in theirs],
        times=[event.time for event in theirs],
    )


def _body(event: CloudEvent) -> str:
    return _message(WebhookMessage(type=event.type, timestamp=event.time, data=event.data)).decode()


async def add_endpoint(tx: Connection, **values: Any) -> UUID:
    """A new endpoint. In a transaction: no event is taken off the bus meanwhile."""
    await INBOX.register(tx)
    row = await tx.row(_ADD, **values)
    assert row is not None  # noqa: S101 - an INSERT without a condition
    endpoint_id: UUID = row["endpoint_id"]
    return endpoint_id


async def disable_endpoint(tx: Connection, endpoint_id: UUID, reason: str) -> bool:
    """From now on it gets nothing, and what waited for it is dead; false where it was so already,
    or is not there. In a transaction: no event is taken off the bus meanwhile."""
    await INBOX.register(tx)
    return await tx.row(_DISABLE, endpoint_id=endpoint_id, reason=reason) is not None


async def list_endpoints(c: Connection, merchant_id: str | None) -> list[Row]:
    """The newest first, with how many deliveries are in each state, counted up to MOST_COUNTED."""
    return await c.rows(_ENDPOINTS, merchant_id=merchant_id, most=MOST_COUNTED)


async def page(c: Connection, *, before: int, limit: int, **filters: object) -> list[Row]:
    """The newest deliveries below number `before`; `state` and `merchant_id` or None for any."""
    return await c.rows(_PAGE, before=before, limit=limit, **filters)


async def claim(
    c: Connection, most: int, taken: Mapping[UUID, int], *, places: int, lease_s: float
) -> list[DueDelivery]:
    """What is due, for `lease_s`; no endpoint gets more than `places`, with what is `taken`."""
    rows = await c.rows(
        _CLAIM, most=most, places=places, lease_s=lease_s,
        taken_ids=list(taken), taken=list(taken.values()),
    )  # fmt: skip
    return [DueDelivery(**dict(row)) for row in rows]


async def end(
    c: Connection, delivery_id: int, state: str, *, status: int | None, reason: str
) -> None:
    """SENT, or DEAD for a reason."""
    await c.execute(_END, delivery_id=delivery_id, state=state, status=status, reason=reason)


async def try_again(c: Connection, delivery_id: int, **result: object) -> str:
    """Due again `after_s` from now, or DEAD where it has been tried for `give_up_s`; the state."""
    row = await c.row(_AGAIN, delivery_id=delivery_id, **result)
    return "" if row is None else str(row["state"])


async def replay(c: Connection, delivery_id: int) -> bool:
    """Try one that ended once more, for as long as a new one; false where it still waits."""
    return await c.execute(_REPLAY, delivery_id=delivery_id) > 0


async def delivery(c: Connection, delivery_id: int) -> Row:
    """A delivery with its endpoint; raises `LookupError` where there is none."""
    row = await c.row(_ONE, delivery_id=delivery_id)
    if row is None:
        raise LookupError(delivery_id)
    return row


async def is_any_waiting(c: Connection) -> bool:
    """Whether a delivery waits, for now or for later."""
    row = await c.row(_IS_ANY_WAITING)
    return row is not None and row["any"]


async def figures(c: Connection) -> tuple[int, int, float]:
    """(waiting, dead at an endpoint that is there, seconds that the oldest has been tried)."""
    row = await c.row(_FIGURES)
    return (row["waiting"], row["dead"], row["oldest_s"]) if row else (0, 0, 0.0)
