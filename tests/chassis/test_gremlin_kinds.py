"""Each kind of gremlin does at the wire what its name says, and leaves everything else alone."""

import asyncio
import time

import httpx
import msgspec
import pytest

from chassis.faults.contract import PutGremlin
from chassis.faults.corrupt import with_one_wrong_value
from chassis.faults.kinds import KINDS, FaultKind, strength
from tests.chassis.bare import NAME, Bare, until
from tests.harness import wire
from tests.harness.patience import LATE_S
from tests.harness.problems import assert_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

_GONE = (httpx.RemoteProtocolError, httpx.ReadError)


async def _make(bare: Bare, name: str = "x", **more: object) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    answer = await bare.door.post("/things", json={"name": name}, **more)  # type: ignore[arg-type]
    return answer, time.monotonic() - begun


async def _cut_off(bare: Bare) -> float:
    begun = time.monotonic()
    with pytest.raises(_GONE):
        await _make(bare)
    return time.monotonic() - begun


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_a_kind_is_one_entry_with_one_behaviour_and_bounds_that_fit(kind: FaultKind):
    behaviours = [kind.before, kind.instead, kind.beside, kind.after, kind.on_statement]
    behaviours.append(kind.on_delivery or None)
    assert sum(behaviour is not None for behaviour in behaviours) == 1
    assert all([kind.label, kind.does, kind.hint])
    assert 0 <= kind.delay_ms <= kind.delay_max_ms <= 60_000
    assert (kind.delay_ms > 0) == (kind.delay_max_ms > 0)
    # The API takes the kind; its strength is shown only where there is one.
    assert msgspec.convert({"kind": kind.kind}, PutGremlin).kind == kind.kind
    assert bool(strength(kind.kind, 300, 0, 503)) == bool(kind.delay_ms or kind.answers_status)


@pytest.mark.parametrize(
    ("kind", "jitter_ms", "shown"),
    [
        ("latency", 0, "0.3 s"),
        ("late", 100, "0.3 s ± 0.1 s"),
        ("slow_database", 0, "0.3 s a statement"),
        ("error", 0, "500"),
        ("hang", 0, ""),
        ("a kind of a later version", 0, ""),
    ],
)
async def test_a_faults_strength_is_shown_short(kind: str, jitter_ms: int, shown: str):
    assert strength(kind, 300, jitter_ms, 500) == shown


async def test_latency_sleeps_before_the_work(bare: Bare):
    await bare.let_loose("latency", delay_ms=250)
    making = asyncio.create_task(_make(bare))
    await until(lambda: bare.sample("http_requests_in_flight") == 1)
    assert bare.made == []
    answer, took_s = await making
    assert (answer.status_code, bare.made) == (201, ["x"])
    assert took_s >= 0.25


async def test_latency_with_jitter_sleeps_differently_each_time_within_its_bounds(bare: Bare):
    await bare.let_loose("latency", delay_ms=20, jitter_ms=200)
    times = [(await _make(bare))[1] for _ in range(6)]
    assert min(times) >= 0.02
    assert max(times) < 0.22 + LATE_S
    assert max(times) - min(times) > 0.01


async def test_latency_does_not_begin_the_work_of_a_caller_that_has_left(bare: Bare):
    await bare.let_loose("latency", delay_ms=400)
    with pytest.raises(httpx.ReadTimeout):
        await _make(bare, timeout=0.1)
    await asyncio.sleep(0.5)
    assert bare.made == []


async def test_late_does_the_work_and_sleeps_before_the_answer(bare: Bare):
    await bare.let_loose("late", delay_ms=250)
    making = asyncio.create_task(_make(bare))
    await until(lambda: bare.made == ["x"])
    assert not making.done()
    answer, took_s = await making
    assert answer.json() == {"name": "x"}
    assert took_s >= 0.25


async def test_late_keeps_the_effect_of_a_caller_that_has_left(bare: Bare):
    await bare.let_loose("late", delay_ms=400)
    with pytest.raises(httpx.ReadTimeout):
        await _make(bare, timeout=0.1)
    await until(lambda: bare.made == ["x"])


