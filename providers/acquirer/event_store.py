"""Events and their deliveries in SQL."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, select, text

from chassis.database.pool import Connection, statement
from chassis.due_work import DueWork, lease
from providers.acquirer import tables
from providers.acquirer.contract import WebhookFaults
from providers.acquirer.domain import AccountEvent

# Events and one delivery for each endpoint that wants them. A delay, and being overtaken, are
# times in the row, so that they outlive a restart; otherwise events leave in their order.
_EMIT = statement(
    text(
        "WITH added AS ("
        " INSERT INTO acquirer.events"
        "   (id, account, type, object, api_version, request_id, idempotency_key)"
        " SELECT id, :account ::text, type, object, :api_version ::text, :request_id ::text,"
        "   :idempotency_key ::text"
        " FROM unnest(:ids ::text[], :types ::text[], :objects ::jsonb[])"
        "   WITH ORDINALITY AS e (id, type, object, n) ORDER BY n"
        " RETURNING id, type, seq)"
        " INSERT INTO acquirer.deliveries (endpoint, event, next_attempt_at)"
        " SELECT w.id, a.id, now() + make_interval(secs => f.delay_s"
        "   + CASE WHEN random() < f.reorder THEN random() * :reorder_s ::float8 ELSE 0 END)"
        "   + interval '1 microsecond' * row_number() OVER (ORDER BY a.seq)"
        " FROM added a JOIN acquirer.webhook_endpoints w"
        "   ON w.account = :account ::text AND w.enabled_events && ARRAY['*', a.type]"
        " CROSS JOIN acquirer.webhook_faults f"
    ),
    "INSERT acquirer.events, acquirer.deliveries",
)
DELIVERIES_DUE = DueWork(
    tables.deliveries,
    key=tables.deliveries.c.id,
    state=tables.deliveries.c.state,
    # The partial index deliveries_due has the same words.
    due="state = 'PENDING'",
    again_s=lease(),
    on_claim={"attempts": tables.deliveries.c.attempts + 1},
)
_FIND = statement(
    text(
        "SELECT d.id AS delivery, d.attempts, w.url, w.secret, f.duplicate, f.forge, f.lose, e.*"
        " FROM acquirer.deliveries d"
        " JOIN acquirer.webhook_endpoints w ON w.id = d.endpoint"
        " JOIN acquirer.events e ON e.id = d.event CROSS JOIN acquirer.webhook_faults f"
        " WHERE d.id = :the_id AND d.state = 'PENDING'"
    ),
    "SELECT acquirer.deliveries",
)
_END = statement(
    text(
        "UPDATE acquirer.deliveries SET state = :state ::text, last_result = :result ::text,"
        "   updated_at = now() WHERE id = :the_id AND state = 'PENDING'"
    ),
    "UPDATE acquirer.deliveries",
)
_AGAIN = statement(
    text(
        "UPDATE acquirer.deliveries SET last_result = :result ::text, updated_at = now(),"
        "   next_attempt_at = now() + make_interval(secs => :after_s ::float8),"
        "   state = CASE WHEN created_at < now() - make_interval(secs => :give_up_s ::float8)"
        "     THEN 'GIVEN_UP' ELSE 'PENDING' END"
        " WHERE id = :the_id AND state = 'PENDING' RETURNING state"
    ),
    "UPDATE acquirer.deliveries",
)
_f = tables.webhook_faults
_FAULT_COLUMNS = [_f.c[name] for name in WebhookFaults.__struct_fields__]
_FAULTS = statement(select(*_FAULT_COLUMNS), "SELECT acquirer.webhook_faults")
_SET_FAULTS = statement(
    _f.update()
    .values({c.name: bindparam(f"new_{c.name}", type_=c.type) for c in _FAULT_COLUMNS})
    .returning(*_FAULT_COLUMNS),
    "UPDATE acquirer.webhook_faults",
)


class EventDelivery(msgspec.Struct, frozen=True):
    """One event on its way to one endpoint, and the shares of those that do not travel well."""

    id: int
    attempts: int
    url: str
    secret: str
    event: AccountEvent
    duplicate: float
    forge: float
    lose: float


async def emit(tx: Connection, events: list[tuple[str, str, dict[str, Any]]], **of: Any) -> None:
    """Write (id, type, object) as events of one request, each with its deliveries."""
    ids, types, objects = (list(each) for each in zip(*events, strict=True))
    await tx.execute(_EMIT, ids=ids, types=types, objects=objects, **of)


async def find_delivery(c: Connection, delivery_id: int) -> EventDelivery | None:
    """The delivery with its event and its endpoint; None when it has ended."""
    row = await c.row(_FIND, the_id=delivery_id)
    if row is None:
        return None
    event = AccountEvent(**{name: row[name] for name in AccountEvent.__struct_fields__})
    others = ("attempts", "url", "secret", "duplicate", "forge", "lose")
    return EventDelivery(id=row["delivery"], event=event, **{name: row[name] for name in others})


async def end_delivery(c: Connection, delivery_id: int, state: str, result: str) -> None:
    """DELIVERED, or LOST on purpose."""
    await c.execute(_END, the_id=delivery_id, state=state, result=result)


async def try_again(
    c: Connection, delivery_id: int, result: str, *, after_s: float, give_up_s: float
) -> str | None:
    """Due again later, or GIVEN_UP when it has been refused for too long; the state it is in."""
    row = await c.row(
        _AGAIN, the_id=delivery_id, result=result, after_s=after_s, give_up_s=give_up_s
    )
    return None if row is None else row["state"]


async def faults(c: Connection) -> WebhookFaults:
    """How webhooks travel now."""
    row = await c.row(_FAULTS)
    return WebhookFaults() if row is None else WebhookFaults(**dict(row))


async def set_faults(c: Connection, wanted: WebhookFaults) -> WebhookFaults:
    """How webhooks travel from now on."""
    values = {f"new_{name}": value for name, value in msgspec.structs.asdict(wanted).items()}
    row = await c.row(_SET_FAULTS, **values)
    return wanted if row is None else WebhookFaults(**dict(row))
