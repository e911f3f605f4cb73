"""Lines are found by service, level, trace and text, followed live, and bounded in memory."""

from observatory.limits import LossCounts
from observatory.store.logs import LogQuery, LogStore
from observatory.store.model import LogLine, pack
from observatory.store.store import TelemetryStore
from tests.observatory.samples import TRACE, keep, line, span, trace_id


def said(memory: TelemetryStore, **query: object) -> list[str]:
    return [row.message for row in memory.tail(LogQuery(**query)).rows]


def arrange_lines(memory: TelemetryStore) -> None:
    warning = {"severity": 13, "level": "WARNING"}
    error = {"severity": 17, "level": "ERROR"}
    keep(
        memory,
        line("a", service="payment-service", **warning),
        line("b", trace_id=""),
        line("c", **error),
        line("d", attributes=(("order_id", "Ärger-17"),), **warning),
        line("e", service="payment-service", **error),
    )


def test_each_filter_and_all_together(memory: TelemetryStore):
    arrange_lines(memory)
    assert said(memory) == ["a", "b", "c", "d", "e"]
    assert said(memory, level="warning") == ["a", "c", "d", "e"]
    assert said(memory, level="ERROR") == ["c", "e"]
    assert said(memory, level="DEBUG") == said(memory, level="nonsense") == said(memory)
    assert said(memory, service="payment-service") == ["a", "e"]
    assert said(memory, trace_id=TRACE) == ["a", "c", "d", "e"]
    assert said(memory, text="ÄRGER") == ["d"]
    assert said(memory, service="payment-service", level="WARNING", limit=1) == ["e"]
    assert said(memory, service="payment-service", level="ERROR", text="x") == []
    assert said(memory, trace_id=trace_id()) == []


def test_a_live_tail_gets_each_line_once(memory: TelemetryStore):
    arrange_lines(memory)
    page = memory.tail(LogQuery(limit=2))
    assert ([row.message for row in page.rows], page.more) == (["d", "e"], True)
    assert memory.tail(LogQuery(since=page.newest)).rows == ()
    keep(memory, line("f"))
    later = memory.tail(LogQuery(since=page.newest))
    assert ([row.message for row in later.rows], later.more) == (["f"], False)


def flood(store: LogStore, count: int, **fields: object) -> list[LogLine]:
    lines = [line(f"{number}", **{"trace_id": trace_id(), **fields}) for number in range(count)]
    for made in lines:
        store.add(made, pack(made.attributes))
    return lines


def test_the_oldest_lines_make_room_and_are_counted():
    losses = LossCounts()
    store = LogStore(losses, lambda _: False, limit=100_000)
    lines = flood(store, 1_000)
    assert store.used_bytes <= 100_000
    assert losses.lines_evicted == 1_000 - len(store)
    assert store.find(LogQuery(trace_id=lines[0].trace_id)) == []
    assert len(store.find(LogQuery(trace_id=lines[-1].trace_id))) == 1
    assert len(store.find(LogQuery(limit=9_999))) == len(store)


def test_lines_of_a_remarkable_trace_and_warnings_outlive_the_others():
    store = LogStore(LossCounts(), lambda trace: trace == TRACE, limit=100_000)
    store.add(line("of the trace"), b"\x90")
    store.add(line("warned", trace_id="", severity=13, level="WARNING"), b"\x90")
    flood(store, 1_000)
    first = store.find(LogQuery(limit=9_999))[:2]
    assert [kept.line.message for kept in first] == ["of the trace", "warned"]


def test_a_flood_of_errors_is_bounded_too():
    store = LogStore(LossCounts(), lambda _: True, limit=100_000)
    flood(store, 2_000, severity=17, level="ERROR")
    assert store.used_bytes <= 100_000
    assert len(store.find(LogQuery(level="ERROR", limit=9_999))) == len(store)


def test_a_line_stands_under_its_span(memory: TelemetryStore):
    own = span(span_id="1" * 16)
    keep(memory, own, line("mine", span_id="1" * 16), line("nobody's", span_id="2" * 16))
    view = memory.trace(TRACE)
    assert [row.message for row in view.rows[0].logs] == ["mine"]
    assert [row.message for row in view.logs] == ["nobody's"]
