"""The dashboards are rendered from their definitions, valid for Grafana's types, and readable."""

import json
import re
from collections.abc import Callable, Iterator

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.__main__ import files
from grafana.palette import COLOURS, GREMLIN, SERVICES
from prometheus.__main__ import rules_files
from tests.stack.promql import DASHBOARDS, DATASOURCES, metric_names, panels
from tests.tidy.files import complain
from topology import LIT

LINK = re.compile(r"/d/([\w-]+)")
NAMED = ["events", "live_demo", "load", "orders", "payments", "service", "slo"]
UIDS = {whole["uid"] for whole in DASHBOARDS.values()}
ALL = [(name, panel) for name in DASHBOARDS for panel in panels(name)]

# Charts whose exemplars open a trace.
WITH_EXEMPLARS = {
    *(f"live_demo/{process.name}: response time" for process in LIT),
    "service/Response time, every request",
    "service/Response time, quantiles",
    "load/Response time of POST /orders",
}


def offending(is_wrong: Callable[[dict], object]) -> list[str]:
    """The panels for which that is true."""
    return [f"{name}/{panel['title']}" for name, panel in ALL if is_wrong(panel)]


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


def test_there_are_these_six():
    assert sorted(DASHBOARDS) == NAMED


def test_every_dashboard_is_what_its_definition_renders():
    stale = [path.name for path, text in files().items() if path.read_text("utf-8") != text]
    complain(stale, "run `make render`")


def test_grafanas_own_types_know_every_field():
    """The types drop what they do not know: nothing may be lost on the way through them."""
    for name, whole in DASHBOARDS.items():
        through = json.loads(json.dumps(Dashboard.from_json(whole), cls=JSONEncoder))
        for link in through["links"]:
            # The types add their default, which would put the link into a menu.
            assert link.pop("placement") == "inControlsMenu", name
        assert through == whole, name


def test_uids_are_fixed_and_dashboards_cannot_be_edited():
    for name, whole in DASHBOARDS.items():
        assert whole["uid"] == f"valerix-{name.replace('_', '-')}"
        assert whole["editable"] is False, name
        assert whole["refresh"] == "5s", name
        assert whole["time"] == {"from": "now-15m", "to": "now"}, name
        # Numbers that one Grafana database assigns; another one assigns others.
        assert not {"id", "orgId", "folderId", "version", "iteration"} & set(whole), name
        numbers = [panel["id"] for panel in whole["panels"]]
        assert numbers == list(range(1, len(numbers) + 1)), name


def test_the_live_demo_fits_on_one_screen():
    assert len(panels("live_demo")) <= 9 + len(LIT), "one panel per service and nine others"


def test_the_panels_fill_the_grid_without_overlap():
    for name in DASHBOARDS:
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
        assert len(taken) == 24 * rows, f"{name}: a row is not filled to its end"


def test_gremlins_are_marked_on_every_chart_in_violet():
    for whole in DASHBOARDS.values():
        windows, log = whole["annotations"]["list"]
        assert windows["datasource"]["uid"] == "prometheus"
        assert metric_names(windows["target"]["expr"]) == {"valerix_gremlin_active"}
        assert log["datasource"]["uid"] == "loki"
        for annotation in (windows, log):
            assert annotation["enable"]
            assert annotation["iconColor"] == GREMLIN
            assert "filter" not in annotation, "it must be shown on every panel"


# ---- the panels ---------------------------------------------------------------------------------


def test_a_panel_has_a_title_a_description_a_unit_and_one_source():
    for _, panel in ALL:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        kind = panel["datasource"]["type"]
        assert panel["datasource"] == {"type": kind, "uid": kind}, panel["title"]
        assert kind in DATASOURCES
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], panel["title"]
        if kind == "prometheus":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_a_line_has_a_name_that_is_not_an_id():
    for _, panel in ALL:
        if panel["datasource"]["type"] != "prometheus":
            continue
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]
        for target in panel["targets"]:
            legend = target.get("legendFormat", "")
            assert legend or target.get("format") == "table", panel["title"]
            assert not re.search(r"instance|pod|trace_id|order_id|__name__|\bjob\b", legend)
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"], panel["title"]
            assert panel["options"]["legend"]["calcs"] == ["lastNotNull"], panel["title"]


def test_colours_come_from_the_palette_only():
    named = {"red", "green", "yellow", "orange", "blue", "purple", "dark-red", "semi-dark-green"}

    def has_other_colours(panel: dict) -> bool:
        used = {text for text in strings(panel) if re.fullmatch(r"#[0-9a-fA-F]{3,8}", text)}
        return not used <= COLOURS or bool(named & set(strings(panel.get("fieldConfig"))))

    complain(offending(has_other_colours), "take colours from grafana/palette.py")


def test_violet_is_for_gremlins_only():
    violet = offending(lambda panel: GREMLIN in set(strings(panel)))
    complain([each for each in violet if not each.endswith("/Gremlins")], "use another colour")


def test_a_service_has_the_same_colour_everywhere():
    for _, panel in ALL:
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            service = override["matcher"]["options"]
            if service in SERVICES:
                (colour,) = [p["value"] for p in override["properties"] if p["id"] == "color"]
                assert colour["fixedColor"] == SERVICES[service], panel["title"]


def test_exemplars_are_where_they_are_expected():
    found = offending(lambda panel: any(target.get("exemplar") for target in panel["targets"]))
    assert set(found) == WITH_EXEMPLARS


def test_a_state_has_a_symbol_beside_its_colour():
    def has_none(panel: dict) -> bool:
        text = json.dumps(panel, ensure_ascii=False)
        return panel["type"] == "stat" and not re.search("[●■○]", text)

    plain = [each for each in offending(has_none) if not each.endswith("/Objective")]
    complain(plain, "add a value label with ●, ■ or ○")


def test_links_lead_to_a_dashboard_that_exists():
    texts = [text for _, panel in ALL for text in strings(panel)]
    linked = {uid for text in (*texts, *rules_files().values()) for uid in LINK.findall(text)}
    complain(sorted(linked - UIDS), "no dashboard has this uid")
