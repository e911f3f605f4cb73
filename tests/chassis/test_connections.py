"""What comes before a request is bounded: a head's size, lines and time, and open connections."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import msgspec
import pytest

from chassis.http import connections
from chassis.http.connections import Connections, allow_descriptors
from fleet.settings import load
from tests.chassis.bare import Bare, until
from tests.harness import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE, LINES, PLACES, HALF_OPEN = 4096, 20, 12, 4
BARE = {
    "head_limit_bytes": SIZE,
    "head_limit_lines": LINES,
    "head_timeout_s": 0.5,
    "body_timeout_s": 0.4,
    "max_connections": PLACES,
    "half_open_per_peer": HALF_OPEN,
}
START = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
LIVE = START + b"\r\n"


class Caller:
    """One connection of a client that has its own idea of HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, raw: bytes) -> None:
        """Send, whatever the server makes of it."""
        self._writer.write(raw)

    async def answer(self) -> httpx.Response:
        """The next answer."""
        async with asyncio.timeout(5):
            return await wire.read_answer(self._reader)

    async def is_closed(self) -> bool:
        """Whether the server closes the connection, with whatever answer."""
        await self.rest()
        return True

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        try:
            async with asyncio.timeout(5):
                return await self._reader.read()
        except ConnectionResetError:
            return b""

    async def is_served(self) -> bool:
        """Whether a request is answered on this connection."""
        self.send(LIVE)
        return (await self.answer()).status_code == 200


@asynccontextmanager
async def callers(bare: Bare, count: int = 1) -> AsyncIterator[list[Caller]]:
    """That many connections."""
    host, port = bare.url.removeprefix("http://").split(":")
    async with AsyncExitStack() as open_:
        found = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection(host, int(port))
            open_.push_async_callback(wire.hang_up, writer)
            found.append(Caller(reader, writer))
        yield found


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether the answer is this problem, from below the edge."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return (answer.status_code, answer.json()["code"]) == (status, code)


