"""Several windows of one browser, one zone for all times, and a dashboard that was restarted."""

import pytest
from playwright.async_api import expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
# More than a browser has connections for.
MANY = 8


@pytest.mark.long
async def test_many_windows_share_one_stream_and_each_still_loads(visit):
    first = await visit()
    context, streams, most = first.context, set(), 0

    def opened(request) -> None:
        nonlocal most
        if request.url.endswith("/nudges"):
            streams.add(request)
            most = max(most, len(streams))

    # A stream that a busy server cut off is opened again.
    def ended(request) -> None:
        streams.discard(request)

    context.on("request", opened)
    context.on("requestfailed", ended)
    context.on("requestfinished", ended)
    pages = [await context.new_page() for _ in range(MANY)]
    for page in pages:
        await page.goto("/gremlins", wait_until="domcontentloaded")
        await expect(page.locator("#panel-board")).to_be_visible()
    await first.wait_for_function(
        """async (waiting) => {
            const { held, pending } = await navigator.locks.query();
            return held.length === 1 && pending.length === waiting;
        }""",
        arg=MANY,
    )
    assert most <= 1


@pytest.mark.long
async def test_a_window_that_closes_leaves_the_stream_to_another(visit):
    first = await visit()
    second = await first.context.new_page()
    await second.goto("/gremlins")
    async with second.expect_event("request", lambda request: request.url.endswith("/nudges")):
        await first.close()


async def test_all_times_are_in_one_zone_that_is_named_and_remembered(visit):
    page = await visit(timezone_id="Asia/Tokyo")
    await expect(page.get_by_role("button", name="UTC")).to_be_visible()
    await page.get_by_role("button", name="UTC").click()
    await expect(page.get_by_role("button", name="JST")).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.zone") == "Asia/Tokyo"
    await page.goto("/timeline")
    await expect(page.get_by_role("button", name="JST")).to_be_visible()
    await page.get_by_role("button", name="JST").click()
    await expect(page.get_by_role("button", name="UTC")).to_be_visible()


async def test_an_open_order_form_takes_the_token_of_a_dashboard_that_was_restarted(visit):
    page = await visit()
    token = page.locator('.order-form input[name="csrf"]')
    good = await token.input_value()
    await token.evaluate("node => node.setAttribute('value', 'of the process before')")
    await expect(token).to_have_value(good)
