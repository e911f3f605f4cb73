"""Reports in the browser: a contract that breaks is on the page, and in a report written there."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_corrupt_answer_shows_as_a_broken_contract_and_in_the_report(visit, fleet):
    page = await visit("/reports")
    await page.request.put(
        f"{fleet.url('inventory')}/gremlins/liar",
        data={"kind": "corrupt", "routes": ["GET /inventory"], "ttl_s": 60},
    )
    contracts = page.locator("#panel-contracts")
    # Half of the wrong answers break their contract.
    for _ in range(20):
        await page.request.get(f"{fleet.url('inventory')}/inventory")
    await expect(contracts).to_contain_text("StockList", timeout=15_000)
    await page.request.delete(f"{fleet.url('inventory')}/gremlins/liar")
    await page.get_by_role("button", name="Write one now").click()
    await expect(page.locator(".report")).to_contain_text("StockList")
    await expect(page.locator(".report")).to_contain_text("corrupt")
