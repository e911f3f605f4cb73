"""Lines are found by service, level, trace and text, followed live, and bounded in memory."""

import pytest

from observatory.limits import LossCounts
from observatory.store.log_search import Term, as_term, terms
from observatory.store.logs import LogQuery, LogStore
from observatory.store.model import StoredLine, moment, pack
from observatory.store.store import TelemetryStore
from tests.observatory.samples import NOW_NS, TRACE, keep, line, span, trace_id


def messages(memory: TelemetryStore, **query: object) -> list[str]:
    return [line.message for line in memory.tail(LogQuery(**query)).lines]


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
    assert messages(memory) == ["a", "b", "c", "d", "e"]
    assert messages(memory, level="warning") == ["a", "c", "d", "e"]
    assert messages(memory, level="ERROR") == ["c", "e"]
    assert messages(memory, level="DEBUG") == messages(memory, level="nonsense") == messages(memory)
    assert messages(memory, service="payment-service") == ["a", "e"]
    assert messages(memory, trace_id=TRACE) == ["a", "c", "d", "e"]
    assert messages(memory, text="ÄRGER") == ["d"]
    assert messages(memory, service="payment-service", level="WARNING", limit=1) == ["e"]
    assert messages(memory, service="payment-service", level="ERROR", text="x") == []
    assert messages(memory, trace_id=trace_id()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("status=503", ["refused"]),
        ("STATUS=503", []),
        ("status=50", []),
        ("order_id=AB-17", ["taken", "refused"]),
        ("order ab-17", ["taken", "refused"]),
        ("order status=201", ["taken"]),
        ('"for order" 503', ["refused"]),
        ('"order for"', []),
        ('why="no answer in time"', ["refused"]),
        ("why=no…", ["refused"]),
        ("level=error", ["refused"]),
        ("service=order-service status=201", ["taken"]),
        ("a=b", ["says a=b"]),
        ("nothing", []),
        ('"', ["says a=b", "taken", "refused"]),
    ],
)
def test_a_search_finds_what_the_line_shows(memory: TelemetryStore, text: str, found: list[str]):
    keep(
        memory,
        line("says a=b", service="payment-service"),
        line("taken", attributes=(("status", "201"), ("order_id", "ab-17"), ("note", "for order"))),
        line("refused", severity=17, level="ERROR",
             attributes=(("status", "503"), ("order_id", "ab-17"), ("note", "for order"),
                         ("why", "no answer in time"))),
    )  # fmt: skip
    assert messages(memory, text=text) == found


@pytest.mark.parametrize("value", ["503", "no answer in time", 'a "quoted" word', ""])
def test_a_field_s_term_is_read_back_as_it_was_written(value: str):
    found = terms(as_term("why", value))
    assert found == ((Term(value.replace('"', ""), "why"),) if value else ())


def test_a_tail_is_the_newest_lines_and_knows_of_older_ones(memory: TelemetryStore):
    arrange_lines(memory)
    tail = memory.tail(LogQuery(limit=2))
    assert ([kept.message for kept in tail.lines], tail.more, tail.kept) == (["d", "e"], True, 5)
    keep(memory, line("f"))
    newest = memory.tail(LogQuery(limit=7)).lines[-1]
    assert (newest.message, newest.sequence, newest.at) == ("f", 6, moment(NOW_NS))


def flood(store: LogStore, count: int, **fields: object) -> list[StoredLine]:
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
    assert [kept.message for kept in first] == ["of the trace", "warned"]


def test_a_flood_of_errors_is_bounded_too():
    store = LogStore(LossCounts(), lambda _: True, limit=100_000)
    flood(store, 2_000, severity=17, level="ERROR")
    assert store.used_bytes <= 100_000
    assert len(store.find(LogQuery(level="ERROR", limit=9_999))) == len(store)


def test_a_trace_has_its_lines(memory: TelemetryStore):
    own = span(span_id="1" * 16)
    keep(memory, own, line("mine", span_id="1" * 16), line("nobody's", span_id="2" * 16))
    view = memory.trace(TRACE)
    assert [(kept.message, kept.span_id[0]) for kept in view.lines] == [
        ("mine", "1"),
        ("nobody's", "2"),
    ]
