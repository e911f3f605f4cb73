"""What a process says about itself on /metrics, as the service dashboard asks for it."""

import asyncio
import time

import pytest

from tests.chassis.bare import NAME, Bare

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_memory_garbage_and_pool_are_on_the_page(bare: Bare):
    page = (await bare.door.get("/metrics")).text
    assert "process_resident_memory_bytes " in page
    assert 'python_gc_collections_total{generation="0"} ' in page
    for state in ("in_use", "idle"):
        assert f'valerix_pool_connections{{service="{NAME}",state="{state}"}} ' in page
    assert f'valerix_telemetry_dropped{{service="{NAME}"}} ' in page


async def test_a_blocked_event_loop_is_seen_and_soon_forgotten(bare: Bare):
    def lag_s() -> float:
        return bare.sample("valerix_event_loop_lag_seconds", service=NAME)

    time.sleep(0.4)  # noqa: ASYNC251 - the fault itself
    await asyncio.sleep(0.15)
    assert 0.25 < lag_s() < 2
    end = time.monotonic() + 10
    while lag_s() >= 0.25:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
