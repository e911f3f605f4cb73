"""A waterfall's order: any set of spans, however broken, gives each of them exactly once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from observatory.store.model import StoredSpan
from observatory.store.span_tree import CYCLE, ORPHAN, PlacedSpan, arrange
from tests.observatory.samples import span

IDS = [f"{number:016x}" for number in range(1, 9)]


def made(span_id: int, parent: int | None, start: int, end: int) -> StoredSpan:
    parent_id = "" if parent is None else IDS[parent]
    return span(span_id=IDS[span_id], parent_id=parent_id, ms=(start, end))


def order_of(placed: list[PlacedSpan]) -> list[tuple[int, int]]:
    return [(IDS.index(node.span.span_id), node.depth) for node in placed]


spans_of_any_kind = st.lists(
    st.builds(
        lambda span_id, parent, start, length: made(span_id, parent, start, start + length),
        st.integers(0, 7),
        st.none() | st.integers(0, 7),
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    max_size=20,
)


@given(spans_of_any_kind)
def test_every_span_stands_exactly_once(spans: list[StoredSpan]):
    placed = arrange(spans)
    assert Counter(node.span for node in placed) == Counter(spans)


@given(spans_of_any_kind)
def test_a_span_stands_right_under_its_parent_or_is_a_root(spans: list[StoredSpan]):
    above: list[PlacedSpan] = []
    for node in arrange(spans):
        del above[node.depth :]
        assert len(above) == node.depth
        if above:
            assert node.span.parent_id == above[-1].span.span_id
            assert any(node is child for child in above[-1].children)
            assert not node.mark
        above.append(node)


@given(spans_of_any_kind)
def test_a_root_without_its_parent_says_why(spans: list[StoredSpan]):
    known = {span.span_id for span in spans}
    for node in arrange(spans):
        parent = node.span.parent_id
        if node.depth == 0:
            wanted = "" if not parent else CYCLE if parent in known else ORPHAN
            assert node.mark == wanted


@given(spans_of_any_kind)
def test_time_alone_is_within_the_span(spans: list[StoredSpan]):
    for node in arrange(spans):
        assert 0 <= node.self_ns <= node.span.end_ns - node.span.start_ns


@given(spans_of_any_kind)
def test_the_critical_path_hangs_together(spans: list[StoredSpan]):
    placed = arrange(spans)
    assert not placed or placed[0].critical
    for node in placed:
        if any(child.critical for child in node.children):
            assert node.critical


def test_children_come_by_their_start_and_before_the_next_sibling():
    spans = [made(3, 0, 6, 9), made(2, 1, 2, 3), made(1, 0, 1, 5), made(0, None, 0, 10)]
    assert order_of(arrange(spans)) == [(0, 0), (1, 1), (2, 2), (3, 1)]


def test_a_circle_is_opened_at_its_earliest_span():
    # 2 and 3 call each other; 4 hangs on 3 and began first; 1 is its own parent.
    spans = [made(1, 1, 20, 21), made(4, 3, 0, 1), made(2, 3, 5, 9), made(3, 2, 6, 8)]
    placed = arrange(spans)
    assert order_of(placed) == [(2, 0), (3, 1), (4, 2), (1, 0)]
    assert [node.mark for node in placed] == [CYCLE, "", "", CYCLE]


def test_a_thousand_levels_do_not_recurse():
    ids = [f"{number:016x}" for number in range(1, 1_001)]
    spans = [
        span(span_id=own, parent_id=above) for own, above in zip(ids, ["", *ids], strict=False)
    ]
    assert arrange(spans)[-1].depth == 999


def test_time_alone_leaves_out_what_any_child_did():
    # Two children overlap from 4 to 6, a third outlives its parent.
    spans = [made(0, None, 0, 20), made(1, 0, 2, 6), made(2, 0, 4, 8), made(3, 0, 18, 30)]
    assert arrange(spans)[0].self_ns == (20 - 6 - 2) * 10**6


def test_the_critical_path_is_what_the_end_waited_for():
    spans = [
        made(0, None, 0, 100),
        made(1, 0, 5, 40),  # before 2 could begin
        made(2, 0, 40, 95),  # the last to end
        made(3, 0, 45, 60),  # beside 2: nobody waited for it
        made(4, 2, 50, 90),
        made(5, 1, 10, 20),
    ]
    critical = {IDS.index(b.span.span_id) for b in arrange(spans) if b.critical}
    assert critical == {0, 1, 2, 4, 5}


def test_work_that_outlived_its_caller_was_waited_for_until_then():
    spans = [made(0, None, 0, 20), made(1, 0, 1, 20), made(2, 1, 2, 30), made(3, 1, 2, 3)]
    critical = {IDS.index(b.span.span_id) for b in arrange(spans) if b.critical}
    assert critical == {0, 1, 2}
