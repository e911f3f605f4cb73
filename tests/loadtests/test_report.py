"""The report stands alone: whole, escaped, without a single reference but the traces' links."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.async_api import Browser

from loadtests.comparison import Comparison
from loadtests.measures import Measures
from loadtests.report import write
from loadtests.report.bands import FaultBand, add_bands
from loadtests.report.page import page
from loadtests.report.plot import CHARACTER, NARROW, WIDE, Frame, Size
from tests.browser.conftest import browser as browser
from tests.loadtests.arranged import NASTY, TRACE, judged, plan_of, proof_of, ran_of

VOID = {"meta", "link", "br", "hr", "img", "input"}
RUNS = {
    "load with gremlins": lambda: judged(),
    "stress": lambda: judged(plan_of("stress", scale=0.2), windows=()),
    "open loop": lambda: judged(plan_of("spike", scale=0.1, rate=50.0)),
    "nothing measured": lambda: judged(measures=Measures(), windows=()),
    "no database": lambda: judged(proof=None, clients=Comparison(unjudged=f"no {NASTY}")),
    "broken, with contradictions": lambda: judged(
        proof=proof_of("violated"),
        clients=Comparison(orders=9, contradictions=1, examples=[NASTY], keyless=2),
    ),
    "stopped": lambda: judged(ran=ran_of(plan_of(scale=0.1), complete=False)),
}


class Balanced(HTMLParser):
    """Demands that every element is closed where it should be, and ids are unique."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.references += [given[name] for name in ("href", "src", "data") if given.get(name)]
        self.scripts += tag == "script" or any(name.startswith("on") for name in given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.mark.parametrize("name", RUNS)
def test_the_page_is_whole_and_refers_to_nothing_outside(name: str):
    html = page(RUNS[name]())
    parsed = Balanced()
    parsed.feed(html)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.scripts == 0
    assert NASTY not in html
    outside = [link for link in parsed.references if not link.startswith(("#", "data:"))]
    assert all(link.startswith("http://127.0.0.1:8080/traces/") for link in outside)
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) == set(outside)
    assert not re.search(r"@import|url\(", html)


def test_the_page_has_what_was_found():
    html = page(judged())
    for text in ("slow-shelf on inventory", f"/traces/{TRACE}", f"/traces/{'f' * 32}",
                 "no answer named it", "p95", "Every unit is on the shelf", "seed"):  # fmt: skip
        assert text in html, text
    assert 'name="description" content="' in html
    assert "og:title" in html


def test_a_stress_report_draws_its_knee():
    assert "knee: 40 shoppers" in page(RUNS["stress"]())
    assert "knee:" not in page(judged())


def test_a_report_names_no_path_and_no_host():
    html = page(judged())
    assert str(Path.home()) not in html
    assert str(Path(__file__).parents[2]) not in html


@pytest.mark.parametrize("name", RUNS)
def test_the_json_and_junit_reports_agree_with_the_verdict(name: str, tmp_path: Path):
    judgement = RUNS[name]()
    write(tmp_path, judgement)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["exit_code"] == judgement.verdict.exit_code
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - written by us
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests") or 0) == len(document["parts"])
    assert len(suite.findall(".//failure")) == int(suite.get("failures") or 0)
    kept = [part["name"] for part in document["parts"] if part["answer"] == "kept"]
    assert [case.get("name") for case in cases if not len(case)] == kept


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(1440, "light", marks=[pytest.mark.long]),
        pytest.param(1440, "dark", marks=[pytest.mark.long]),
        (390, "dark"),
    ],
)
async def test_a_browser_opens_it_from_a_folder_without_a_complaint(
    browser: Browser, tmp_path: Path, width: int, scheme: str
):
    write(tmp_path, RUNS["stress"]())
    complaints: list[str] = []
    requests: list[str] = []
    size = {"width": width, "height": 900}
    context = await browser.new_context(viewport=size, color_scheme=scheme)
    opened = await context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    await opened.goto((tmp_path / "report.html").as_uri())
    wide = await opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    charts = await opened.locator("svg[role=img]:visible").count()
    await context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert wide, "the page scrolls sideways"
    assert charts == 4


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_names_of_two_gremlins_do_not_overlap(size: Size):
    frame, names = Frame(size, 60.0), ("sleepy", "grumpy", "happy", "dopey", "sneezy", "bashful")
    add_bands(frame, [FaultBand(n, name, "order", "error", 20.0 + n, 50.0, False)
                 for n, name in enumerate(names, 1)])  # fmt: skip
    texts = re.findall(r'<text[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</', frame.svg("x", "x"))
    places = [(float(y), float(x), float(x) + CHARACTER * len(text)) for x, y, text in texts]
    assert len(places) == len(names)
    for (row, _, end), (next_row, begins, _) in itertools.pairwise(sorted(places)):
        assert row != next_row or end <= begins
