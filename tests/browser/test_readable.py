"""Every page can be read on every width while its sources are away."""

import pytest

from frontend.gremlins import presenter as gremlins
from frontend.overview import presenter as overview
from frontend.overview.map_presenter import Readings, service_map
from frontend.web.panels import Panel
from frontend.web.templating import TEMPLATES
from observatory.sources.down import Down
from observatory.sources.health import Health
from tests.browser.widths import crowded
from tests.frontend.samples import NOW, show
from tests.tidy.files import complain
from topology import NAMES

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
# As long as a reason gets, and what a service in trouble is called.
AWAY = Down("The database cannot be reached", NOW, "Everything else on this page goes on.")
TROUBLE = tuple(Health(key, problem="no answer") for key in NAMES)


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
        offences += await crowded(page, path)
    assert {*views, "bar", "figures", "products", "orders", "proof", "traces", "logs"} <= seen
    complain(offences, "what does not fit while a source is away")
