"""How each promise about events is broken."""

from tests.proof.breaks import GIVEN_BACK, NO_TRIGGERS, PAID, Break
from tests.proof.rows import CONFIRMED

_ORDER = f"aggregate = 'order' AND aggregate_id = '{CONFIRMED}'"
_ADD = "INSERT INTO {}.outbox (aggregate, aggregate_id, aggregate_seq, type, payload) VALUES"
_NUMBER = (
    f"UPDATE orders.outbox SET position = aggregate_seq WHERE {_ORDER};"
    "UPDATE events.head SET position = 2;"
)
_CONSUMER = (
    "INSERT INTO events.consumers (consumer, types, is_ordered)"
    " VALUES ('audit-consumer', '{order.*}', true);"
)
_TAKE = (
    "INSERT INTO events.inbox (consumer, event_id, aggregate, aggregate_id, aggregate_seq)"
    " SELECT 'audit-consumer', event_id, aggregate, aggregate_id, aggregate_seq"
    f" FROM orders.outbox WHERE {_ORDER}"
)
_WRITE = (
    "INSERT INTO audit.log (n, event_id, type, aggregate, aggregate_id, aggregate_seq, source,"
    " happened_at, data, hash) SELECT {n}, event_id, type, aggregate, aggregate_id, aggregate_seq,"
    " '/order-service', at, {data}, sha256('') FROM orders.outbox WHERE " + _ORDER
)

_NOTHING = "'{}' ::jsonb"
# The payment is a merchant's, whose endpoint was there, and its sender has taken the last event.
_DONE = f"aggregate_id = '{PAID}' AND type = 'payment.completed'"
_SENT = (
    f'{NO_TRIGGERS} UPDATE payments.outbox SET payload = payload || \'{{"merchant_id": "m1"}}\''
    f" WHERE aggregate_id = '{PAID}';"
    "INSERT INTO webhooks.endpoints (merchant_id, url, secret, types, created_at)"
    " VALUES ('m1', 'http://x.y/', 'whsec_x', '{payment.completed}', '-infinity');"
    "INSERT INTO events.consumers (consumer, types, is_ordered)"
    " VALUES ('webhook-sender', '{}', false);"
    "INSERT INTO events.inbox (consumer, event_id, aggregate, aggregate_id, aggregate_seq)"
    " SELECT 'webhook-sender', event_id, aggregate, aggregate_id, aggregate_seq"
    f" FROM payments.outbox WHERE {_DONE};"
)
_DELIVER = (
    "INSERT INTO webhooks.deliveries (endpoint_id, event_id, payment_id, type, body)"
    " SELECT e.endpoint_id, o.event_id, o.aggregate_id::uuid, o.type, {body}"
    " FROM webhooks.endpoints e, payments.outbox o WHERE o." + _DONE
)
_WHOLE = "jsonb_build_object('type', o.type, 'data', o.payload)::text"

