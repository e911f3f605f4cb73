"""A server of the stack that behaves badly is reported readably, in time, without its address."""

import asyncio
import re
import time

import pytest

from observatory.sources.poller import SourceError
from observatory.sources.stack.http import DEADLINE_S, HttpSource, ResourceNotFound
from observatory.sources.stack.jaeger import JaegerClient
from observatory.sources.stack.loki import LokiClient
from observatory.store.logs import LogQuery
from tests.observatory.sources.servers import BAD, sends, serving

QUERIES = {
    "search": (JaegerClient, lambda jaeger: jaeger.search(most=5)),
    "trace": (JaegerClient, lambda jaeger: jaeger.trace("ab" * 16)),
    "lines": (LokiClient, lambda loki: loki.lines(LogQuery())),
}


async def test_every_bad_response_is_a_readable_error_within_the_deadline():
    cases = [(bad, query) for bad in BAD for query in QUERIES]
    # One that floods takes the whole event loop: by itself, or the others miss their deadline.
    alone = [case for case in cases if case[0] == "floods"]
    found = [await offence(*case) for case in alone]
    found += await asyncio.gather(*(offence(*case) for case in cases if case not in alone))
    assert [each for each in found if each] == []


async def offence(bad, query) -> str:
    """What is wrong with the error of one query to one bad server; empty if nothing is."""
    answer, message = BAD[bad]
    made, ask = QUERIES[query]
    async with serving(answer) as url:
        store = made(url)
        began = time.monotonic()
        try:
            return f"{bad}, {query}: {await ask(store)!r}"
        except SourceError as error:
            took_s, down = time.monotonic() - began, store.http.down(error, "Orders go on.")
        finally:
            await store.http.close()
    readable = re.fullmatch(r"(Jaeger|Loki) [\w ().,]+", down.reason) and "127" not in down.reason
    if readable and re.search(message, down.reason) and took_s < DEADLINE_S + 1:
        return ""
    return f"{bad}, {query}: {down.reason} after {took_s:.1f} s"


async def test_a_server_that_is_not_running_cannot_be_reached():
    source = HttpSource("Jaeger", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="Jaeger cannot be reached"):
        await source.get("/", {})
    await source.close()


async def test_an_outage_begins_once_and_ends_with_the_first_good_response():
    state = {"status": 500}

    async def answer(request):
        return await sends("{}", status=state["status"])(request)

    async with serving(answer) as url:
        source = HttpSource("Loki", url)
        downs = []
        for status in (500, 500, 200, 500):
            state["status"] = status
            try:
                await source.get("/", {})
            except SourceError as error:
                downs.append(source.down(error, ""))
            await asyncio.sleep(0.01)
        await source.close()
    first, second, third = (down.since for down in downs)
    assert first == second < third


async def test_a_404_is_not_an_outage():
    async with serving(sends("{}", status=404)) as url:
        source = HttpSource("Jaeger", url)
        with pytest.raises(ResourceNotFound):
            await source.get("/", {})
        jaeger = JaegerClient(url)
        assert (await jaeger.search(most=5)).spans == []
        assert (await jaeger.trace("ab" * 16)).spans == []
        await source.close()
        await jaeger.http.close()


async def test_only_eight_requests_are_made_at_once():
    at_once = most = 0

    async def answer(request):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return await sends("{}")(request)

    async with serving(answer) as url:
        source = HttpSource("Loki", url)
        await asyncio.gather(*(source.get(f"/{number}", {}) for number in range(40)))
        await source.close()
    assert most == 8
