"""The order's rules without any database: messages, views, cursors."""

import string
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.http import cursors
from chassis.http.problems import Problem
from services.order.app import create_app
from services.order.contract import Reason, Status
from services.order.domain import CANCELLABLE, TERMINAL, Order
from services.order.views import order_view, read_cursor, write_cursor
from tests.harness.serving import settings_of

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
STATUSES: tuple[Status, ...] = Status.__args__  # type: ignore[attr-defined]
REASONS: tuple[Reason, ...] = Reason.__args__  # type: ignore[attr-defined]


def _order(status: Status = "PENDING", reason: Reason | None = None, **more: object) -> Order:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    order = Order(
        id=uuid4(), product_id="P", quantity=2, unit_price_minor=3, amount_minor=6,
        currency="EUR", payment_id=uuid4(), status=status, reason=reason,
        wallet_id=None, owner="anonymous", last_outcome=None, stock_committed_at=None, version=0,
        attempts=0, traceparent=None, created_at=now, updated_at=now, settled_at=None,
        overdue=False,
    )  # fmt: skip
    return msgspec.structs.replace(order, **more)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_and_reason_has_a_message(status: Status):
    assert _order(status).message
    for reason in REASONS:
        assert ": " in _order(status, reason).message


@pytest.mark.parametrize("status", STATUSES)
def test_done_settled_and_cancellable_exclude_each_other(status: Status):
    order = _order(status)
    assert order.is_settled == (status in TERMINAL)
    assert not (order.is_settled and status in CANCELLABLE)
    assert order.is_done == (status == "FAILED")
    sold = _order(status, stock_committed_at=datetime.now(UTC), attempts=1)
    assert sold.is_done
    assert not sold.is_waiting


def test_an_order_waits_after_an_attempt_in_vain_and_not_while_it_is_driven():
    assert not _order("PENDING").is_waiting
    assert not _order("PENDING_PAYMENT").is_waiting
    assert _order("PENDING_INVENTORY", last_outcome="timeout").is_waiting
    assert _order("PENDING_INVENTORY", attempts=1).is_waiting
    assert _order("CONFIRMED", attempts=1).is_waiting
    assert not _order("FAILED", "USER_CANCELLED", last_outcome="x", attempts=3).is_waiting


def test_the_view_has_the_latency_and_the_trace():
    order = _order()
    assert (order_view(order).latency_ms, order_view(order).trace_id) == (None, None)
    settled = msgspec.structs.replace(
        order,
        settled_at=order.created_at + timedelta(milliseconds=1234.5),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )
    view = order_view(settled)
    assert (view.latency_ms, view.trace_id) == (1234.5, "a" * 32)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_leads_back_to_where_it_was_written(at: datetime, order_id: object):
    order = _order(id=order_id, created_at=at)
    assert read_cursor(write_cursor(order)) == (at, order_id)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
       st.integers(-14 * 60, 14 * 60))  # fmt: skip
def test_a_cursor_means_its_moment_whatever_zone_it_is_written_in(at: datetime, minutes: int):
    moved = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert read_cursor(write_cursor(_order(created_at=moved)))[0] == moved


@given(
    st.text(max_size=80)
    | st.text(string.ascii_letters + string.digits + "-_", max_size=120)
    | st.datetimes().map(lambda at: write_cursor(_order(created_at=at)))
)
def test_any_text_as_a_cursor_is_read_or_refused(text: str):
    try:
        at, _ = read_cursor(text)
        assert at.tzinfo is UTC
    except Problem as problem:
        assert (problem.status, problem.code) == (400, "validation")  # noqa: PT017 - or a page


CURSORS = {
    "empty": "",
    "not base64": "!!!",
    "one letter": "A",
    "not ASCII": "ü",
    "no digest": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsIDFd",
    "a NUL": "%00",
    "another shape": cursors.write_cursor("orders", {"at": "now"}),
    "too short": cursors.write_cursor("orders", ["2026-01-01T00:00:00Z"]),
    "no time": cursors.write_cursor("orders", ["yesterday", _ID]),
    "a time without a zone": cursors.write_cursor("orders", ["2026-01-01T00:00:00", _ID]),
    "a time before time": cursors.write_cursor("orders", ["0001-01-01T00:00:00+23:59", _ID]),
    "a time after time": cursors.write_cursor("orders", ["9999-12-31T23:59:59-23:59", _ID]),
    "no id": cursors.write_cursor("orders", ["2026-01-01T00:00:00Z", "1 OR 1=1"]),
    "very long": "A" * 8000,
}


@pytest.mark.parametrize("wrong", CURSORS)
def test_a_cursor_that_was_tampered_with_is_invalid(wrong: str):
    with pytest.raises(Problem) as refused:
        read_cursor(CURSORS[wrong])
    (detail,) = refused.value.details  # type: ignore[misc]
    assert (refused.value.status, refused.value.code) == (400, "validation")
    assert detail["pointer"] == "/cursor"


def test_composing_the_service_touches_nothing():
    settings = settings_of("order", "postgresql://nobody@127.0.0.1:1/nothing")
    first, second = create_app(settings), create_app(settings)
    assert first is not second
