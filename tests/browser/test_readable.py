"""Every page can be read: in both schemes, on every width, with nothing pushed out of sight."""

import pytest

from frontend.gremlins import presenter as gremlins
from frontend.overview import presenter as overview
from frontend.overview.map_presenter import Readings, service_map
from frontend.web.panels import Panel
from frontend.web.templating import TEMPLATES
from observatory.sources.down import Down
from observatory.sources.health import Health
from tests.browser.contrasts import SCHEMES, faint
from tests.browser.looks import confirmed_order
from tests.frontend.samples import NOW, show
from tests.tidy.files import complain
from topology import NAMES

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
WIDTHS = (1440, 1280, 768, 390)

# As long as a reason gets, and what a service in trouble is called.
AWAY = Down("The database cannot be reached", NOW, "Everything else on this page goes on.")
TROUBLE = tuple(Health(key, problem="no answer") for key in NAMES)

# Two words, or a word and a mark, that stand over each other; of each what can be seen of it.
OVERPRINTED = """() => {
  const boxes = [], found = new Set();
  const add = (node, rect, text) => {
    const height = rect.bottom - rect.top;
    const box = { node, text, left: rect.left, right: rect.right,
                  top: rect.top + height / 5, bottom: rect.bottom - height / 5 };
    for (let each = node; each && each !== document.body; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.position === "fixed") return;
      if (style.overflow === "visible") continue;
      const edge = each.getBoundingClientRect();
      box.left = Math.max(box.left, edge.left);
      box.right = Math.min(box.right, edge.right);
      box.top = Math.max(box.top, edge.top);
      box.bottom = Math.min(box.bottom, edge.bottom);
    }
    if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push(box);
  };
  const hidden = ".unseen, .skip, script, title, option";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest(hidden)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const rect of range.getClientRects()) add(node, rect, text.data.trim().slice(0, 30));
  }
  for (const mark of document.querySelectorAll("svg.mark")) {
    if (mark.checkVisibility()) add(mark, mark.getBoundingClientRect(), "a mark");
  }
  boxes.sort((a, b) => a.top - b.top);
  boxes.forEach((a, at) => {
    for (const b of boxes.slice(at + 1)) {
      if (b.top > a.bottom - 2) break;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (wide > 2 && a.node !== b.node) found.add(`${a.text} and ${b.text}`);
    }
  });
  return [...found];
}"""


@pytest.mark.parametrize(
    "looks",
    [
        # Colours are those of every page in test_accessible.py.
        pytest.param({1440: (), 390: ()}, id="some"),
        pytest.param(dict.fromkeys(WIDTHS, SCHEMES), id="all", marks=pytest.mark.long),
    ],
)
async def test_every_word_can_be_read_and_no_page_scrolls_sideways(visit, looks):
    page = await visit()
    toast = await confirmed_order(page)
    trace = await toast.locator("a[href^='/traces/']").get_attribute("href")
    order = await toast.locator("a[href^='/orders/']").get_attribute("href")
    missing = f"/traces/{'ab' * 16}"
    about = await page.request.get(f"/api/payments?search={order.rpartition('/')[2]}")
    payment = f"/payments/{(await about.json())['payments'][0]['payment_id']}"
    money = ("/payments", payment, "/providers", "/policies", "/wallets", "/wallets/alice")
    pages = (
        "/",
        "/processes/order",
        "/gremlins",
        "/traces",
        trace,
        order,
        missing,
        "/logs",
        "/events",
        "/events/audit",
        "/timeline",
        "/reports",
        "/acts",
    )
    offences = []
    for path in (*pages, *money):
        await page.goto(path)
        for width, schemes in looks.items():
            await page.set_viewport_size({"width": width, "height": 844})
            await page.wait_for_timeout(150)
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                offences.append(f"{path} is wider than {width}")
            over = await page.evaluate(OVERPRINTED)
            offences += [f"{path}, {width}: over each other: {each}" for each in over]
            offences += await faint(page, f"{path}, {width}", schemes)
    complain(offences, "what somebody cannot read")


@pytest.mark.long
@pytest.mark.parametrize("health", [AWAY, TROUBLE], ids=["unknown", "trouble"])
async def test_no_page_scrolls_sideways_while_its_sources_are_away(visit, health):
    views = {
        "health": overview.health(health),
        "lights": overview.lights(lambda _: AWAY, AWAY, NOW),
        "map": service_map(
            Readings(lambda _: AWAY, lambda _: None, lambda _: {}, None, AWAY, health, AWAY), NOW
        ),
        "board": gremlins.board(AWAY, NOW),
    }
    # Without scripts nothing fetches the panels anew.
    page = await visit(java_script_enabled=False)
    offences, seen = [], set()
    for path in ("/", "/gremlins", "/events", "/traces", "/logs", "/timeline", "/acts"):
        await page.goto(path)
        for panel in await page.locator("[id^=panel-]").all():
            name = (await panel.get_attribute("id")).removeprefix("panel-")
            (template,) = TEMPLATES.glob(f"*/{name}.html")
            if "is_down" in template.read_text() or name in views:
                away = Panel(f"{template.parent.name}/{name}.html", (), lambda _: AWAY)
                html = show(name, views[name]) if name in views else show(away)
                await panel.evaluate("(node, html) => { node.outerHTML = html }", html)
                seen.add(name)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 844})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                offences.append(f"{path} is {wide} wide on {width}")
            over = await page.evaluate(OVERPRINTED)
            offences += [f"{path}, {width}: over each other: {each}" for each in over]
    assert {*views, "bar", "figures", "products", "orders", "proof", "traces", "logs"} <= seen
    complain(offences, "what does not fit while a source is away")
