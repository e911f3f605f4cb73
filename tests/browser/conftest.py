"""A headless Chromium at the real shop; skipped with one clear word where there is none."""

import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Page, async_playwright, expect

from fleet.postgres import PostgresServer
from tests.harness.chromium import FLAGS, PATIENCE_MS, executable
from tests.harness.running import Databases, RunningFleet, choices_of, run_fleet

expect.set_options(timeout=PATIENCE_MS)
Visit = Callable[..., Awaitable[Page]]
# What a browser says of a request that nobody answers.
_NO_ANSWER = ("net::", "htmx:error: timeout", "htmx:error: Failed to fetch")


@pytest.fixture(scope="package")
def usual_shop(
    postgres: PostgresServer | None,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningFleet]:
    """One for every file that asks for no settings of its own; nobody's order is declined there.
    It ends with the last of them: five idle processes take a tenth of a core."""
    home, environ = tmp_path_factory.mktemp("shop"), {"VALERIX_PAYMENT_DECLINE_RATE": "0"}
    with run_fleet(databases, home, postgres=postgres, environ=environ) as running:
        _restock(running)
        yield running


def _restock(fleet: RunningFleet) -> None:
    """Goods for every order of every file."""
    url = fleet.url("inventory") + "/inventory/restock"
    delivery = msgspec.json.encode({"product_id": "PROD-001", "quantity": 10_000})
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, delivery, headers)  # noqa: S310 - our own loopback
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


@pytest.fixture(scope="module")
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFleet]:
    """The usual shop, or for a module that chooses (tests/harness/running.py) one of its own."""
    if not (own := choices_of(request.module)):
        yield request.getfixturevalue("usual_shop")
        return
    home = tmp_path_factory.mktemp("fleet")
    postgres, databases = map(request.getfixturevalue, ("postgres", "databases"))
    with run_fleet(databases, home, postgres=postgres, **own) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all files, since it takes seconds of processor time to start; each visit is a fresh
    profile. VALERIX_CHROMIUM names another than the one on PATH."""
    found = executable()
    async with async_playwright() as playwright:
        try:
            started = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        except Error as error:
            if found:
                raise
            pytest.skip(f"no Chromium here; install one or set VALERIX_CHROMIUM ({error.name})")
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(
    browser: Browser, fleet: RunningFleet, request: pytest.FixtureRequest
) -> AsyncIterator[Visit]:
    """`await visit("/")` opens a page; whatever the browser complains about fails the test, but for
    requests without an answer where the test is marked `unanswered`."""
    complaints: list[str] = []
    own_doing = _NO_ANSWER if request.node.get_closest_marker("unanswered") else ()

    async def open_page(path: str = "/", **options: Any) -> Page:
        size = {"width": 1440, "height": 900}
        chosen = {"viewport": size, "reduced_motion": "reduce", **options}
        page = await (
            await browser.new_context(base_url=fleet.url("dashboard"), **chosen)
        ).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: _note(message, page.url, own_doing, complaints))
        await page.goto(path)
        return page

    yield open_page
    for context in browser.contexts:
        await context.close()
    assert complaints == []


def _note(message: Any, url: str, own_doing: tuple[str, ...], complaints: list[str]) -> None:
    # A policy violation is an error on the console; so is a page that is an error's, which is the
    # test's own doing.
    is_page = "status of 4" in message.text and message.location.get("url") == url
    is_own = is_page or any(each in message.text for each in own_doing)
    if message.type == "error" and not is_own:
        complaints.append(message.text)
