"""From an order to its trace to its line of log, from a red light to the gremlin behind it."""

import asyncio
import re
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.looks import confirmed_order, flip, no_gremlin, place_order

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
# The services send once a second, and a test machine is slow.
SOON = 20_000


async def test_an_order_s_toast_leads_to_its_trace_and_on_to_its_log_line(visit):
    page = await visit()
    await (await confirmed_order(page)).locator("a[href^='/traces/']").click()
    # It may be a moment early: the page waits by itself.
    first = page.locator(".spans > li").first
    await expect(first.locator("summary")).to_contain_text("POST /orders", timeout=SOON)
    await expect(page.locator(".spans")).to_contain_text("order CONFIRMED", timeout=SOON)
    for service in ("Orders", "Inventory", "Payments"):
        await expect(page.locator(".legend")).to_contain_text(service)
    line = page.locator(".spans .lines li", has_text="order CONFIRMED").first
    await line.locator("a.at").click()
    found = page.locator(".tail-lines > li:target")
    await expect(found).to_contain_text("order CONFIRMED")
    await found.locator("a.to").click()
    await expect(page.locator(".span:target summary")).to_be_visible()
    await page.get_by_role("link", name=re.compile("^Order ")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Confirmed")


async def test_a_bitten_process_leads_to_the_trace_that_names_the_gremlin(visit, fleet):
    page = await visit()
    await flip(page, "Slow request", "Inventory")
    # An order that overtakes the switch would not be bitten.
    await expect(page.locator("#panel-bar")).to_contain_text("Slow request", timeout=SOON)
    await place_order(page)
    processed = page.locator(".toast strong", has_text="Order is being processed")
    await expect(processed.first).to_be_visible(timeout=SOON)
    await page.get_by_role("link", name="Failed traces").click()
    row = page.locator(".trace-rows > li.is-bitten").first
    await expect(row).to_contain_text("latency", timeout=SOON)
    await row.locator("a.root").click()
    bitten = page.locator(".span.is-bitten").first
    await expect(bitten.locator("summary")).to_contain_text("latency")
    violet = await page.evaluate(
        """() => {
            const bar = getComputedStyle(document.querySelector(".span.is-bitten .bar-of")).fill;
            const word = getComputedStyle(document.querySelector(".span.is-bitten .bite")).color;
            return [bar, word];
        }"""
    )
    assert violet[0] == violet[1] != "rgb(0, 0, 0)"
    await expect(page.locator(".failed-span > .error").first).to_have_text("timeout")
    no_gremlin(fleet)


@pytest.mark.long
async def test_up_and_down_move_between_spans_and_enter_opens_one(visit):
    page = await visit()
    await place_order(page)
    await page.locator(".toast a[href^='/traces/']").click()
    spans = page.locator(".spans > li > details > summary")
    await expect(spans.nth(3)).to_be_visible(timeout=SOON)
    # One that arrives later may begin between two others and take the second place.
    known = 0
    while (found := await spans.count()) != known:
        known = found
        await page.wait_for_timeout(3000)
    await spans.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(spans.nth(1)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await expect(spans.first).to_be_focused()
    await page.keyboard.press("Enter")
    attributes = page.locator(".spans > li").first.locator(".pairs").first
    await expect(attributes).to_contain_text("http.route")
    await page.wait_for_timeout(1500)
    await expect(attributes).to_be_visible()


async def test_an_order_that_was_bitten_has_its_faults_on_its_axis(visit, fleet):
    page = await visit()
    await flip(page, "Lost answer", "Payments")
    await expect(page.locator("#panel-bar")).to_contain_text("Lost answer", timeout=SOON)
    processed = page.locator(".toast", has_text="Order is being processed").first
    for _ in range(5):
        async with page.expect_response("**/actions/order"):
            await place_order(page)
        # Every process agrees within a second; an order that overtakes the switch is not bitten.
        await page.wait_for_timeout(1000)
        if await processed.count():
            break
    order = await processed.locator("a[href^='/orders/']").get_attribute("href")
    no_gremlin(fleet)
    await page.goto(order)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Confirmed", timeout=SOON)
    lanes = page.locator(".life-lanes > li")
    for label in ("State", "Stock", "Money", "Faults met"):
        lane = lanes.filter(has=page.get_by_text(label, exact=True))
        await expect(lane).to_be_visible(timeout=SOON)
    await expect(lanes.filter(has_text="Faults met")).to_contain_text("lost_response")
    reconciled = page.locator(".trace-rows > li", has_text="reconcile order").first
    await expect(reconciled).to_be_visible(timeout=SOON)
    # One axis: the state's bar begins where the first request's does, the repair's lies later.
    places = await page.evaluate(
        """() => {
            const left = (selector) => document.querySelector(selector).getBoundingClientRect().x;
            const rows = [...document.querySelectorAll(".trace-rows > li")];
            const later = rows.find((row) => row.textContent.includes("reconcile order"));
            return {
                state: left(".life-lanes .pieces rect"),
                first: left(".trace-rows .length rect"),
                later: later.querySelector("rect").getBoundingClientRect().x,
                lanes: left(".life-lanes .pieces"), traces: left(".trace-rows .length"),
            };
        }"""
    )
    assert places["lanes"] == pytest.approx(places["traces"], abs=1)
    assert places["state"] == pytest.approx(places["first"], abs=30)
    assert places["later"] > places["first"]


@pytest.mark.long
async def test_everything_can_be_read_without_javascript(visit):
    page = await visit(java_script_enabled=False)
    await place_order(page)
    await page.locator("a[href^='/traces/']").first.click()
    for _ in range(20):  # nothing on it comes by itself
        if await page.locator(".spans > li", has_text="POST /orders").count():
            break
        await page.wait_for_timeout(1000)
        await page.reload()
    await expect(page.locator(".spans > li").first).to_contain_text("POST /orders")
    await page.locator(".spans summary").first.click()
    await expect(page.locator(".pairs").first).to_contain_text("http.route")
    await page.get_by_role("link", name="Logs", exact=True).click()
    await expect(page.locator(".tail-lines > li").first).to_be_visible()
    await page.get_by_label("Text").fill("order confirmed")
    await page.get_by_role("button", name="Filter").click()
    for line in await page.locator(".tail-lines > li").all():
        await expect(line).to_contain_text("order CONFIRMED")


@pytest.mark.long
async def test_the_tail_is_live_and_pauses_while_somebody_reads(visit, fleet):
    page = await visit("/logs")
    lines = page.locator(".tail-lines > li")
    fleet.ask("GET", "order", "/orders/nothing")
    await expect(lines.first).to_be_visible(timeout=SOON)
    await page.wait_for_timeout(2500)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#panel-logs")).to_have_class(re.compile("is-held"))
    newest = await lines.first.get_attribute("id")
    fleet.ask("GET", "order", "/orders/nothing")
    await page.wait_for_timeout(3500)
    assert await lines.first.get_attribute("id") == newest
    await page.get_by_role("button", name="Resume").click()
    await expect(lines.first).not_to_have_attribute("id", newest, timeout=SOON)
    await lines.first.locator("a.to").focus()
    await expect(page.locator("#panel-logs")).to_have_class(re.compile("is-held"))


async def test_an_answer_on_its_way_does_not_move_a_paused_list(visit, fleet):
    page = await visit("/logs")
    trace_id = uuid4().hex
    line = page.locator(f".tail-lines > li a[href^='/traces/{trace_id}']").first
    on_its_way, paused = asyncio.Event(), asyncio.Event()

    async def late(route):
        answer = await route.fetch()
        if trace_id in await answer.text():
            on_its_way.set()
            await paused.wait()
        await route.fulfill(response=answer)

    await page.route("**/panels/logs*", late)
    parent = {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    await page.request.get(fleet.url("order") + "/orders/nothing", headers=parent)
    await asyncio.wait_for(on_its_way.wait(), SOON / 1000)
    await page.get_by_role("button", name="Pause").click()
    async with page.expect_response("**/panels/logs*") as answered:
        paused.set()
    await (await answered.value).finished()
    await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    await expect(line).to_have_count(0)
    await page.get_by_role("button", name="Resume").click()
    await expect(line).to_be_visible(timeout=SOON)
    await page.unroute_all(behavior="ignoreErrors")


async def test_a_filter_applies_at_once_and_the_address_is_clean_and_shared(visit):
    page = await visit("/traces")
    await place_order(await visit())
    await expect(page.locator(".trace-rows > li").first).to_be_visible(timeout=SOON)
    await page.reload()  # the choices are those of the traces that were here
    await page.locator("select[name=service]").select_option("inventory-service")
    await expect(page).to_have_url(re.compile(r"/traces\?service=inventory-service$"))
    await page.locator("select[name=since]").select_option("1h")
    await page.get_by_label("Attribute").fill("http.route=/orders")
    await expect(page).to_have_url(re.compile(r"since=1h&service=inventory-service&attribute="))
    await expect(page.locator(".trace-rows > li").first).to_be_visible(timeout=SOON)
    await page.get_by_role("link", name="Logs", exact=True).click()
    await expect(page).to_have_url(re.compile(r"/logs\?since=1h$"))
    await page.go_back()
    await expect(page.get_by_label("Attribute")).to_have_value("http.route=/orders")


async def test_a_late_answer_to_an_earlier_filter_is_not_shown(visit, fleet):
    page = await visit("/traces")
    fleet.ask("GET", "order", "/orders/nothing")
    await expect(page.locator(".trace-rows > li").first).to_be_visible(timeout=SOON)
    is_held, chosen = asyncio.Event(), asyncio.Event()

    async def late(route):
        answer = await route.fetch()
        is_held.set()
        await chosen.wait()
        await route.fulfill(response=answer)

    # What the list asks for by itself, before it is filtered.
    await page.route(re.compile(r"/panels/traces(\?(?!.*attribute).*)?$"), late)
    fleet.ask("GET", "order", "/orders/nothing")
    await asyncio.wait_for(is_held.wait(), SOON / 1000)
    await page.get_by_label("Attribute").fill("http.route=/nowhere")
    await page.get_by_label("Attribute").press("Enter")
    await expect(page).to_have_url(re.compile("attribute="))
    await expect(page.locator(".trace-rows > li")).to_have_count(0)
    async with page.expect_response(re.compile("/panels/traces")) as answered:
        chosen.set()
    await (await answered.value).finished()
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    await expect(page.locator(".trace-rows > li")).to_have_count(0)
    await page.unroute_all(behavior="ignoreErrors")


async def test_the_last_of_three_quick_choices_counts(visit):
    page = await visit("/logs")
    await page.evaluate(
        """() => {
          const chosen = { service: "order-service", since: "1h", level: "INFO" };
          for (const [name, value] of Object.entries(chosen)) {
            const field = document.querySelector(`form.filters [name=${name}]`);
            field.value = value;
            field.dispatchEvent(new Event("change", { bubbles: true }));
          }
        }"""
    )
    await expect(page).to_have_url(
        re.compile(r"service=order-service.*level=INFO|level=INFO.*service=")
    )


async def test_a_time_that_is_dragged_over_a_chart_is_in_the_address(visit):
    page = await visit("/charts")
    chart = page.locator("svg.cells").first
    box = await chart.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60, steps=4)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile(r"/charts\?since=\d+&until=\d+$"))
    taken = page.url.partition("?")[2]
    await page.get_by_role("link", name="Traces", exact=True).first.click()
    await expect(page).to_have_url(re.compile(r"/traces\?" + taken + "$"))
