"""A process is killed from the map, comes back, and the audit log says for whom."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive
from tests.harness.chromium import FLAGS, PATIENCE_MS, executable

# A process needs seconds to start, on a busy machine many.
_BACK_MS = 120_000


@pytest.fixture
def page(open_shop: UpShop) -> Iterator[Page]:
    if (found := executable()) is None:
        pytest.skip("no Chromium here; install one or set VALERIX_CHROMIUM")
    running = open_shop.home.running()
    assert running is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page(base_url=running.urls["dashboard"])
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


@pytest.mark.long  # the kill, the audit log and the map are each tried elsewhere
@needs_embedded
@pytest.mark.timeout(400)
def test_a_process_killed_on_the_map_is_missed_and_comes_back_and_is_in_the_audit_log(
    open_shop: UpShop, page: Page
):
    killed = open_shop.named("inventory")
    page.goto("/login")
    page.fill('[name="user"]', "operator")
    page.fill('[name="password"]', "demo-password")
    page.get_by_role("button", name="Log in").click()
    is_well = page.locator('.health .dots i[title^="Inventory: "]')
    expect(is_well).to_have_count(1, timeout=_BACK_MS)
    page.locator("#node-inventory a").click()
    page.locator("summary", has_text="Kill…").click()
    outage = page.locator("details[open]", has_text="Kill Inventory now")
    outage.locator("select").select_option("5")
    outage.get_by_role("button", name="Kill Inventory now").click()
    expect(page.locator("#toasts")).to_contain_text("Inventory was killed", timeout=PATIENCE_MS)
    assert alive([killed]) == []
    # The map and the dots are two panels, and come one after the other.
    expect(is_well).to_have_count(0, timeout=_BACK_MS)
    expect(page.locator("#node-inventory.is-failed")).to_have_count(1, timeout=_BACK_MS)
    expect(is_well).to_have_count(1, timeout=_BACK_MS)
    assert open_shop.named("inventory").pid != killed.pid
    page.goto("/gremlins")
    back, asked = page.locator(".audit-log tbody tr").all()[:2]
    expect(asked).to_contain_text("killedProcessinventory-serviceoperatoraway for 5 s")
    expect(back).to_contain_text("is backProcessinventory-serviceoperatorafter")
