"""Who calls whom, counted from spans: by what a span says of whom it asked, or by what it began."""

import pytest

from observatory.metrics.call_graph import EVENTS, CallGraph
from observatory.store.model import CLIENT, CONSUMER, INTERNAL, SERVER, StoredSpan

NAMES = frozenset({"order-service", "payment-service", "acquirer"})


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def graph(clock):
    made = CallGraph(NAMES, clock)
    clock.now += 60
    return made


def span(service, kind, span_id, *, parent="", ms=10, failed=False, pairs=()):
    return StoredSpan(
        "t" * 32, span_id, parent, service, "1", "x", kind, 0, ms * 10**6, failed, "", pairs
    )


def asked(callee):
    return (("server.address", callee),)


def call(span_id="a", status="200", **more):
    pairs = (*asked("payment-service"), ("http.response.status_code", status))
    return span("order-service", CLIENT, span_id, pairs=pairs, **more)


def test_a_call_counts_as_its_caller_saw_it(graph):
    for number in range(29):
        graph.add(call(str(number)))
    graph.add(call("slow", ms=2000, failed=True))
    (found,) = graph.stats().values()
    assert list(graph.stats()) == [("order-service", "payment-service")]
    assert found.per_second == pytest.approx(1.0)
    assert found.failed == pytest.approx(1 / 30)
    assert found.p99_s == pytest.approx(2.0)


def test_a_server_error_is_a_failed_call(graph):
    graph.add(call("a", "503"))
    graph.add(call("b"))
    graph.add(call("c"))
    assert graph.stats()["order-service", "payment-service"].failed == pytest.approx(1 / 3)


@pytest.mark.parametrize("is_answer_first", [True, False])
def test_whom_a_span_does_not_name_is_who_began_a_request_under_it(graph, is_answer_first):
    question = span("payment-service", CLIENT, "a", pairs=asked("alfa"), ms=40)
    answer = span("acquirer", SERVER, "b", parent="a", ms=30)
    for each in (answer, question) if is_answer_first else (question, answer):
        graph.add(each)
    assert graph.stats()["payment-service", "acquirer"].p99_s == pytest.approx(0.04)


def test_events_that_arrive_are_counted_with_those_of_a_batch(graph):
    graph.add(span("payment-service", CONSUMER, "a"))
    batch = (("messaging.batch.message_count", "29"),)
    graph.add(span("payment-service", CONSUMER, "b", pairs=batch))
    assert graph.stats()[EVENTS, "payment-service"].per_second == pytest.approx(1.0)


def test_what_is_no_call_between_processes_is_passed_over(graph):
    graph.add(span("order-service", INTERNAL, "a"))
    graph.add(span("order-service", CLIENT, "b", pairs=(("db.system.name", "postgresql"),)))
    graph.add(span("order-service", SERVER, "c"))
    graph.add(span("somebody-else", CLIENT, "d", pairs=asked("order-service")))
    # Work that goes on in the same process.
    graph.add(span("order-service", CLIENT, "e"))
    graph.add(span("order-service", SERVER, "f", parent="e"))
    assert graph.stats() == {}


def test_after_half_a_minute_a_call_is_forgotten(graph, clock):
    graph.add(call())
    clock.now += 20
    assert graph.stats()
    clock.now += 20
    assert graph.stats() == {}


def test_a_rate_just_after_the_start_is_that_of_the_time_since(clock):
    graph = CallGraph(NAMES, clock)
    clock.now += 2
    for number in range(4):
        graph.add(call(str(number)))
    assert graph.stats()["order-service", "payment-service"].per_second == pytest.approx(2.0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_passes_a_request_on_calls_with_the_span_of_the_request(graph, order):
    spans = (
        span("order-service", SERVER, "door", ms=40, failed=True),
        span("payment-service", SERVER, "inside", parent="door", ms=30),
    )
    for index in order:
        graph.add(spans[index])
    (found,) = graph.stats().items()
    assert found[0] == ("order-service", "payment-service")
    assert (found[1].failed, found[1].p99_s) == (1.0, pytest.approx(0.04))
