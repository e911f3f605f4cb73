"""The edge: every request measured, named, bounded, and refused where it must be."""

import asyncio
import contextlib
import copy
import logging
import time

import httpx
import pytest

from chassis.http import app
from chassis.http.edge import _deadline, _level
from tests.chassis.bare import NAME, Bare, until
from tests.harness import wire
from tests.harness.problems import assert_problem
from tests.harness.serving import knock

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 8
BARE = {"max_in_flight": LIMIT, "body_timeout_s": 0.4}


def _requests(bare: Bare, method: str, path: str, status: int) -> float:
    return bare.sample("http_requests_total", method=method, path=path, status_code=f"{status:03d}")


def _series(bare: Bare) -> set[str]:
    return {
        str(sorted(sample.labels.items()))
        for metric in bare.registry.collect()
        if metric.name.startswith("http_request")
        for sample in metric.samples
    }


async def test_a_request_is_counted_under_its_route_and_not_its_address(bare: Bare):
    before = _requests(bare, "GET", "/things/{thing_id}", 200)
    for thing in ("a", "b", "c"):
        assert (await bare.door.get(f"/things/{thing}")).status_code == 200
    assert _requests(bare, "GET", "/things/{thing_id}", 200) == before + 3
    assert not any("/things/a" in series for series in _series(bare))


async def test_its_duration_is_observed_with_buckets_at_the_sla_and_at_the_deadline(bare: Bare):
    await bare.door.get("/slow", params={"seconds": 0.06})
    of = {"method": "GET", "path": "/slow"}
    for le in ("0.1", "1.0", "2.0"):
        assert bare.sample("http_request_duration_seconds_bucket", le=le, **of) == 1
    assert bare.sample("http_request_duration_seconds_bucket", le="0.05", **of) == 0
    assert bare.sample("http_request_duration_seconds_sum", **of) > 0.06


async def test_unknown_addresses_and_methods_never_make_a_new_series(bare: Bare):
    for _ in range(2):
        await bare.door.get("/nope")
        await bare.door.request("BREW", "/nope")
        await bare.door.get("/slow", params={"seconds": "x"})
        known = _series(bare)
    for n in range(20):
        await bare.door.get(f"/nope/{n}")
        await bare.door.get(f"/things/{n}/nope")
        await bare.door.request(f"BREW{n}", f"/{n}")
        await bare.door.get("/slow", params={"seconds": f"x{n}"})
    assert _series(bare) == known
    assert _requests(bare, "GET", "unmatched", 404) >= 42


async def test_refusals_and_bugs_are_counted_with_their_status(bare: Bare):
    for method, path, template, status in (
        ("POST", "/now", "/now", 405),
        ("GET", "/bug", "/bug", 500),
        ("POST", "/things", "/things", 400),
    ):
        before = _requests(bare, method, template, status)
        answer = await bare.door.request(method, path)
        assert_problem(answer, status)
        assert _requests(bare, method, template, status) == before + 1


async def test_a_path_with_parameters_is_named_by_its_template_before_it_is_routed(bare: Bare):
    await bare.let_loose("error", "GET /things/{thing_id}")
    before = _requests(bare, "GET", "/things/{thing_id}", 503)
    assert_problem(await bare.door.get("/things/7"), 503, "gremlin")
    assert _requests(bare, "GET", "/things/{thing_id}", 503) == before + 1
    assert (await bare.door.delete("/gremlins")).status_code == 200


async def test_work_in_the_background_that_fails_is_begun_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
):
    happened: list[object] = []

    async def pause(seconds: float) -> None:
        happened.append(seconds)

    async def fails_twice() -> None:
        happened.append("began")
        if happened.count("began") < 3:
            raise ConnectionRefusedError

    # Only while nothing else runs in this loop: to another of its tasks a sleep that does not wait
    # is the end of all waiting.
    with monkeypatch.context() as patched:
        patched.setattr("chassis.http.app.asyncio.sleep", pause)
        await app._keep_running(fails_twice)  # noqa: SLF001 - the supervisor of loops
    assert happened == ["began", app._RESTART_S, "began", app._RESTART_S, "began"]  # noqa: SLF001


