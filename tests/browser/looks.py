"""Small things every browser test does, by what a visitor sees."""

import re

from playwright.async_api import Page, expect


async def place_order(page: Page) -> None:
    """Press the button of the order form."""
    await page.get_by_role("button", name="Order", exact=True).click()


async def flip(page: Page, kind: str, service: str) -> None:
    """Press one switch of the board."""
    await page.get_by_role("switch", name=f"{kind} on {service}").click()


async def expect_light(page: Page, service: str, state: str, *, within_s: float) -> None:
    """The light's shape, word and class agree on `state`."""
    light = page.locator(f"#light-{service}")
    await expect(light).to_have_class(re.compile(rf"\bis-{state}\b"), timeout=within_s * 1000)
    await expect(light.locator(":scope > .mark use")).to_have_attribute("href", f"#mark-{state}")


async def calm(page: Page) -> None:
    """Press the button in the bar."""
    await page.get_by_role("button", name="Calm everything").click()