TOO_LARGE = {
    "one endless line": START + b"X: " + b"a" * SIZE,
    "many lines": START + b"X: aaaaaaaa\r\n" * (SIZE // 20),
    "a whole head": START + b"X: " + b"a" * SIZE + b"\r\n\r\n",
    "an endless address": b"GET /" + b"a" * SIZE,
    "a whole address": b"GET /" + b"a" * SIZE + b" HTTP/1.1\r\n\r\n",
    "endless line ends": b"\r\n" * SIZE,
    "too many lines": START + b"X: 1\r\n" * LINES + b"\r\n",
}


@pytest.mark.parametrize("raw", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_head_that_is_too_large_is_refused_before_it_is_complete(bare: Bare, raw: bytes):
    async with callers(bare) as (caller,):
        caller.send(raw)
        assert is_problem(await caller.answer(), 431, "head-too-large")
        assert await caller.is_closed()


CHUNKED = b"POST /things HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
AFTER_THE_HEAD = {
    "an endless trailer": CHUNKED + b"0\r\nX: " + b"a" * 2 * SIZE,
    "many trailers": CHUNKED + b"0\r\n" + b"X: 1\r\n" * SIZE,
    "an endless chunk extension": CHUNKED + b"2;x=" + b"a" * 2 * SIZE,
}


async def test_a_trailer_is_no_header(bare: Bare):
    body = b'{"name":"a"}'
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    async with callers(bare) as (caller,):
        for trailers in (b"", b"Host: elsewhere.example\r\nContent-Type: text/plain\r\n"):
            caller.send(CHUNKED + chunk + trailers + b"\r\n")
            answer = await caller.answer()
            assert answer.is_success, answer.text


@pytest.mark.parametrize("raw", AFTER_THE_HEAD.values(), ids=AFTER_THE_HEAD)
async def test_what_would_grow_after_the_head_closes_the_connection(bare: Bare, raw: bytes):
    async with callers(bare) as (caller,):
        caller.send(raw)
        assert await caller.is_closed()
    assert bare.made == []


AFTER_A_GOOD_ONE = {
    "too many": (LIVE * 1000, 17, 429, "too-many-pipelined"),
    "an unknown method": (LIVE + b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1, 501,
                          "unknown-method"),
    "a bad version": (LIVE + b"GET / HTTQ/1.1\r\n\r\n", 1, 400, "malformed"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "good", "status", "code"), AFTER_A_GOOD_ONE.values(), ids=AFTER_A_GOOD_ONE
)
async def test_a_refusal_waits_for_the_answers_before_it(
    bare: Bare, raw: bytes, good: int, status: int, code: str
):
    async with callers(bare) as (caller,):
        caller.send(raw)
        for _ in range(good):
            assert (await caller.answer()).status_code == 200
        assert is_problem(await caller.answer(), status, code)
        assert await caller.is_closed()


async def test_nothing_is_answered_after_the_last_answer(bare: Bare):
    last = START + b"Connection: close\r\n\r\n"
    async with callers(bare) as (caller,):
        caller.send(last + b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await caller.answer()).status_code == 200
        assert await caller.rest() == b""


UNREADABLE = {
    "an unknown coding": (CHUNKED.replace(b"chunked", b"xchunked"), 501),
    "two codings": (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", 400),
    "HTTP/1.0 without a host": (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
    "a foreign host in the address": (LIVE.replace(b" /", b" http://evil.example/"), 403),
    "our host in the address": (
        b"GET http://localhost:1/health/live?x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200
    ),
    "no path in the address": (b"GET http://[::1]:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "status"), UNREADABLE.values(), ids=UNREADABLE)
async def test_a_head_is_read_in_one_way_or_refused_with_a_reason(
    bare: Bare, raw: bytes, status: int
):
    async with callers(bare) as (caller,):
        caller.send(raw)
        answer = await caller.answer()
    assert answer.status_code == status
    assert status == 200 or answer.headers["content-type"] == "application/problem+json"
    assert bare.made == []


async def test_a_body_that_is_encoded_is_not_read_as_json(bare: Bare):
    for encoding, status in (("gzip", 415), ("identity", 201), ("br, gzip", 415)):
        headers = {"Content-Encoding": encoding}
        answer = await bare.door.post("/things", json={"name": encoding}, headers=headers)
        assert answer.status_code == status
    assert bare.made == ["identity"]
    bare.made.clear()


async def test_a_head_within_the_bounds_is_served_again_and_again(bare: Bare):
    head = START + b"X: 1\r\n" * (LINES - 2) + b"Y: " + b"a" * (SIZE - 400) + b"\r\n\r\n"
    async with callers(bare) as (caller,):
        for _ in range(3):
            caller.send(head)
            assert (await caller.answer()).status_code == 200


@pytest.mark.parametrize("begun", [b"", b"G", START, b"\r\n"], ids=["nothing", "a byte", "a line",
                                                                     "a line end"])  # fmt: skip
async def test_a_head_that_does_not_come_is_given_up(bare: Bare, begun: bytes):
    async with callers(bare) as (caller,):
        caller.send(begun)
        assert is_problem(await caller.answer(), 408, "request-timeout")


@pytest.mark.parametrize("begun", [b"GET", START, b"\r\n"], ids=["a word", "a line", "a line end"])
async def test_the_second_head_of_a_connection_has_no_more_time(bare: Bare, begun: bytes):
    async with callers(bare) as (caller,):
        assert await caller.is_served()
        caller.send(begun)
        assert is_problem(await caller.answer(), 408, "request-timeout")


async def test_between_two_requests_a_connection_may_be_silent_for_longer(bare: Bare):
    async with callers(bare) as (caller,):
        assert await caller.is_served()
        await asyncio.sleep(1.0)
        assert await caller.is_served()


async def test_a_body_that_nobody_reads_is_not_waited_for_for_ever(bare: Bare):
    async with callers(bare) as (caller,):
        caller.send(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n")
        assert (await caller.answer()).status_code == 404
        assert await caller.is_closed()


async def test_a_connection_goes_on_after_a_body_that_nobody_read(bare: Bare):
    async with callers(bare) as (caller,):
        caller.send(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        assert (await caller.answer()).status_code == 404
        caller.send(b"}")
        assert await caller.is_served()
        await asyncio.sleep(1.0)
        assert await caller.is_served()


async def test_silent_connections_give_way_to_one_that_asks(bare: Bare):
    async with callers(bare, PLACES + 5), callers(bare) as (caller,):
        assert await caller.is_served()


async def test_idle_connections_give_way_the_longest_idle_first(bare: Bare):
    async with AsyncExitStack() as open_:
        idle = []
        for _ in range(PLACES):
            idle += await open_.enter_async_context(callers(bare))
            assert await idle[-1].is_served()
        async with callers(bare) as (caller,):
            assert await caller.is_served()
            assert await idle[0].is_closed()
            assert await idle[1].is_served()


async def test_where_every_connection_is_busy_a_new_one_is_refused(bare: Bare):
    async with AsyncExitStack() as open_:
        busy: list[Caller] = []

        def all_are_served() -> bool:
            return bare.sample("http_requests_in_flight") == len(busy)

        for _ in range(PLACES):
            busy += await open_.enter_async_context(callers(bare))
            busy[-1].send(b"GET /slow?seconds=2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(all_are_served)
        async with callers(bare) as (newcomer,):
            answer = await newcomer.answer()
            assert is_problem(answer, 503, "too-many-connections")
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["x-valerix-executed"] == "no"
        assert {(await caller.answer()).status_code for caller in busy} == {200}


async def test_a_burst_of_connections_is_served_and_half_sent_heads_are_not_held(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
):
    async with callers(bare, HALF_OPEN * 2) as burst:
        for caller in burst:
            caller.send(START)
        for caller in burst:
            caller.send(b"\r\n")
            assert (await caller.answer()).status_code == 200
    monkeypatch.setattr(connections, "_GRACE_S", 0.0)
    async with callers(bare, HALF_OPEN) as slow, callers(bare) as (caller,):
        assert is_problem(await slow[0].answer(), 503, "too-many-connections")
        assert await caller.is_served()
        assert await slow[1].is_served()


async def test_few_descriptors_leave_some_for_the_service_s_own_work(
    monkeypatch: pytest.MonkeyPatch,
):
    limits = [1200, 1200]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.__setitem__(0, new[0]))
    three = {name: f"http://{name}" for name in ("one", "two", "three")}
    settings = msgspec.structs.replace(load("order", {}), urls=three)
    peers = 2 * settings.peer_connections
    pool = settings.pool_size
    assert Connections(settings)._most == 1200 - peers - pool - 64  # noqa: SLF001
    limits[:] = [256, 256]
    assert Connections(settings)._most == 128  # noqa: SLF001
    limits[:] = [256, 1 << 20]
    allow_descriptors(settings)
    assert Connections(settings)._most == settings.max_connections  # noqa: SLF001
    assert limits[0] == settings.max_connections + peers + pool + 64
