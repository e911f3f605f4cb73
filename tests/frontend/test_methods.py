"""Every page, panel and file of the dashboard answers HEAD, and no address is an error of ours."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ["/", "/gremlins", "/timeline", "/reports", "/traces", "/logs", "/acts", "/orders",
         "/panels/lights", "/payments", "/api/payments"]  # fmt: skip
FILES = ["/static/app.css", "/static/app.js", "/static/icon.svg", "/static/vendor/htmx.min.js"]


async def test_head_answers_wherever_get_does(browser):
    for path in [*PAGES, *FILES]:
        async with browser.get(path) as get, browser.head(path) as head:
            assert head.status == get.status, path
            assert head.headers["Content-Type"] == get.headers["Content-Type"], path
            assert int(head.headers["Content-Length"]) > 0, path
            assert await head.read() == b"", path


async def test_head_of_the_event_stream_ends(browser):
    async with asyncio.timeout(10):
        head = await browser.head("/nudges")
        assert (head.status, await head.read()) == (200, b"")


@pytest.mark.parametrize(
    "path",
    ["/static/%00", "/static/app.css%00", "/static/../app.py", "/static/%2e%2e/app.py", "/static/",
     "/static/vendor", "/static/" + "a" * 5000, "/static//etc/passwd", "/panels/%00", "/nope/%00",
     "/orders/%00", "/traces/%00", "/acts/%00", "/acts/%00/notes"],
)  # fmt: skip
async def test_an_address_of_nothing_is_not_found(browser, path):
    async with browser.get(path) as response:
        assert response.status == 404, path
