"""Charts in a real browser: plotted under the policy, clickable, measured."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.looks import HAS_COLOUR, close_drawer, colour_appears, flip, no_gremlin, shoppers
from topology import LIT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
CHARTS = ("rate", "errors", "p99")


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def orders(fleet):
    """Three orders a second from somewhere else; no gremlin afterwards."""
    async with shoppers(fleet, every_s=0.33):
        yield
    no_gremlin(fleet)


async def test_every_chart_is_plotted_with_its_newest_value(visit):
    page = await visit()
    for chart in CHARTS:
        await expect(page.locator(f'[data-chart="{chart}"] canvas')).to_be_visible()
    # The last one drawn: lines of the same height lie on each other.
    await colour_appears(page, "rate", "payment")
    await colour_appears(page, "p99", "order")
    await expect(page.locator('[data-chart="p99"] .values .of-order')).to_have_text(
        re.compile(r"\d+ m?s")
    )
    await expect(page.locator('[data-chart="rate"] .values .of-order')).to_have_text(
        re.compile(r"[1-9]")
    )


async def test_a_chart_is_as_large_as_the_screen_on_a_click_and_back(visit):
    page = await visit()
    chart = page.locator('[data-chart="p99"]')
    await page.get_by_role("button", name="p99").click()
    await expect(chart).to_have_class(re.compile("is-full"))
    box = await chart.bounding_box()
    assert (box["width"], box["height"]) == (1440, 900)
    await page.keyboard.press("Escape")
    await expect(chart).not_to_have_class(re.compile("is-full"))


async def test_a_time_that_is_dragged_is_looked_at_closely_and_goes_along(visit):
    page = await visit()
    chart = page.locator('[data-chart="rate"]')
    over = chart.locator(".u-over")
    await expect(over).to_have_attribute("data-since", re.compile(r"\d"))
    box = await over.bounding_box()
    await page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 30, steps=4)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile(r"/\?since=\d+&until=\d+$"))
    # What was dragged is not clicked as well.
    await expect(chart).not_to_have_class(re.compile("is-full"))
    taken = page.url.partition("?")[2]
    await page.reload()
    await expect(over).to_have_attribute("data-since", taken[6:16])
    for name in ("Charts", "Traces", "Logs"):
        link = page.get_by_role("navigation").get_by_role("link", name=name, exact=True)
        await expect(link).to_have_attribute("href", re.compile(re.escape("?" + taken)))
    await page.get_by_role("button", name="back to the last minutes").click()
    await expect(page).not_to_have_url(re.compile("since"))


async def test_a_dot_leads_to_its_trace(visit):
    page = await visit()
    dot = page.locator('[data-chart="p99"] .dot').last
    await expect(dot).to_have_attribute("href", re.compile(r"^/traces/[0-9a-f]{32}$"))
    address = await dot.get_attribute("href")
    await dot.dispatch_event("click")
    await page.wait_for_url("**" + address)
    # It is kept here: an exemplar that leads nowhere would be worse than none.
    await expect(page.locator(".spans > li").first).to_contain_text("/", timeout=20_000)


@pytest.mark.long
async def test_the_legend_filters(visit):
    page = await visit()
    await colour_appears(page, "rate", "payment")
    await page.get_by_role("button", name="Payments", exact=True).click()
    await expect(page.locator('[data-chart="rate"] .values .of-payment')).to_have_count(0)
    assert not await page.evaluate(HAS_COLOUR, ["rate", "payment"])
    await page.get_by_role("button", name="Payments", exact=True).click()
    await colour_appears(page, "rate", "payment")


@pytest.mark.long
async def test_pointing_at_a_moment_shows_its_values(visit):
    page = await visit()
    values = page.locator('[data-chart="p99"] .values .of-order')
    await expect(values).to_have_text(re.compile(r"\d+ m?s"))
    over = page.locator('[data-chart="p99"] .u-over')
    # Five minutes ago there was no shop: at the left edge nothing is known.
    await over.hover(position={"x": 3, "y": 20}, force=True)
    await expect(values).to_have_text("\u2013")
    box = await over.bounding_box()
    await over.hover(position={"x": box["width"] - 4, "y": 20}, force=True)
    await expect(values).to_have_text(re.compile(r"\d+ m?s"))


@pytest.mark.long
async def test_a_silent_service_is_named_in_its_chart(visit, fleet):
    page = await visit()
    payment = page.locator('[data-chart="p99"] .values .of-payment')
    await expect(payment).to_have_text(re.compile(r"\d+ m?s"))
    fleet.pause("payment")
    try:
        await expect(payment).to_contain_text("no signal since", timeout=20_000)
        await expect(page.locator('[data-chart="p99"] .values .of-order')).not_to_contain_text(
            "no signal"
        )
    finally:
        fleet.resume("payment")
    await expect(payment).not_to_contain_text("no signal", timeout=20_000)


@pytest.mark.long
async def test_one_cursor_runs_through_all_charts(visit):
    page = await visit()
    await colour_appears(page, "p99", "order")
    over = page.locator('[data-chart="p99"] .u-over')
    for _ in range(40):
        # A hand never holds quite still; the page may have moved under it; the charts draw on the
        # browser's next frame.
        box = await over.bounding_box()
        for share in (0.88, 0.9):
            place = {"x": box["width"] * share, "y": box["height"] / 2}
            await over.hover(position=place, force=True)
        await page.wait_for_timeout(100)
        places = {chart: await cursor_share(page, chart) for chart in CHARTS}
        if all(place == pytest.approx(0.9, abs=0.03) for place in places.values()):
            return
    pytest.fail(f"the cursors stand apart: {places}")


async def cursor_share(page, chart: str) -> float:
    """Where a chart's vertical cursor is, as a share of its width."""
    cursor = page.locator(f'[data-chart="{chart}"] .u-cursor-x')
    place = await cursor.evaluate("node => new DOMMatrix(node.style.transform).m41")
    over = await page.locator(f'[data-chart="{chart}"] .u-over').bounding_box()
    return place / over["width"]


