"""What a time left open: orders, and the payments that no order has."""

from datetime import UTC, datetime, timedelta

from chassis.database.pool import Database
from observatory.timeline.incident import OrdersMeanwhile
from observatory.timeline.queries import TimelineQueries
from tests.harness.serving import settings_of

SINCE = datetime(2020, 2, 1, 9, tzinfo=UTC)
UNTIL = SINCE + timedelta(minutes=1)
LATER = UNTIL + timedelta(seconds=7)
MADE = (
    ("SUCCEEDED", SINCE),
    ("SUCCEEDED", LATER),
    # Given back long after: it was not open for so long.
    ("REFUNDED", UNTIL + timedelta(hours=1)),
    ("PROCESSING", SINCE),
)


async def test_a_merchant_s_payment_is_open_until_it_is_settled(database_url, connection):
    database = Database(settings_of("dashboard", database_url), size=1)
    queries = TimelineQueries(database)
    await connection.executemany(
        "INSERT INTO payments.payments (payment_id, amount_minor, currency, state, created_at,"
        " updated_at) VALUES (gen_random_uuid(), 5, 'EUR', $1, $2, $3)",
        [(state, SINCE, at) for state, at in MADE],
    )
    found = await queries.orders_meanwhile(SINCE, UNTIL)
    assert found == OrdersMeanwhile(0, 2, 1, LATER, payments=len(MADE))
    await database.close()
