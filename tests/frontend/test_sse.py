"""Nudges: a name and no data, at most one of each waiting, a bounded number of listeners."""

import signal

import pytest

from frontend.web.sse import TOPICS, Hub, TooManyListeners, closing_on_stop


async def test_a_slow_browser_is_nudged_once_not_once_per_change():
    hub = Hub()
    listener = hub.listen()
    for _ in range(1000):
        hub.nudge("shop")
        hub.nudge("proof")
    assert await listener.wait(1) == ["proof", "shop"]
    assert await listener.wait(0.01) == []


async def test_a_stream_begins_with_every_topic_and_carries_no_data():
    hub = Hub()
    stream = hub.stream(hub.listen())
    first = (await anext(stream)).decode()
    assert [f"event: {topic}\ndata:\n\n" in first for topic in TOPICS] == [True] * len(TOPICS)
    hub.nudge("shop")
    assert await anext(stream) == b"event: shop\ndata:\n\n"
    await stream.aclose()


async def test_places_are_bounded_and_given_back():
    hub = Hub(most=1)
    stream = hub.stream(hub.listen())
    await anext(stream)
    with pytest.raises(TooManyListeners):
        hub.listen()
    await stream.aclose()
    hub.leave(hub.listen())


async def test_closing_ends_every_stream():
    hub = Hub()
    stream = hub.stream(hub.listen())
    await anext(stream)
    hub.close()
    assert [chunk async for chunk in stream] == []


async def test_a_stop_closes_the_streams_and_reaches_the_server():
    hub, heard = Hub(), []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        stream = hub.stream(hub.listen())
        await anext(stream)
        with closing_on_stop(hub):
            signal.raise_signal(signal.SIGTERM)
            assert [chunk async for chunk in stream] in ([], [b": quiet\n\n"])
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)