@pytest.mark.parametrize("status", [500, 503])
async def test_error_answers_before_the_work_and_says_that_it_was_a_gremlin(
    bare: Bare, status: int
):
    await bare.let_loose("error", status=status)
    answer, _ = await _make(bare)
    problem = assert_problem(answer, status, "gremlin")
    assert problem["details"] == {"gremlin": "error"}
    # It must look like any broken service: nobody may conclude that nothing was executed.
    assert "x-valerix-executed" not in answer.headers
    assert bare.made == []


async def test_lost_response_does_the_work_and_cuts_the_connection(bare: Bare):
    await bare.let_loose("lost_response")
    assert await _cut_off(bare) < LATE_S
    assert bare.made == ["x"]


async def test_refuse_cuts_the_connection_before_the_work(bare: Bare):
    await bare.let_loose("refuse")
    assert await _cut_off(bare) < LATE_S
    assert bare.made == []


async def test_hang_never_answers_and_forgets_the_caller_that_leaves(bare: Bare):
    await bare.let_loose("hang")
    with pytest.raises(httpx.ReadTimeout):
        await _make(bare, timeout=0.5)
    await until(lambda: bare.sample("http_requests_in_flight") == 0)
    assert bare.made == []


async def test_hang_cuts_its_callers_off_when_it_is_called_off(bare: Bare):
    await bare.let_loose("hang")
    hanging = asyncio.create_task(_cut_off(bare))
    await asyncio.sleep(0.2)
    assert not hanging.done()
    await bare.door.delete("/gremlins")
    assert 0.2 < await hanging < 0.2 + LATE_S
    assert bare.made == []


async def test_the_second_delivery_may_fail_alone(bare: Bare, caplog: pytest.LogCaptureFixture):
    await bare.let_loose("duplicate")
    response = await bare.door.get("/once")
    assert response.json() == {"made": 1}
    assert bare.made == ["once", "once"]
    # Its error is answered to nobody; it does not reach the server as one after a response began.
    assert [record.getMessage() for record in caplog.records].count("a handler failed") == 1


async def test_duplicate_delivers_the_same_request_twice_and_answers_once(bare: Bare):
    await bare.let_loose("duplicate")
    answer, _ = await _make(bare)
    assert answer.json() == {"name": "x"}
    assert bare.made == ["x", "x"]
    answer = await bare.door.post("/things", json={"nonsense": 1})
    assert_problem(answer, 400, "validation")
    assert_problem(await bare.door.get("/nope"), 404)


async def test_corrupt_does_the_work_and_answers_well_formed_json_that_is_wrong(bare: Bare):
    await bare.let_loose("corrupt")
    answer, _ = await _make(bare, "x1")
    assert (answer.status_code, bare.made) == (201, ["x1"])
    assert answer.json() in ({"name": "x0"}, {"name": ["x1"]})


@pytest.mark.parametrize(
    ("right", "wrong", "broken"),
    [
        (b'{"id":"pi_1","paid":true,"lines":[{"amount":100},{"amount":7}]}',
         b'{"id":"pi_1","paid":true,"lines":[{"amount":101},{"amount":7}]}',
         b'{"id":"pi_1","paid":true,"lines":[{"amount":"100"},{"amount":7}]}'),
        (b'["pi_0"]', b'["pi_1"]', b'[["pi_0"]]'),
        *((same, same, same) for same in (b'{"deleted":true}', b"# HELP", b"")),
    ],
)  # fmt: skip
async def test_corrupt_changes_the_first_number_or_else_the_first_text(
    right: bytes, wrong: bytes, broken: bytes
):
    assert with_one_wrong_value(right, breaks=False) == wrong
    assert with_one_wrong_value(right, breaks=True) == broken


async def test_slow_database_makes_every_statement_slower_and_nothing_else(bare: Bare):
    await bare.door.get("/now")
    await bare.let_loose("slow_database", delay_ms=500)
    begun = time.monotonic()
    assert (await bare.door.get("/now")).status_code == 200
    assert 0.5 <= time.monotonic() - begun < 0.5 + LATE_S
    # The quickest of three: a busy machine is not what is measured.
    assert min([(await _make(bare))[1] for _ in range(3)]) < 0.45
    await bare.door.delete("/gremlins")
    took_s = []
    for _ in range(3):
        begun = time.monotonic()
        await bare.door.get("/now")
        took_s.append(time.monotonic() - begun)
    assert min(took_s) < 0.45


