"""Cursors: what was written is read, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chassis.http.cursors import read_cursor, write_cursor
from chassis.http.problems import Problem


@given(some.text(max_size=20), some.integers(0, 10**18))
def test_a_place_comes_back(of: str, place: int):
    assert read_cursor(of, write_cursor(of, place), int) == place


@given(some.data(), some.integers(0, 10**18))
def test_what_was_changed_or_cut_or_is_another_lists_is_refused(data: some.DataObject, place: int):
    cursor = write_cursor("a list", place)
    at = data.draw(some.integers(0, len(cursor) - 1))
    other = data.draw(
        some.sampled_from("ABYZabyz0189-_ %\x00\u00e9").filter(lambda one: one != cursor[at])
    )
    for of, spoilt in (
        ("a list", cursor[:at] + other + cursor[at + 1 :]),
        ("a list", cursor[:at]),
        ("a list", cursor + other),
        ("another list", cursor),
    ):
        with pytest.raises(Problem) as refused:
            read_cursor(of, spoilt, int)
        assert (refused.value.status, refused.value.code) == (400, "validation")
