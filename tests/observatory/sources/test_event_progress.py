"""How far events are: what the outboxes hold and the inboxes do not, with no relay running."""

from chassis.database.pool import Database
from observatory.sources.event_progress import EventProgressReader
from tests.harness.serving import settings_of

_ORDERS = """
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
                           currency, status, next_attempt_at, deadline_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'PROD-001', 1, 5, 5, 'EUR', 'PENDING', now(), now()
FROM generate_series(1, 3)"""
_CONSUMERS = """
INSERT INTO events.consumers (consumer, types, is_ordered)
VALUES ('audit-consumer', '{order.*}', true), ('metrics-consumer', '{payment.*}', false)"""
_TAKE = """
INSERT INTO events.inbox (consumer, event_id, aggregate, aggregate_id, aggregate_seq)
SELECT 'audit-consumer', event_id, aggregate, aggregate_id, aggregate_seq
FROM orders.outbox WHERE position = 1"""


async def test_what_waits_is_counted_while_no_relay_runs(database_url, connection):
    # What a migration has put into wallets is not the test's.
    await connection.execute(
        "ALTER TABLE wallets.outbox DISABLE TRIGGER USER; DELETE FROM wallets.outbox;"
        " ALTER TABLE wallets.outbox ENABLE TRIGGER USER"
    )
    await connection.execute(f"{_ORDERS}; {_CONSUMERS}")
    database = Database(settings_of("dashboard", database_url), size=1)
    reader = EventProgressReader(database)
    found = await reader.read()
    assert (found.unpublished, found.position, found.leader) == (3, 0, None)
    # A consumer waits only for what it takes.
    assert {each.consumer: each.behind for each in found.consumers} == {
        "audit-consumer": 3,
        "metrics-consumer": 0,
    }
    await connection.execute(
        "UPDATE orders.outbox SET position = id; UPDATE orders.outbox SET confirmed_at = now();"
        " UPDATE events.head SET position = 3"
    )
    await connection.execute(_TAKE)
    found = await reader.read()
    assert (found.unpublished, found.position) == (0, 3)
    assert found.behind_of("audit-consumer")[0] == 2
    await database.close()
