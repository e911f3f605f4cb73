"""Ids sort by the millisecond they were made in."""

import time
from uuid import RFC_4122

from chassis.ids import new_id


def test_an_id_is_a_uuid_of_version_7():
    made = [new_id() for _ in range(100)]
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
    assert len(set(made)) == 100


def test_an_id_begins_with_the_time_it_was_made_at():
    before = time.time_ns() // 1_000_000
    begins_with = new_id().int >> 80
    assert before <= begins_with <= time.time_ns() // 1_000_000


def test_an_id_of_a_later_millisecond_is_greater():
    first = new_id()
    time.sleep(0.002)
    assert str(first) < str(new_id())