EVENT_BREAKS = (
    Break(
        "E1",
        "a change whose event is gone",
        f"{NO_TRIGGERS} DELETE FROM orders.outbox WHERE {_ORDER} AND aggregate_seq = 2",
        ("type", "order.confirmed"),
        marked=False,
    ),
    Break(
        "E1",
        "an event of a refund that never was",
        f"{_ADD.format('payments')} ('payment', '{PAID}', 3, 'refund.created', '{{}}')",
        ("ref", str(PAID)),
        marked=False,
    ),
    Break(
        "E1",
        "a payment that ended otherwise than its event says",
        f"{NO_TRIGGERS} UPDATE payments.outbox SET type = 'payment.failed'"
        f" WHERE aggregate_id = '{GIVEN_BACK}' AND type = 'payment.completed';"
        f"UPDATE payments.outbox SET type = 'payment.failed'"
        f" WHERE aggregate_id = '{PAID}' AND type = 'payment.completed'",
        ("ref", str(PAID)),
        marked=False,
    ),
    Break(
        "E1",
        "an event of a switch that nobody pressed",
        f"{_ADD.format('orders')} ('gremlin', 'order-service/odd', 1, 'gremlin.started', '{{}}')",
        ("what", "switches of gremlins"),
    ),
    Break(
        "E2",
        "a sequence with a gap",
        f"{NO_TRIGGERS} UPDATE orders.outbox SET aggregate_seq = 3"
        f" WHERE {_ORDER} AND aggregate_seq = 2",
        ("found", "3"),
        marked=False,
    ),
    Break(
        "E2",
        "a position that no event has",
        f"UPDATE orders.outbox SET position = 2 * aggregate_seq - 1 WHERE {_ORDER};"
        "UPDATE events.head SET position = 3",
        ("what", "positions"),
        marked=False,
    ),
    Break(
        "E2",
        "positions against the order",
        f"UPDATE orders.outbox SET position = 3 - aggregate_seq WHERE {_ORDER};"
        "UPDATE events.head SET position = 2",
        ("what", "against the order"),
        marked=False,
    ),
    Break(
        "E3",
        "a later event that was published first",
        f"{_NUMBER} UPDATE orders.outbox SET confirmed_at = now()"
        f" WHERE {_ORDER} AND aggregate_seq = 2",
        ("seq", 2),
        marked=False,
    ),
    Break(
        "E4",
        "an event that was taken before the one before it",
        f"{_CONSUMER}{_TAKE} AND aggregate_seq = 2;"
        f"{_WRITE.format(n=1, data='payload')} AND aggregate_seq = 2",
        ("what", "overtaken"),
        ("E5",),
        marked=False,
    ),
    Break(
        "E4",
        "an event that was taken and left no line",
        f"{_CONSUMER}{_TAKE}; {_WRITE.format(n=1, data='payload')} AND aggregate_seq = 1",
        ("what", "no line"),
        ("E5",),
        marked=False,
    ),
    Break(
        "E4",
        "a line that says something else",
        f"{_CONSUMER}{_TAKE};{_WRITE.format(n='aggregate_seq', data=_NOTHING)}",
        ("what", "a line that says something else"),
        ("E5",),
        marked=False,
    ),
    Break(
        "E5",
        "an event of yesterday that nobody published",
        "UPDATE events.head SET leader = 'here:1';"
        f"{NO_TRIGGERS} UPDATE orders.outbox SET at = at - interval '1 day' WHERE {_ORDER}",
        ("what", "not published"),
        marked=False,
    ),
    Break(
        "E5",
        "an event of yesterday that its consumer has parked",
        f"{_CONSUMER} {NO_TRIGGERS} UPDATE orders.outbox SET at = at - interval '1 day'"
        f" WHERE {_ORDER};"
        "INSERT INTO events.parked (consumer, event_id, kind, reason, aggregate, aggregate_id,"
        " aggregate_seq, type, message) SELECT 'audit-consumer', event_id, 'failed', 'no room',"
        f" aggregate, aggregate_id, aggregate_seq, type, '' FROM orders.outbox WHERE {_ORDER}",
        ("parked", "no room"),
        marked=False,
    ),
    Break(
        "E6",
        "an event that was taken and is brought nowhere",
        _SENT,
        ("what", "no delivery"),
        marked=False,
    ),
    Break(
        "E6",
        "a webhook that says something else",
        f"{_SENT}{_DELIVER.format(body=repr('{}'))}",
        ("what", "says something else"),
    ),
    Break(
        "E6",
        "a webhook of an event that was not taken",
        f"{_SENT}{_DELIVER.format(body=_WHOLE)}; DELETE FROM events.inbox",
        ("what", "a delivery of nothing"),
    ),
    Break(
        "E6",
        "an event that is brought twice",
        "ALTER TABLE webhooks.deliveries DROP CONSTRAINT once_an_endpoint;"
        f"{_SENT}{_DELIVER.format(body=_WHOLE)};{_DELIVER.format(body=_WHOLE)}",
        ("what", "delivered by two rows"),
        ("I30",),
    ),
)
