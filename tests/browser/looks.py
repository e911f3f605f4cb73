"""Small things every browser test does, by what a visitor sees; and the others in the shop."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import aiohttp
from playwright.async_api import Locator, Page, expect

from tests.harness.running import RunningFleet

# Whether anything of a colour is on a chart, by the custom property's name.
HAS_COLOUR = """([chart, name]) => {
  const canvas = document.querySelector(`[data-chart="${chart}"] canvas`);
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) {
    const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
    // A thin line between two rows of pixels is half of one in each.
    if (data[i + 3] > 90 && off < 60) return true;
  }
  return false;
}"""


async def place_order(page: Page) -> None:
    """Press the button of the order form."""
    await page.get_by_role("button", name="Order", exact=True).click()


async def confirmed_order(page: Page) -> Locator:
    """Order until an answer says that it is confirmed: the toast that says so. On a busy machine
    one may be answered before it is decided."""
    toast = page.locator(".toast", has_text="Order confirmed").first
    for _ in range(5):
        async with page.expect_response("**/actions/order"):
            await place_order(page)
        with contextlib.suppress(AssertionError):
            await expect(toast).to_be_visible(timeout=2000)
            return toast
    raise AssertionError(await page.locator("#toasts").inner_text())


async def flip(page: Page, kind: str, service: str) -> None:
    """Press one switch of a process: behind its node on the map, or in the list of all."""
    switch = page.get_by_role("switch", name=f"{kind} on {service}")
    if not await switch.count():
        folded = page.locator(".process-faults > summary", has_text=service)
        await (folded if await folded.count() else node(page, service)).click()
    await switch.click()


async def close_drawer(page: Page) -> None:
    """What stands behind the drawer is seen again."""
    await page.locator('[data-do="close-drawer"]').click()
    await expect(page.locator("#drawer")).to_be_hidden()


def node(page: Page, label: str) -> Locator:
    """A process on the map, by what it is called."""
    return page.locator(".node a", has_text=label)


async def expect_light(page: Page, service: str, state: str, *, within_s: float) -> None:
    """The shape, the word and the class of a process agree on `state`."""
    light = page.locator(f"#node-{service}")
    await expect(light).to_have_class(re.compile(rf"\bis-{state}\b"), timeout=within_s * 1000)
    await expect(light.locator(".name .mark use")).to_have_attribute("href", f"#mark-{state}")


async def colour_appears(page: Page, chart: str, name: str, *, within_s: float = 45) -> None:
    """Wait until something of that colour is drawn; to look costs reading the whole picture."""
    await page.wait_for_function(
        HAS_COLOUR, arg=[chart, name], timeout=within_s * 1000, polling=500
    )


async def calm(page: Page) -> None:
    """Press the button in the bar."""
    await page.get_by_role("button", name="Calm everything").click()


@contextlib.asynccontextmanager
async def shoppers(fleet: RunningFleet, *, every_s: float) -> AsyncIterator[None]:
    """One order every so many seconds from somewhere else, whatever becomes of the one before."""
    order = {"product_id": "PROD-001", "quantity": 1}

    async def place(shop: aiohttp.ClientSession) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            async with shop.post("/orders", json=order):
                pass

    async def keep_placing() -> None:
        async with aiohttp.ClientSession(fleet.url("order")) as shop, asyncio.TaskGroup() as orders:
            while True:
                orders.create_task(place(shop))
                await asyncio.sleep(every_s)

    running = asyncio.create_task(keep_placing())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def no_gremlin(fleet: RunningFleet) -> None:
    """Call every gremlin off, as an operator elsewhere would."""
    for key in ("order", "inventory", "payment"):
        fleet.ask("DELETE", key, "/gremlins")