async def test_a_fault_of_deliveries_is_refused_where_no_events_come(bare: Bare):
    answer = await bare.door.put("/gremlins/g", json={"kind": "lost_event"})
    assert_problem(answer, 400, "validation")


@pytest.mark.parametrize("kind", [kind.kind for kind in KINDS if not kind.on_delivery])
async def test_the_way_out_and_the_measurements_are_never_bitten(bare: Bare, kind: str):
    await bare.let_loose(kind, delay_ms=5000)
    for path in ("/metrics", "/health/live", "/health/ready", "/gremlins", "/gremlins/audit",
                 "/schema", "/schema/openapi.json"):  # fmt: skip
        answer = await bare.door.get(path, timeout=LATE_S)
        assert answer.status_code == 200, path
    answer = await bare.door.put("/gremlins/other", json={"kind": "error"}, timeout=LATE_S)
    assert answer.status_code == 200
    answer = await bare.door.post("/gremlin/latency", json={"enabled": False}, timeout=LATE_S)
    assert answer.status_code == 200
    assert (await bare.door.delete("/gremlins/other", timeout=LATE_S)).status_code == 204


async def test_health_is_bitten_so_that_the_dot_goes_red(bare: Bare):
    await bare.let_loose("error")
    assert_problem(await bare.door.get("/health"), 503, "gremlin")


async def test_a_shop_restarted_with_a_gremlin_loose_still_becomes_ready(bare: Bare):
    await bare.let_loose("slow_database", delay_ms=5000)
    await bare.door.put("/gremlins/hang", json={"kind": "hang"})
    assert (await bare.door.get("/health/ready", timeout=2)).status_code == 200


async def test_only_the_chosen_route_is_bitten(bare: Bare):
    await bare.let_loose("error", "/things")
    assert_problem((await _make(bare))[0], 503, "gremlin")
    for path in ("/now", "/things/1"):
        assert (await bare.door.get(path)).status_code == 200


async def test_only_the_chosen_method_is_bitten(bare: Bare):
    await bare.let_loose("error", "POST /now", "GET /things/{thing_id}")
    assert (await bare.door.get("/now")).status_code == 200
    assert_problem(await bare.door.get("/things/1"), 503, "gremlin")
    assert (await _make(bare))[0].status_code == 201


async def test_two_gremlins_bite_the_same_request(bare: Bare):
    await bare.let_loose("latency", delay_ms=150)
    await bare.let_loose("lost_response")
    assert await _cut_off(bare) >= 0.15
    assert bare.made == ["x"]


async def test_a_bite_is_counted_logged_and_shown(bare: Bare, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "request")
    bites = {"gremlin": "error", "kind": "error"}
    before = bare.sample("valerix_gremlin_bites_total", **bites)
    await bare.let_loose("error", "/things")
    assert bare.sample("valerix_gremlin_active", **bites) == 1
    await _make(bare)
    await bare.door.get("/now")
    assert bare.sample("valerix_gremlin_bites_total", **bites) == before + 1
    (view,) = (await bare.door.get("/gremlins")).json()["gremlins"]
    assert (view["name"], view["service"]) == ("error", NAME)
    lines = {line.route: getattr(line, "gremlin", None) for line in caplog.records
             if line.name == "request"}  # fmt: skip
    assert lines["/things"] == "error"
    assert lines["/now"] is None
    await bare.door.delete("/gremlins")
    assert bare.sample("valerix_gremlin_active", **bites) == 0


async def test_a_bitten_connection_that_stays_open_still_serves(bare: Bare):
    """Keep-alive across a late answer, a duplicate and an error: no bytes of one in the next."""
    host, port = bare.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = (
        b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b'Content-Length: 14\r\n\r\n{"name":"alf"}'
    )
    for kind, status in (("late", 201), ("duplicate", 201), ("error", 503), ("latency", 201)):
        await bare.let_loose(kind, "/things", delay_ms=10)
        writer.write(request)
        assert (await wire.read_answer(reader)).status_code == status, kind
        await bare.door.delete("/gremlins")
    await wire.hang_up(writer)
