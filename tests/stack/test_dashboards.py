"""The dashboards are what their definitions render, valid by Grafana's own types, and readable."""

import json
import re
from collections.abc import Iterator

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.__main__ import files
from grafana.palette import COLOURS, GREMLIN, SERVICES
from prometheus.__main__ import rules_files
from tests.stack.promql import DASHBOARDS, DATASOURCES, metric_names, panels
from topology import NAMES

NAMED = ["live_demo", "load", "orders", "service", "slo"]
UIDS = {whole["uid"] for whole in DASHBOARDS.values()}
ALL = [(name, panel) for name in DASHBOARDS for panel in panels(name)]
IDS = [f"{name}/{panel['title']}" for name, panel in ALL]
each_panel = pytest.mark.parametrize(("name", "panel"), ALL, ids=IDS)
each_dashboard = pytest.mark.parametrize("name", NAMED)

# Where a dot on a chart must open a trace.
WITH_EXEMPLARS = {
    *(f"live_demo/{name}: response time" for name in NAMES.values()),
    "service/Response time, every request",
    "service/Response time, quantiles",
    "load/Response time of POST /orders",
}


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


# ---- the files ----------------------------------------------------------------------------------


def test_there_are_these_five():
    assert sorted(DASHBOARDS) == NAMED


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_dashboard_is_what_its_definition_renders(path):
    assert path.read_text(encoding="utf-8") == files()[path], "run python -m grafana"


@each_dashboard
def test_grafanas_own_types_know_every_field(name: str):
    """What the types do not know they leave out: nothing may be lost on the way through them."""
    through = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[name]), cls=JSONEncoder))
    for link in through["links"]:
        # On their way they are given the default, which tucks them away into a menu.
        assert link.pop("placement") == "inControlsMenu"
    assert through == DASHBOARDS[name]


@each_dashboard
def test_its_address_holds_and_nobody_edits_it(name: str):
    whole = DASHBOARDS[name]
    assert whole["uid"] == f"valerix-{name.replace('_', '-')}"
    assert whole["editable"] is False
    assert whole["refresh"] == "5s"
    assert whole["time"] == {"from": "now-15m", "to": "now"}
    # Numbers that one database gave: they are another thing in the next one.
    assert not {"id", "orgId", "folderId", "version", "iteration"} & set(whole)
    numbers = [panel["id"] for panel in whole["panels"]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_live_demo_fits_on_one_screen():
    assert len(panels("live_demo")) <= 9 + len(NAMES), "one panel per service and nine others"


@each_dashboard
def test_the_panels_fill_the_grid_without_overlap(name: str):
    taken: set[tuple[int, int]] = set()
    for panel in panels(name):
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    rows = max(y for _, y in taken) + 1
    assert len(taken) == 24 * rows, "a row is not filled to its end"


@each_dashboard
def test_gremlins_are_marked_on_every_chart_in_violet(name: str):
    windows, words = DASHBOARDS[name]["annotations"]["list"]
    assert windows["datasource"]["uid"] == "prometheus"
    assert metric_names(windows["target"]["expr"]) == {"valerix_gremlin_active"}
    assert words["datasource"]["uid"] == "loki"
    for annotation in (windows, words):
        assert annotation["enable"]
        assert annotation["iconColor"] == GREMLIN
        assert "filter" not in annotation, "it must show on every panel"


# ---- the panels ---------------------------------------------------------------------------------


@each_panel
def test_a_panel_says_what_it_means_in_which_unit_from_which_source(name: str, panel: dict):
    assert panel["title"]
    assert panel["description"].endswith(".")
    kind = panel["datasource"]["type"]
    assert panel["datasource"] == {"type": kind, "uid": kind}
    assert kind in DATASOURCES
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
    if kind == "prometheus":
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"]


@each_panel
def test_a_line_has_a_name_and_never_an_id(name: str, panel: dict):
    if panel["datasource"]["type"] != "prometheus":
        return
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        legend = target.get("legendFormat", "")
        assert legend or target.get("format") == "table"
        assert not re.search(r"instance|pod|trace_id|order_id|__name__|\bjob\b", legend)
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]
        assert panel["options"]["legend"]["calcs"] == ["lastNotNull"]


@each_panel
def test_colours_come_from_the_palette_only(name: str, panel: dict):
    used = {text for text in strings(panel) if re.fullmatch(r"#[0-9a-fA-F]{3,8}", text)}
    assert used <= COLOURS
    named = {"red", "green", "yellow", "orange", "blue", "purple", "dark-red", "semi-dark-green"}
    assert not named & set(strings(panel.get("fieldConfig")))


@each_panel
def test_violet_is_for_gremlins_only(name: str, panel: dict):
    assert GREMLIN not in set(strings(panel)) or panel["title"] == "Gremlins"


@each_panel
def test_a_service_has_its_own_hue_everywhere(name: str, panel: dict):
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        service = override["matcher"]["options"]
        if service in SERVICES:
            (colour,) = [p["value"] for p in override["properties"] if p["id"] == "color"]
            assert colour["fixedColor"] == SERVICES[service]


def test_every_service_of_the_shop_has_a_hue():
    assert set(NAMES.values()) <= set(SERVICES)


def test_exemplars_are_where_they_were_promised():
    found = {
        f"{name}/{panel['title']}"
        for name, panel in ALL
        if any(target.get("exemplar") for target in panel["targets"])
    }
    assert found == WITH_EXEMPLARS


@each_panel
def test_a_state_is_told_by_a_word_as_well_as_by_colour(name: str, panel: dict):
    if panel["type"] != "stat" or panel["title"] == "Objective":
        return
    said = json.dumps(panel, ensure_ascii=False)
    assert re.search("[●■○]", said), "a shape and a word beside the colour"


@each_panel
def test_a_link_leads_to_a_dashboard_there_is(name: str, panel: dict):
    for text in strings(panel):
        for uid in re.findall(r"/d/([\w-]+)", text):
            assert uid in UIDS


def test_an_alerts_link_leads_to_a_dashboard_there_is():
    for text in rules_files().values():
        for uid in re.findall(r"/d/([\w-]+)", text):
            assert uid in UIDS
