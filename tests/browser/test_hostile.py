"""Telemetry written to harm, in a real browser: nothing of it runs, and no page breaks."""

import json
import urllib.request

import pytest
from playwright.async_api import expect

from tests.observatory.samples import MS, NOW_NS, json_attributes, json_logs, json_span, json_traces

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]
FLEET_KEYS = ("dashboard",)
TRACE, TWISTED = "ee" * 16, "dd" * 16
ORDER = "0b0e6f5e-1111-4222-8333-944455556666"
# Each would say so on the console, in a dialog, or in the title, if any part of it ran; the rest
# are what breaks tables, terminals and the direction of reading.
EVIL = [
    "<script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "\"><svg onload=alert(1)><a href='javascript:alert(1)'>x</a>",
    "</title></textarea></details></table></svg></body><h1 id=forged>forged</h1>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "javascript:alert(1)//",
    "\x00\x07\x08\x0b\x1b]0;owned\x07\x1b[31m\x7f\x9b\u2028\ufeff",
    "\u202etxt.exe\u2066\u200f",
    "\ud83d\ude08" + "\u0301" * 300,
    "x" * 5000,
]
# One of each template; how the rows of a template were chosen makes no difference to a browser.
PAGES = ("/traces?kind=bitten", f"/traces/{TRACE}", f"/traces/{TWISTED}", f"/logs?trace={TRACE}")


def send(url, path, body):
    request = urllib.request.Request(  # noqa: S310 - our own dashboard
        url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 200


def harmful(number, evil):
    """A span with the text in every place that takes one."""
    everywhere = {
        evil: evil, "http.route": evil, "valerix.order.id": evil, "valerix.gremlin.name": evil,
        "valerix.gremlin.kind": evil, "db.query.text": evil, "http.response.status_code": evil,
    }  # fmt: skip
    attributes = json_attributes(everywhere)
    return json_span(
        traceId=TRACE,
        spanId=f"{number + 1:016x}",
        name=evil,
        attributes=attributes,
        events=[{"timeUnixNano": str(NOW_NS), "name": evil, "attributes": attributes}],
        status={"code": 2, "message": evil},
    )


def twisted():
    """A circle, a missing parent, times from next year and before any clock, two hundred deep."""
    ids = [f"{number:016x}" for number in range(1, 8)]
    year_ns = 365 * 86_400 * 10**9
    yield json_span(traceId=TWISTED, spanId=ids[0], parentSpanId=ids[1], name="circle a")
    yield json_span(traceId=TWISTED, spanId=ids[1], parentSpanId=ids[0], name="circle b")
    yield json_span(traceId=TWISTED, spanId=ids[2], parentSpanId="f" * 16, name="orphan")
    later = {"startTimeUnixNano": str(NOW_NS + year_ns), "endTimeUnixNano": str(NOW_NS - year_ns)}
    yield json_span(traceId=TWISTED, spanId=ids[3], name="next year", **later)
    before = {"startTimeUnixNano": "-5", "endTimeUnixNano": "-9"}
    yield json_span(traceId=TWISTED, spanId=ids[4], name="before time", **before)
    above = ids[5]
    yield json_span(traceId=TWISTED, spanId=above, name="deep 0")
    for number in range(1, 200):
        own = f"{number + 1000:016x}"
        times = {"startTimeUnixNano": str(NOW_NS + number * MS // 100)}
        yield json_span(traceId=TWISTED, spanId=own, parentSpanId=above, name="deep", **times)
        above = own


@pytest.fixture(scope="module", autouse=True)
def telemetry(fleet):
    url = fleet.url("dashboard")
    for number, evil in enumerate(EVIL):
        send(url, "/v1/traces", json_traces(harmful(number, evil), service=evil))
        line = {
            "timeUnixNano": str(NOW_NS),
            "severityNumber": 17,
            "body": {"stringValue": evil},
            "traceId": TRACE,
            "spanId": f"{number + 1:016x}",
            "attributes": json_attributes({evil: evil, "exception": evil, "gremlin": evil}),
        }
        send(url, "/v1/logs", json_logs(line, service=evil))
    send(url, "/v1/traces", json_traces(*twisted()))


# What a page of ours never holds, whatever it was given.
FOREIGN = """() => ({
  elements: [...document.querySelectorAll("img, iframe, object, embed, style, script:not([src])")]
    .map((each) => each.outerHTML),
  handlers: [...document.querySelectorAll("*")]
    .filter((each) => [...each.attributes].some((pair) => /^(on|style$)/.test(pair.name)))
    .map((each) => each.outerHTML.slice(0, 200)),
  links: [...document.querySelectorAll("a[href]")].map((each) => each.href)
    .filter((href) => !href.startsWith(location.origin)),
  forged: document.getElementById("forged") !== null,
  control: /[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\u202a-\\u202e\\u2066-\\u2069]/
    .test(document.body.innerText),
  wide: document.documentElement.scrollWidth - innerWidth,
  main: document.querySelectorAll("main").length,
})"""


@pytest.mark.parametrize(
    "path",
    [PAGES[1], *(pytest.param(PAGES[n], marks=[pytest.mark.long]) for n in (0, 2, 3))],
)
async def test_nothing_runs_and_no_page_breaks(visit, path):
    page = await visit(path)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for summary in (await page.locator("main summary").all())[:4]:
        await summary.click()
    for width in (1440, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.wait_for_timeout(300)
        assert await page.evaluate(FOREIGN) == {
            "elements": [], "handlers": [], "links": [], "forged": False, "control": False,
            "wide": 0, "main": 1,
        }, width  # fmt: skip
    assert "ran" not in await page.title()
    assert dialogs == []


async def test_a_malformed_trace_shows_every_span_and_names_what_is_odd(visit):
    page = await visit(f"/traces/{TWISTED}")
    await expect(page.locator(".spans > li")).to_have_count(205)
    for name, mark in (
        ("circle", "its parents form a circle"),
        ("next year", "its clock was wrong"),
        ("before time", "its clock was wrong"),
    ):
        span = page.locator(".spans > li", has_text=name).first
        await span.locator("summary").click()
        await expect(span).to_contain_text(mark)
    inside = await page.evaluate(
        """() => {
            const room = document.querySelector(".waterfall .grid").getBoundingClientRect();
            return [...document.querySelectorAll(".bar-of")]
                .map((bar) => bar.getBoundingClientRect())
                .every((bar) => bar.left >= room.left - 1 && bar.right <= room.right + 1);
        }"""
    )
    assert inside


async def test_a_trace_that_does_not_exist_is_a_page_that_names_it(visit):
    page = await visit(f"/traces/{'ab' * 16}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not here yet")
    await expect(page.get_by_role("link", name="traces that are here")).to_be_visible()
