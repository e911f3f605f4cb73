"""Reports: what is unlike the times before, what broke its contract, what is kept and when."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from observatory.retrospective.anomalies import anomalies
from observatory.retrospective.kept import KeptReports, from_yaml, to_yaml
from observatory.retrospective.model import (
    Anomaly,
    FailureReason,
    GremlinTime,
    RequestCount,
    RetrospectiveReport,
)
from observatory.retrospective.queries import PeriodCount, PeriodTime
from observatory.retrospective.violations import violations_of
from observatory.retrospective.writer import BadPeriod, period_of
from observatory.store.model import StoredLine

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def report(number: int = 0, **more: object) -> RetrospectiveReport:
    until = NOW + timedelta(hours=number)
    found = RetrospectiveReport(
        name=f"{until:%Y%m%dT%H%M%SZ}-1h",
        written_at=until,
        written_by="page",
        since=until - timedelta(hours=1),
        until=until,
        total_requests=40,
        failures=4,
        requests=(RequestCount("orders", 40, 36, 4, 0, 12.5, None),),
        reasons=(FailureReason("orders", "PAYMENT_DECLINED", 4),),
        violations=(),
        anomalies=(),
        gremlins=(),
        method="stated",
    )
    return msgspec.structs.replace(found, **more)


def periods(declined: list[int], total: int = 100) -> list[PeriodCount]:
    """Declined orders by period, the newest first."""
    return [
        each
        for period, count in enumerate(declined)
        for each in (
            PeriodCount(period, "orders", "failed", "DECLINED", count),
            PeriodCount(period, "orders", "succeeded", None, total - count),
        )
    ]


@pytest.mark.parametrize(
    ("declined", "now", "usual"),
    [
        ([40, 10, 12, 9, 11, 10], 40, 10),
        ([0, 20, 21, 19, 20, 22], 0, 20),
        ([12, 10, 12, 9, 11, 10], None, None),
        # Chance alone may double ten.
        ([18, 10, 10, 10, 10, 10], None, None),
        ([40, 10, 12, 9], None, None),
        ([4, 0, 0, 0, 0, 0], None, None),
        # One bad period before does not hide this one.
        ([40, 10, 95, 9, 11, 10], 40, 10),
    ],
    ids=["more", "less", "usual", "chance", "few periods", "few failures", "one bad before"],
)
def test_a_reason_outside_its_own_history_is_an_anomaly(declined, now, usual):
    found = [(each.what, each.now, each.usual) for each in anomalies(periods(declined), [])]
    assert found == ([] if now is None else [("DECLINED", now, usual)])


def test_more_traffic_is_no_anomaly():
    counts = [*periods([100], total=1000), *periods([0, 10, 12, 9, 11, 10])[2:]]
    assert anomalies(counts, []) == ()


@pytest.mark.parametrize(("p99_ms", "found"), [(900.0, ["P99"]), (230.0, []), (20.0, ["P99"])])
def test_a_time_outside_its_own_history_is_an_anomaly(p99_ms, found):
    times = [PeriodTime(0, "orders", 50, 50.0, p99_ms)]
    times += [PeriodTime(n, "orders", 50, 50.0 + n, 200.0 + n) for n in range(1, 6)]
    assert [each.what for each in anomalies([], times)] == found
    few = [msgspec.structs.replace(each, count=19) for each in times]
    assert anomalies([], few) == ()


def line(at: datetime, **fields: str) -> StoredLine:
    return StoredLine(
        at_ns=int(at.timestamp() * 1e9),
        service="order-service",
        severity=13,
        level="WARNING",
        message="ReservationView breaks its contract",
        trace_id="ab" * 16,
        span_id="",
        attributes=tuple(fields.items()),
    )


def test_violations_are_added_up_by_field_and_rule_with_the_newest_example():
    fields = {"schema": "ReservationView", "field": "quantity", "rule": "type",
              "expected": "integer", "direction": "received"}  # fmt: skip
    lines = [
        line(NOW, **fields, count="3", found='"9"', since=NOW.isoformat()),
        line(NOW + timedelta(seconds=9), **fields, count="4", found='"99"', since="once"),
        line(NOW, message="not ours"),
        line(NOW, **{**fields, "rule": "maximum"}, count="1", found="9", since="once"),
    ]
    found, other = violations_of(lines[::-1])
    assert (other.rule, other.count) == ("maximum", 1)
    assert (found.count, found.found, found.first_at) == (7, '"99"', NOW)
    assert found.last_at == NOW + timedelta(seconds=9)


@pytest.mark.parametrize(
    ("text", "minutes"), [("1m", 1), ("90m", 90), ("1h", 60), ("7d", 10_080), ("31d", 44_640)]
)
def test_a_period_is_minutes_hours_or_days(text, minutes):
    assert period_of(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1.5h", "0m", "32d", "1h ", "9999999d"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(BadPeriod, match="90m, 1h or 7d"):
        period_of(text)


def test_the_newest_reports_outlive_the_process_and_the_oldest_make_room(tmp_path):
    kept = KeptReports(tmp_path / "reports", most=2)
    for number in range(3):
        kept.keep(report(number))
    (tmp_path / "reports" / "20260101T000000Z-1h.yaml").write_text("of: another version")
    again = KeptReports(tmp_path / "reports", most=2)
    assert list(again.all()) == [report(2), report(1)]
    assert again.report("../reports/20260101T000000Z-1h") is None


def test_a_report_is_the_same_after_its_yaml():
    gremlin = GremlinTime(service="order", name="'{x: 1}", kind="late", strength="3 s",
                          actor="é\n", on=NOW, off=None)  # fmt: skip
    odd = Anomaly(of="orders", what="P99", unit="ms", now=1.5, usual=0.0, deviations=9.0, periods=4)
    full = report(gremlins=(gremlin,), anomalies=(odd,), note="yes")
    assert from_yaml(to_yaml(full)) == full
