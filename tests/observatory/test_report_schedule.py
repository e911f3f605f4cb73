"""A report on each day that is over: written once, after a restart too, and none on nothing."""

from datetime import UTC, datetime, timedelta

from chassis.database.pool import Database
from observatory.retrospective.kept import KeptReports
from observatory.retrospective.writer import ReportWriter
from observatory.sources.embedded_traces import EmbeddedTraces
from observatory.store.store import TelemetryStore
from tests.harness.serving import settings_of

DAY = timedelta(days=1)


async def test_a_day_with_requests_is_reported_once_and_an_empty_one_is_not(
    database_url, connection, tmp_path
):
    await connection.execute(
        "INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor,"
        " amount_minor, currency, status, next_attempt_at, deadline_at, created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'PROD-001', 1, 5, 5, 'EUR', 'PENDING',"
        " now(), now(), '2026-11-27 09:00Z'"
    )
    database = Database(settings_of("dashboard", database_url), size=1)
    telemetry = EmbeddedTraces(TelemetryStore(), lambda _: None)
    now = [datetime(2026, 11, 28, 0, 1, tzinfo=UTC)]
    for day, names in ((0, ["20261128T000000Z-1d"]), (0, ["20261128T000000Z-1d"]),
                       (1, ["20261128T000000Z-1d"])):  # fmt: skip
        now[0] += DAY * day
        kept = KeptReports(tmp_path, most=5)
        writer = ReportWriter(database, telemetry, kept, every=DAY, clock=lambda: now[0])
        await writer.write_due()
        assert kept.names() == names
    (report,) = kept.all()
    assert (report.total_requests, report.written_by) == (1, "schedule")
    await database.close()


async def test_what_its_own_customer_or_merchant_cancelled_did_not_fail(
    database_url, connection, tmp_path
):
    await connection.execute(
        "WITH p AS (INSERT INTO payments.payments (payment_id, amount_minor, currency, state,"
        " cancel_reason, cancelled_by) VALUES (gen_random_uuid(), 5, 'EUR', 'CANCELLED', 'REFUND',"
        " 'hand') RETURNING payment_id)"
        " INSERT INTO payments.requests (merchant_id, request_id, request_hash, payment_id, at)"
        " SELECT 'm1', 'r1', '', payment_id, '2020-01-01 09:00Z' FROM p"
    )
    await connection.execute(
        "INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor,"
        " amount_minor, currency, status, reason, settled_at, next_attempt_at, deadline_at,"
        " created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'PROD-001', 1, 5, 5, 'EUR', 'FAILED',"
        " reason, created_at, created_at, created_at, created_at"
        " FROM unnest(ARRAY['USER_CANCELLED', 'OUT_OF_STOCK']) AS reason,"
        " CAST('2020-01-01 09:00Z' AS timestamptz) AS created_at"
    )
    database = Database(settings_of("dashboard", database_url), size=1)
    telemetry = EmbeddedTraces(TelemetryStore(), lambda _: None)
    writer = ReportWriter(database, telemetry, KeptReports(tmp_path, most=5), every=DAY)
    report = await writer.report(DAY, by="page", until=datetime(2020, 1, 2, tzinfo=UTC))
    found = [(e.of, e.requests, e.failed, e.cancelled) for e in report.requests]
    assert found == [("orders", 2, 1, 1), ("payments", 1, 0, 1)]
    assert [(each.of, each.reason) for each in report.reasons] == [("orders", "OUT_OF_STOCK")]
    await database.close()