async def test_a_bug_is_answered_without_internals_and_logged_with_them(
    bare: Bare, caplog: pytest.LogCaptureFixture
):
    problem = assert_problem(await bare.door.get("/bug"), 500, "internal")
    assert "secret" not in str(problem)
    assert "SELECT secret" in caplog.text


async def test_every_answer_names_its_trace_and_each_has_its_own(bare: Bare):
    seen = set()
    for path in ("/now", "/nope", "/bug", "/metrics", "/health/live", "/gremlins", "/schema"):
        seen.add((await bare.door.get(path)).headers["x-trace-id"])
    assert len(seen) == 7


async def test_metrics_carry_the_trace_as_an_exemplar_when_asked_for_openmetrics(bare: Bare):
    trace_id = (await bare.door.get("/things/exemplary")).headers["x-trace-id"]
    accept = "application/openmetrics-text; version=1.0.0"
    answer = await bare.door.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert f'trace_id="{trace_id}"' in answer.text
    assert answer.text.endswith("# EOF\n")
    plain = await bare.door.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in plain.text


async def test_a_trace_that_is_not_kept_is_no_exemplar(bare: Bare):
    trace_id = "ab" * 16
    parent = {"traceparent": f"00-{trace_id}-{'cd' * 8}-00"}
    assert (await bare.door.get("/things/unkept", headers=parent)).headers["x-trace-id"] == trace_id
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert trace_id not in (await bare.door.get("/metrics", headers=accept)).text


# ---- bounds -------------------------------------------------------------------------------------


async def test_past_the_limit_a_request_is_shed_at_once_and_nothing_was_done(bare: Bare):
    before = bare.sample("valerix_requests_shed_total")
    async with knock(bare.url) as crowd:
        slow = [
            asyncio.create_task(crowd.get("/slow", params={"seconds": 0.8})) for _ in range(LIMIT)
        ]
        await until(lambda: bare.sample("http_requests_in_flight") == LIMIT)
        begun = time.monotonic()
        answer = await bare.door.post("/things", json={"name": "too much"})
        assert time.monotonic() - begun < 0.6
        problem = assert_problem(answer, 503, "overloaded")
        assert problem["retryable"]
        assert answer.headers["x-valerix-executed"] == "no"
        assert int(answer.headers["retry-after"]) >= 1
        assert bare.made == []
        # The ways out and the measurements stay open.
        for path in ("/metrics", "/health", "/health/live", "/gremlins"):
            assert (await bare.door.get(path)).status_code == 200, path
        assert {answer.status_code for answer in await asyncio.gather(*slow)} == {200}
    assert bare.sample("valerix_requests_shed_total") == before + 1
    assert (await bare.door.post("/things", json={"name": "fits"})).status_code == 201
    assert bare.sample("http_requests_in_flight") <= 1


async def test_a_caller_that_leaves_in_mid_body_frees_its_place_and_is_no_fault_of_ours(
    bare: Bare, caplog: pytest.LogCaptureFixture
):
    before = _requests(bare, "POST", "/things", 400)
    host, port = bare.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
    await until(lambda: bare.sample("http_requests_in_flight") == 1)
    await wire.hang_up(writer)
    await until(lambda: bare.sample("http_requests_in_flight") == 0)
    assert bare.made == []
    assert _requests(bare, "POST", "/things", 400) == before + 1
    assert "ERROR" not in caplog.text


async def test_work_that_its_caller_gave_up_on_is_counted_as_such_and_not_as_a_success(bare: Bare):
    of = {"method": "GET", "path": "/slow"}
    before = {status: _requests(bare, **of, status=status) for status in (200, 499)}
    host, port = bare.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /slow?seconds=0.3 HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: bare.sample("http_requests_in_flight") == 1)
    await wire.hang_up(writer)
    await until(lambda: _requests(bare, **of, status=499) == before[499] + 1)
    assert _requests(bare, **of, status=200) == before[200]


