"""A server of the stack that behaves badly: said in words, in time, and without its address."""

import asyncio
import re
import time

import pytest

from observatory.sources.poller import SourceError
from observatory.sources.stack.http import DEADLINE_S, HttpSource, NotFound
from observatory.sources.stack.jaeger import JaegerClient
from observatory.sources.stack.loki import LokiClient
from observatory.store.logs import LogQuery
from tests.observatory.sources.servers import BAD, says, serving

QUESTIONS = {
    "search": (JaegerClient, lambda jaeger: jaeger.search(most=5)),
    "trace": (JaegerClient, lambda jaeger: jaeger.trace("ab" * 16)),
    "lines": (LokiClient, lambda loki: loki.lines(LogQuery())),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_bad_answer_is_trouble_in_words_within_the_deadline(bad, question):
    answer, words = BAD[bad]
    made, ask = QUESTIONS[question]
    async with serving(answer) as url:
        store = made(url)
        began = time.monotonic()
        with pytest.raises(SourceError, match=words) as trouble:
            await ask(store)
        assert time.monotonic() - began < DEADLINE_S + 1
        down = store.wire.down(trouble.value, "Orders go on.")
        await store.wire.close()
    assert re.fullmatch(r"(Jaeger|Loki) [\w ().,]+", down.reason)
    assert "127" not in down.reason


async def test_a_server_that_is_not_there_is_said_to_be_so():
    wire = HttpSource("Jaeger", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="Jaeger is not there"):
        await wire.get("/", {})
    await wire.close()


async def test_an_outage_begins_once_and_ends_with_the_first_good_answer():
    state = {"status": 500}

    async def answer(request):
        return await says("{}", status=state["status"])(request)

    async with serving(answer) as url:
        wire = HttpSource("Loki", url)
        downs = []
        for status in (500, 500, 200, 500):
            state["status"] = status
            try:
                await wire.get("/", {})
            except SourceError as trouble:
                downs.append(wire.down(trouble, ""))
            await asyncio.sleep(0.01)
        await wire.close()
    first, second, third = (down.since for down in downs)
    assert first == second < third


async def test_what_is_not_there_is_no_outage():
    async with serving(says("{}", status=404)) as url:
        wire = HttpSource("Jaeger", url)
        with pytest.raises(NotFound):
            await wire.get("/", {})
        jaeger = JaegerClient(url)
        assert (await jaeger.search(most=5)).spans == []
        assert (await jaeger.trace("ab" * 16)).spans == []
        await wire.close()
        await jaeger.wire.close()


async def test_only_so_many_questions_are_asked_at_once():
    at_once = most = 0

    async def answer(request):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return await says("{}")(request)

    async with serving(answer) as url:
        wire = HttpSource("Loki", url)
        await asyncio.gather(*(wire.get(f"/{number}", {}) for number in range(40)))
        await wire.close()
    assert most == 8
