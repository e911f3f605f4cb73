"""The cases of the W3C trace-context test suite, from a request to the call that it makes."""

import asyncio
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from litestar import get
from litestar.datastructures import State
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from chassis.http.outbound import Peer
from fleet.settings import load
from tests.harness import wire
from tests.harness.serving import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE, PARENT = "12345678901234567890123456789012", "1234567890123456"
SENT = f"00-{TRACE}-{PARENT}-01"
Headers = list[tuple[str, str]]


@get("/call")
async def call_next(state: State) -> None:
    """What the suite asks of a service: another call, in the same trace."""
    await state["peer"].call("GET", "/", route="/")


class Chain:
    """A service, and what it sent to the one behind it."""

    def __init__(self, url: str) -> None:
        self._url, self.heads = url, list[bytes]()

    async def passes_on(self, headers: Headers) -> dict[str, str]:
        """The headers of the call that a request with these headers leads to."""
        self.heads.clear()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        request = f"GET /call HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
        assert (await wire.exchange(self._url, request.encode())).status_code == 200
        (head,) = self.heads
        sent = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line]
        names = [name.lower() for name, *_ in sent]
        assert names.count("traceparent") == 1
        return {name.lower(): value for name, value in sent}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain() -> AsyncIterator[Chain]:
    """One chain for the module."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            service.heads.append(await wire.read_request(reader))
            writer.write(wire.http(200, b"{}"))

    settings = load("order", {})
    async with wire.listen(answer) as behind:
        peer = Peer("behind", behind, settings)
        app = service_app(
            name="in-between", title="Nothing", settings=settings, registry=CollectorRegistry(),
            routes=[call_next], state={"peer": peer}, closes=[peer.close],
        )  # fmt: skip
        free = msgspec.structs.replace(settings, port=0)
        async with serve(app, free) as url:
            service = Chain(url)
            yield service


def trace_of(headers: dict[str, str]) -> str:
    """The trace that was passed on, in a header of the right form."""
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", headers["traceparent"])
    assert match
    assert match[1] != "0" * 32
    assert match[2] not in ("0" * 16, PARENT)
    return match[1]


TAKEN_UP = {
    "alone": [("traceparent", SENT)],
    "other casing": [("TraceParent", SENT)],
    "odd casing": [("TrAcEpArEnT", SENT)],
    "capitals": [("TRACEPARENT", SENT)],
    "a later version": [("traceparent", f"cc-{SENT[3:]}")],
    "a longer later version": [("traceparent", f"cc-{SENT[3:]}-what-the-future-will-be-like")],
    "a space before": [("traceparent", f" {SENT}")],
    "a tab before": [("traceparent", f"\t{SENT}")],
    "a space after": [("traceparent", f"{SENT} ")],
    "a tab after": [("traceparent", f"{SENT}\t")],
    "white space around": [("traceparent", f"\t {SENT} \t")],
}


@pytest.mark.parametrize("headers", TAKEN_UP.values(), ids=TAKEN_UP)
async def test_a_trace_is_taken_up(chain: Chain, headers: Headers):
    assert trace_of(await chain.passes_on(headers)) == TRACE


MADE_ANEW = {
    "nothing": [],
    "two": [("traceparent", SENT), ("traceparent", SENT.replace(TRACE, TRACE[:-1] + "1"))],
    "two alike": [("traceparent", SENT), ("traceparent", SENT)],
    "two, the first empty": [("traceparent", ""), ("traceparent", SENT)],
    "another name": [("trace-parent", SENT)],
    "yet another name": [("trace.parent", SENT)],
    "a longer version 00": [("traceparent", f"{SENT}.")],
    "a longer version 00 with a dash": [("traceparent", f"{SENT}-what-the-future-will-be-like")],
    "a later version with a dot": [("traceparent", f"cc-{SENT[3:]}.what-the-future-will-be-like")],
    "version ff": [("traceparent", f"ff-{SENT[3:]}")],
    "version .0": [("traceparent", f".0-{SENT[3:]}")],
    "version 0.": [("traceparent", f"0.-{SENT[3:]}")],
    "version 000": [("traceparent", f"000-{SENT[3:]}")],
    "version 0000": [("traceparent", f"0000-{SENT[3:]}")],
    "version 0": [("traceparent", f"0-{SENT[3:]}")],
    "trace id zero": [("traceparent", f"00-{'0' * 32}-{PARENT}-01")],
    "trace id with a dot first": [("traceparent", f"00-.{TRACE[1:]}-{PARENT}-01")],
    "trace id with a dot last": [("traceparent", f"00-{TRACE[:-1]}.-{PARENT}-01")],
    "trace id too long": [("traceparent", f"00-{TRACE}3-{PARENT}-01")],
    "trace id too short": [("traceparent", f"00-{TRACE[:-1]}-{PARENT}-01")],
    "parent id zero": [("traceparent", f"00-{TRACE}-{'0' * 16}-01")],
    "parent id with a dot first": [("traceparent", f"00-{TRACE}-.{PARENT[1:]}-01")],
    "parent id with a dot last": [("traceparent", f"00-{TRACE}-{PARENT[:-1]}.-01")],
    "parent id too long": [("traceparent", f"00-{TRACE}-{PARENT}7-01")],
    "parent id too short": [("traceparent", f"00-{TRACE}-{PARENT[:-1]}-01")],
    "flags .0": [("traceparent", f"00-{TRACE}-{PARENT}-.0")],
    "flags 0.": [("traceparent", f"00-{TRACE}-{PARENT}-0.")],
    "flags 001": [("traceparent", f"00-{TRACE}-{PARENT}-001")],
    "flags 1": [("traceparent", f"00-{TRACE}-{PARENT}-1")],
}


@pytest.mark.parametrize("headers", MADE_ANEW.values(), ids=MADE_ANEW)
async def test_what_is_no_trace_is_made_anew_and_its_state_goes_with_it(
    chain: Chain, headers: Headers
):
    sent = await chain.passes_on([*headers, ("tracestate", "foo=1,bar=2")])
    assert trace_of(sent) not in (TRACE, TRACE[:-1] + "1")
    assert "tracestate" not in sent


KEYS = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(chr(n) for n in range(0x20, 0x7F) if chr(n) not in ",=")
MANY = [",".join(f"bar{n:02}={n:02}" for n in range(first, first + 10)) for first in (1, 11, 21)]
PASSED_ON = {
    "one header": (["foo=1,bar=2"], "foo=1,bar=2"),
    "several headers": (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
                        "foo=1,bar=2,rojo=1,congo=2,baz=3"),
    "an empty header last": (["foo=1", ""], "foo=1"),
    "an empty header first": (["", "foo=1"], "foo=1"),
    "all characters": ([f"{KEYS}={VALUE}"], f"{KEYS}={VALUE}"),
    "all characters, with a tenant": ([f"{KEYS}@a-z0-9_-*/={VALUE}"],
                                      f"{KEYS}@a-z0-9_-*/={VALUE}"),
    "white space": (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
    "tabs": (["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
    "white space around": (["\t foo=1 \t"], "foo=1"),
    "32 entries": ([*MANY, "bar31=31,bar32=32"], ",".join([*MANY, "bar31=31,bar32=32"])),
    "a key of 256": (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
    "a tenant of 241": (["foo=1", "t" * 241 + "@" + "v" * 14 + "=1"],
                        "foo=1," + "t" * 241 + "@" + "v" * 14 + "=1"),
    "longer than 512: long entries go": (["a=" + "1" * 200, "b=2,c=" + "3" * 200, "d=" + "4" * 200],
                                         "b=2"),
    "longer than 512: then the last": ([f"a{n}=" + "1" * 100 for n in range(6)],
                                       ",".join(f"a{n}=" + "1" * 100 for n in range(4))),
}  # fmt: skip


@pytest.mark.parametrize(("states", "passed_on"), PASSED_ON.values(), ids=PASSED_ON)
async def test_the_state_of_a_trace_is_passed_on(chain: Chain, states: list[str], passed_on: str):
    sent = await chain.passes_on(
        [("traceparent", SENT), *(("TraceState", state) for state in states)]
    )
    assert trace_of(sent) == TRACE
    assert sent["tracestate"] == passed_on


DROPPED = {
    "another name": [("trace-state", "foo=1")],
    "yet another name": [("trace.state", "foo=1")],
    "empty": [("tracestate", "")],
    "a key twice": [("tracestate", "foo=1,foo=1")],
    "a key with two values": [("tracestate", "foo=1,foo=2")],
    "a key in two headers": [("tracestate", "foo=1"), ("tracestate", "foo=2")],
    "a space in the key": [("tracestate", "foo =1")],
    "capitals": [("tracestate", "FOO=1")],
    "a dot in the key": [("tracestate", "foo.bar=1")],
    "no system": [("tracestate", "foo@=1,bar=2")],
    "no tenant": [("tracestate", "@foo=1,bar=2")],
    "two at-signs": [("tracestate", "foo@@bar=1,bar=2")],
    "two systems": [("tracestate", "foo@bar@baz=1,bar=2")],
    "33 entries": [("tracestate", ",".join([*MANY, "bar31=31,bar32=32,bar33=33"]))],
    "a key of 257": [("tracestate", "foo=1"), ("tracestate", "z" * 257 + "=1")],
    "a tenant of 242": [("tracestate", "foo=1"), ("tracestate", "t" * 242 + "@v=1")],
    "a system of 15": [("tracestate", "foo=1"), ("tracestate", "t@" + "v" * 15 + "=1")],
    "two equal signs": [("tracestate", "foo=bar=baz")],
    "no value": [("tracestate", "foo=,bar=3")],
}


@pytest.mark.parametrize("headers", DROPPED.values(), ids=DROPPED)
async def test_what_is_no_state_is_dropped_and_the_trace_goes_on(chain: Chain, headers: Headers):
    sent = await chain.passes_on([("traceparent", SENT), *headers])
    assert trace_of(sent) == TRACE
    assert "tracestate" not in sent
