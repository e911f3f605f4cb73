"""Times are shown in the browser's zone, and in UTC for a name that is no zone."""

from datetime import UTC, datetime

import pytest

from frontend.web.formatting import choose_zone, clock, when, zone

MOMENT = datetime(2026, 1, 31, 23, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "shown", "label"),
    [
        ("", "2026-01-31 23:30:05 UTC", "UTC"),
        ("Asia/Tokyo", "2026-02-01 08:30:05 JST", "Asia/Tokyo"),
        ("Nowhere/Town", "2026-01-31 23:30:05 UTC", "UTC"),
        ("../../etc/passwd", "2026-01-31 23:30:05 UTC", "UTC"),
        ("a\0b", "2026-01-31 23:30:05 UTC", "UTC"),
    ],
)
def test_a_moment_in_the_chosen_zone(name: str, shown: str, label: str):
    choose_zone(name)
    assert (when(MOMENT), zone()) == (shown, label)
    assert clock(MOMENT) in shown
    choose_zone("")
