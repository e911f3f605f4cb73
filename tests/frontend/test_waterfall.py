"""The rows of a waterfall: every span to scale, with its bites, its marks and its lines."""

from datetime import timedelta

from frontend.traces.waterfall import waterfall
from observatory.store.model import Event, moment
from observatory.store.store import TelemetryStore
from tests.observatory.samples import MS, NOW_NS, TRACE, keep, line, span

FIRST, SECOND, THIRD = "1" * 16, "2" * 16, "3" * 16


def shown(*records):
    store = TelemetryStore()
    keep(store, *records)
    return waterfall(store.trace(TRACE), moment(NOW_NS) + timedelta(seconds=5))


def shares(row):
    return float(row.x.rstrip("%")), float(row.width.rstrip("%"))


def test_bars_are_shares_of_the_whole_and_never_leave_it():
    view = shown(
        span(span_id=FIRST, ms=(0, 100)),
        span(span_id=SECOND, parent_id=FIRST, ms=(25, 75)),
        span(span_id=THIRD, parent_id=FIRST, ms=(90, 200)),
    )
    assert [(*shares(row), row.depth) for row in view.spans] == [
        (0, 50, 0),
        (12.5, 25, 1),
        (45, 55, 1),
    ]
    assert [row.alone.replace("\u202f", " ") for row in view.spans] == [
        "40.0 ms", "50.0 ms", "110 ms",
    ]  # fmt: skip
    assert all(0 <= x <= x + width <= 100 for x, width in map(shares, view.spans))


def test_a_trace_that_took_no_time_has_a_visible_bar():
    (row,) = shown(span(ms=(0, 0))).spans
    assert (shares(row), row.critical) == ((0, 0.3), True)


def test_a_bite_is_on_its_bar_at_its_time():
    bite = (("valerix.gremlin.name", "sleepy"), ("valerix.gremlin.kind", "latency"))
    event = Event(NOW_NS + 5 * MS, "gremlin bite", (("name", "sleepy"),))
    (row,) = shown(span(attributes=bite, events=(event,), failed=True, error="http 503")).spans
    assert (row.gremlins, row.failed, row.error) == (("sleepy",), True, "http 503")
    assert [(each.name, each.x, each.gremlin) for each in row.events] == [
        ("gremlin bite", "50%", True)
    ]


def test_a_line_is_shown_under_its_span_and_any_other_below_them():
    view = shown(
        span(span_id=FIRST), line("mine", span_id=FIRST), line("of no kept span", span_id=SECOND)
    )
    assert [each.message for each in view.spans[0].lines] == ["mine"]
    assert [each.message for each in view.lines] == ["of no kept span"]