async def test_without_scripts_the_numbers_are_a_table(visit):
    page = await visit(java_script_enabled=False)
    await expect(page.locator(".charts")).to_be_hidden()
    table = page.locator(".area-charts table")
    await expect(table.locator("tbody tr")).to_have_count(len(LIT))
    await expect(table).to_contain_text("p99")


# Of the pixels of a gremlin's colour: how many are neither the light ground nor an edge or letter.
TOO_DARK = """(chart) => {
  const canvas = document.querySelector(`[data-chart="${chart}"] canvas`);
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = "var(--gremlin)";
  const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  // Below the lane with the gremlins' names, whose letters have edges of any shade.
  const { width, height } = canvas, under = Math.round(height / 4);
  const { data } = canvas.getContext("2d").getImageData(0, under, width, height - under);
  const counts = { ground: 0, dark: 0 };
  for (let i = 0; i < data.length; i += 4) {
    const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
    if (off > 24) continue;
    if (data[i + 3] > 20 && data[i + 3] < 48) counts.ground += 1;
    if (data[i + 3] > 55 && data[i + 3] < 130) counts.dark += 1;
  }
  return counts;
}"""
# Nothing is on a chart in the moment in which it is plotted anew.
COUNTS = (
    f"(chart) => {{ const counts = ({TOO_DARK})(chart); return counts.ground > 50 && counts; }}"
)


@pytest.mark.long
async def test_several_gremlins_at_once_do_not_hide_the_lines(visit, fleet):
    page = await visit()
    await colour_appears(page, "p99", "order")
    for kind in ("Double delivery", "Late answer", "Slow database"):
        await flip(page, kind, "Payments")
        await expect(page.locator("#panel-bar")).to_contain_text(kind)
    await close_drawer(page)
    # The newest began a moment ago and is a line; wait until there is ground to look at.
    await page.wait_for_function(COUNTS, arg="p99", polling=500)
    await page.wait_for_timeout(2000)
    seen = await page.wait_for_function(COUNTS, arg="p99", polling=100)
    counts = await seen.json_value()
    assert counts["dark"] < counts["ground"] / 10
    assert await page.evaluate(HAS_COLOUR, ["p99", "order"])
    no_gremlin(fleet)
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")