@pytest.mark.parametrize(
    ("path", "kind", "level"),
    [
        ("/things/1", "", "INFO"),
        ("/nope", "", "INFO"),
        ("/bug", "", "ERROR"),
        ("/things/1", "error", "ERROR"),
        ("/things/1", "refuse", "ERROR"),
    ],
)
async def test_a_request_is_logged_at_the_level_of_how_it_ended_injected_or_not(
    bare: Bare, caplog: pytest.LogCaptureFixture, path: str, kind: str, level: str
):
    if kind:
        await bare.let_loose(kind, "GET /things/{thing_id}")
    with caplog.at_level("INFO", "request"), contextlib.suppress(httpx.RemoteProtocolError):
        caplog.clear()
        await bare.door.get(path)
    (line,) = [each for each in caplog.records if each.name == "request"]
    assert (line.levelname, getattr(line, "gremlin", "")) == (level, kind)


@pytest.mark.parametrize("status", [202, 408, 499])
async def test_what_is_not_finished_is_a_warning(status: int):
    assert logging.getLevelName(_level(status)) == "WARNING"


@pytest.mark.parametrize("pause_s", [0.05, 10])
async def test_a_body_that_trickles_or_never_comes_is_cut_off_as_a_whole(
    bare: Bare, pause_s: float
):
    """Each byte may be in time and the body still too slow: the limit is on all of it."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{")
        while True:
            await asyncio.sleep(pause_s)
            writer.write(b" ")

    host, port = bare.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sending = asyncio.create_task(send(reader, writer))
    begun = time.monotonic()
    async with asyncio.timeout(5):
        answer = await wire.read_answer(reader)
    sending.cancel()
    await wire.hang_up(writer)
    assert_problem(answer, 408, "request-timeout")
    assert 0.3 < time.monotonic() - begun < 1.5
    assert bare.made == []


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_gremlin_reads_no_more_of_a_body_than_anybody_may_send(bare: Bare, method: str):
    await bare.let_loose("latency", delay_ms=1)
    host, port = bare.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"{method} /things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    # One chunk too large, and no end of the body: an answer now, or one when time is up?
    writer.write(head.encode() + b"11170\r\n" + b" " * 70_000 + b"\r\n")
    async with asyncio.timeout(5):
        assert_problem(await wire.read_answer(reader), 413, "too-large")
    await wire.hang_up(writer)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 64 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_as_a_problem(bare: Bare, raw: bytes):
    answer = await wire.exchange(bare.url, raw)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "malformed"


async def test_the_service_says_its_name_on_every_series(bare: Bare):
    text = (await bare.door.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("http_")]
    assert lines
    assert all(f'service="{NAME}"' in line for line in lines)


@pytest.mark.parametrize(
    "raw", [None, b"", b"abc", b"-1", b"1e3", b"9999999999", b"0.5", b"\xb2", b" 5"]
)
async def test_a_time_limit_that_is_not_valid_is_no_limit(raw: bytes | None):
    assert _deadline(raw) is None


@pytest.mark.parametrize(
    ("raw", "seconds"), [(b"0", 0.0), (b"1500", 1.5), (b"999999999", 999_999.999)]
)
async def test_a_time_limit_is_relative_milliseconds(raw: bytes, seconds: float):
    before = time.monotonic()
    deadline = _deadline(raw)
    assert deadline is not None
    assert before + seconds <= deadline <= time.monotonic() + seconds


async def test_who_leaves_a_request_without_a_body_leaves_nothing_out(bare: Bare):
    """The framework watches for the end of a stream's reader; that is no body cut short."""
    seen: list[str] = []

    async def app(scope, receive, send) -> None:
        seen.append((await receive())["type"])

    async def gone():
        return {"type": "http.disconnect"}

    async def nowhere(message) -> None:
        """Nobody listens."""

    edge = copy.copy(bare.app)
    edge.app = app
    scope = {
        "type": "http", "method": "GET", "path": "/slow", "scheme": "http", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "http_version": "1.1",
    }  # fmt: skip
    await edge(scope, gone, nowhere)
    assert seen == ["http.disconnect"]
