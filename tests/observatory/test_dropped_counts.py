"""What the services could not send is read from them, but only while somebody looks."""

import asyncio

import pytest
from aiohttp import web

from fleet.ports import free_port
from observatory.metrics.dropped_counts import READ_EVERY_S, DroppedCounts


class Service:
    """A page of metrics with one count of drops."""

    def __init__(self):
        self.dropped, self.reads, self.broken = 7, 0, False

    async def show(self, _):
        self.reads += 1
        if self.broken:
            raise web.HTTPInternalServerError
        name = "valerix_telemetry_dropped"
        return web.Response(text=f'# TYPE {name} gauge\n{name}{{service="x"}} {self.dropped}.0\n')


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
async def service():
    return Service()


@pytest.fixture
async def drops(service, now):
    app = web.Application()
    app.router.add_get("/metrics", service.show)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here, nowhere = runner.addresses[0][1], free_port()
    urls = {"order": f"http://127.0.0.1:{here}", "payment": f"http://127.0.0.1:{nowhere}"}
    made = DroppedCounts(urls, clock=lambda: now[0])
    yield made
    await made.close()
    await runner.cleanup()


async def until_counted(drops, wanted):
    async with asyncio.timeout(5):
        while drops.now() != wanted:
            await asyncio.sleep(0.01)


async def test_services_are_read_only_while_somebody_looks_and_at_most_every_five_seconds(
    drops, service, now
):
    await asyncio.sleep(0.05)
    assert service.reads == 0
    assert drops.now() == {}
    await until_counted(drops, {"order": 7})
    assert service.reads == 1
    service.dropped, now[0] = 9, READ_EVERY_S
    await until_counted(drops, {"order": 9})
    assert service.reads == 2


async def test_a_service_that_stops_responding_keeps_its_count(drops, service, now):
    await until_counted(drops, {"order": 7})
    service.broken, now[0] = True, READ_EVERY_S
    async with asyncio.timeout(5):
        while service.reads < 2:
            drops.now()
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert drops.now() == {"order": 7}
