"""How values look: labels for states, thresholds, line styles, legends and links."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.models import common as is_
from grafana_foundation_sdk.models import dashboard as models

from grafana.palette import NONE

Link = tuple[str, str]
# The lowest value of each step and its colour; None is minus infinity.
Steps = Sequence[tuple[float | None, str]]


def value_labels(labels: Mapping[str, tuple[str, str]]) -> models.ValueMap:
    """These values as a text and a colour."""
    results = {
        value: models.ValueMappingResult(text, colour, index=index)
        for index, (value, (text, colour)) in enumerate(labels.items())
    }
    return models.ValueMap(results)


def nan_label(text: str) -> models.SpecialValueMap:
    """NaN and null as a text, in the colour of no data."""
    match = models.SpecialValueMatch.NULL_AND_NAN
    result = models.ValueMappingResult(text, NONE, index=99)
    return models.SpecialValueMap(models.DashboardSpecialValueMapOptions(match, result))


def series_colour(colour: str) -> models.DynamicConfigValue:
    """A series in one colour."""
    return models.DynamicConfigValue("color", {"mode": "fixed_colour", "fixedColor": colour})


def line_style(fill: str) -> models.DynamicConfigValue:
    """A series as a line of style "dot" or "dash"."""
    dash = {"dot": [2, 5], "dash": [8, 6]}[fill]
    return models.DynamicConfigValue("custom.lineStyle", {"fill": fill, "dash": dash})


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """The colour from each step on."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value, colour) for value, colour in steps])
    )


def legend() -> common.VizLegendOptions:
    """Every line's name, with its last value written out."""
    return (
        common.VizLegendOptions()
        .display_mode(is_.LegendDisplayMode.LIST)
        .placement(is_.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )


def tooltip() -> common.VizTooltipOptions:
    """All lines at one moment, the highest first."""
    multi = common.VizTooltipOptions().mode(is_.TooltipDisplayMode.MULTI)
    return multi.sort(is_.SortOrder.DESCENDING)


def fixed_colour(colour: str) -> dashboard.FieldColor:
    """One colour for every series that has none of its own."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(colour)


def shades(colour: str) -> dashboard.FieldColor:
    """Shades of one colour, where series are many and mean nothing by themselves."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.SHADES).fixed_color(colour)


def threshold_colour() -> dashboard.FieldColor:
    """The colour of the step a value is on."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def data_link(link: Link) -> dashboard.DashboardLink:
    """Where a click on a value leads."""
    title, url = link
    return dashboard.DashboardLink(title).url(url)
