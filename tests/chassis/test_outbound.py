"""One call to another service, against raw sockets: deadline, bulkhead, and what it concludes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from chassis.http.outbound import Peer, classify, decode
from chassis.outcome import Outcome
from chassis.settings import Settings
from chassis.telemetry.context import deadline_now
from fleet.settings import load
from tests.harness import wire
from tests.harness.patience import LATE_S

PROBLEM = "application/problem+json"
SETTINGS = load("order", {}, peer_deadline_s=0.4, peer_wait_s=0.1, peer_connections=2)
# Where the answer is what is tested: a busy machine must not turn it into silence.
PATIENT = load("order", {}, peer_deadline_s=20, peer_wait_s=10)


@pytest.fixture
async def peer_at() -> AsyncIterator[Callable[..., Peer]]:
    """`peer_at(url)`: a peer that is closed after the test."""
    peers: list[Peer] = []

    def build(url: str, settings: Settings = SETTINGS) -> Peer:
        peers.append(Peer("other-service", url, settings))
        return peers[-1]

    yield build
    for peer in peers:
        await peer.close()


def _problem(status: int, code: str, *headers: str) -> bytes:
    body = msgspec.json.encode({"code": code, "detail": "x"})
    return wire.http(status, body, *headers, media_type=PROBLEM)


# One of each kind: the whole table is tests/chassis/test_outcome.py.
RESPONSES = [
    (wire.http(201, b"{}"), Outcome.OK, ""),
    (_problem(402, "payment-declined"), Outcome.DEFINITE_NO, "payment-declined"),
    (wire.http(404, b"<html>"), Outcome.DEFINITE_NO, "http-404"),
    (_problem(409, "in-progress"), Outcome.IN_PROGRESS, "in-progress"),
    (_problem(503, "overloaded", "X-Valerix-Executed: no"), Outcome.NOT_SENT, "overloaded"),
    (_problem(503, "x", "X-Valerix-Executed: yes"), Outcome.UNKNOWN, "x"),
    (wire.http(502, b"<html>Bad Gateway"), Outcome.UNKNOWN, "http-502"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "outcome", "code"), RESPONSES)
async def test_a_response_is_read_and_classified(
    peer_at: Callable[..., Peer], answer: bytes, outcome: Outcome, code: str
):
    async with wire.listen(wire.responds(answer)) as url:
        heard = await peer_at(url, PATIENT).call("POST", "/x", {"a": 1}, route="/x")
    assert (heard.outcome, heard.code) == (outcome, code)
    assert heard.status == int(answer.split()[1])


async def _half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    await writer.drain()


async def _half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}")
    await writer.drain()


async def _no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def _closes_politely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.close()


UNKNOWN = {
    "reset after the request": wire.reset,
    "closed after the request": _closes_politely,
    "half a head": _half_a_head,
    "half a body": _half_a_body,
    "no HTTP": _no_http,
    "silence": wire.silence,
    "a trickle": wire.trickle,
    "an answer without end": wire.responds(wire.http(200, b"x" * (1 << 21))),
}


@pytest.mark.parametrize("behaviour", UNKNOWN)
async def test_after_the_request_was_sent_trouble_means_unknown(
    peer_at: Callable[..., Peer], behaviour: str
):
    async with wire.listen(UNKNOWN[behaviour]) as url:
        begun = time.monotonic()
        heard = await peer_at(url).call("POST", "/x", {"a": 1})
        took_s = time.monotonic() - begun
    assert heard.outcome is Outcome.UNKNOWN
    assert heard.code
    assert took_s < 0.4 + LATE_S


async def test_the_deadline_is_a_total_even_against_a_trickle(peer_at: Callable[..., Peer]):
    async with wire.listen(wire.trickle) as url:
        begun = time.monotonic()
        heard = await peer_at(url).call("GET", "/x", deadline_s=0.25)
    assert (heard.outcome, heard.code) == (Outcome.UNKNOWN, "timeout")
    assert 0.2 < time.monotonic() - begun < 0.25 + LATE_S


async def test_nobody_listening_means_not_sent(peer_at: Callable[..., Peer]):
    async with wire.listen(wire.silence) as gone:
        pass
    heard = await peer_at(gone).call("POST", "/x", {"a": 1})
    assert (heard.outcome, heard.code) == (Outcome.NOT_SENT, "connect-failed")


async def test_a_full_bulkhead_means_not_sent_and_costs_little_time(peer_at: Callable[..., Peer]):
    async with wire.listen(wire.silence) as url:
        peer = peer_at(url)
        holding = [asyncio.create_task(peer.call("GET", "/x", deadline_s=2.0)) for _ in range(2)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1.5):
            heard = await peer.call("POST", "/x", {"a": 1}, deadline_s=2.0)
        assert (heard.outcome, heard.code) == (Outcome.NOT_SENT, "bulkhead-full")
        assert {answer.code for answer in await asyncio.gather(*holding)} == {"timeout"}
    async with wire.listen(wire.responds(wire.http(200, b"{}"))) as url:
        assert (await peer_at(url).call("GET", "/x")).outcome is Outcome.OK


async def test_without_time_left_nothing_is_sent(peer_at: Callable[..., Peer]):
    asked = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await wire.read_request(reader))

    async with wire.listen(ask) as url:
        heard = await peer_at(url).call("POST", "/x", deadline_s=0.0)
        token = deadline_now.set(time.monotonic() - 1)
        late = await peer_at(url).call("POST", "/x")
        deadline_now.reset(token)
    assert (heard.outcome, heard.code) == (Outcome.NOT_SENT, "no-time-left")
    assert (late.outcome, late.code) == (Outcome.NOT_SENT, "no-time-left")
    assert asked == []


async def test_what_is_left_of_our_own_callers_time_shortens_the_deadline(
    peer_at: Callable[..., Peer],
):
    async with wire.listen(wire.silence) as url:
        token = deadline_now.set(time.monotonic() + 0.15)
        begun = time.monotonic()
        heard = await peer_at(url).call("GET", "/x", deadline_s=20.0)
        deadline_now.reset(token)
    assert heard.code == "timeout"
    assert time.monotonic() - begun < 0.15 + LATE_S


async def test_the_callee_gets_the_time_left_and_the_trace(peer_at: Callable[..., Peer]):
    asked: list[bytes] = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await wire.read_request(reader))
        writer.write(wire.http(200, b"{}"))
        await writer.drain()

    async with wire.listen(ask) as url:
        await peer_at(url).call("POST", "/x", {"a": 1}, headers={"Idempotency-Key": "k" * 16})
    head, _, body = asked[0].partition(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    assert 0 < int(lines[b"x-timeout-ms"]) <= 400
    assert len(lines[b"traceparent"]) == 55
    assert lines[b"idempotency-key"] == b"k" * 16
    assert lines[b"content-type"] == b"application/json"
    assert body == b'{"a":1}'


async def test_an_answer_is_never_followed_elsewhere(peer_at: Callable[..., Peer]):
    visited = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visited.append(await wire.read_request(reader))

    async with wire.listen(elsewhere) as trap:
        answer = wire.http(307, b"", f"Location: {trap}/steal")
        async with wire.listen(wire.responds(answer)) as url:
            heard = await peer_at(url).call("POST", "/x", {"a": 1})
    assert heard.outcome is Outcome.UNKNOWN
    assert visited == []


async def test_a_recovery_is_noticed_once(peer_at: Callable[..., Peer]):
    async with wire.listen(wire.reset) as url:
        peer = peer_at(url)
        await peer.call("GET", "/x")
        first = peer.failing_since
        await peer.call("GET", "/x")
        assert peer.failing_since == first > 0
        assert peer.recoveries == 0
    async with wire.listen(wire.responds(wire.http(404, b"{}"))) as well:
        peer = peer_at(well)
        peer.failing_since = first
        for _ in range(2):
            await peer.call("GET", "/x")
        assert (peer.failing_since, peer.recoveries) == (0.0, 1)


async def test_a_cancelled_call_gives_its_place_back(peer_at: Callable[..., Peer]):
    async with wire.listen(wire.silence) as url:
        peer = peer_at(url)
        for _ in range(4):
            call = asyncio.create_task(peer.call("GET", "/x"))
            await asyncio.sleep(0.03)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert (await peer.call("GET", "/x")).code == "timeout"


class _Shape(msgspec.Struct):
    order_id: str


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"<html>", b'{"order_id":1}', b"{}", b"\xff", b"[" * 10_000]
)
def test_a_2xx_that_breaks_the_contract_decodes_to_nothing(body: bytes):
    assert decode(classify(200, body), _Shape) is None
