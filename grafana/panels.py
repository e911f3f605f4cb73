"""The kinds of panel, each with its title, what it means, its unit and the palette's colours."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    logs,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.models import common as is_
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from msgspec import Struct

from grafana.palette import INK
from grafana.queries import JAEGER, LOKI, PROMETHEUS, Target
from grafana.style import (
    Link,
    Steps,
    data_link,
    fixed_colour,
    legend,
    line_style,
    nan_label,
    series_colour,
    shades,
    threshold_colour,
    thresholds,
    tooltip,
    value_labels,
)

Panel = cogbuilder.Builder[models.Panel]


class PanelHead(Struct, frozen=True):
    """The title of a panel, its description, and its size on the grid."""

    title: str
    about: str
    width: int
    height: int


class _PanelBuilder(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: is_.DataSourceRef) -> Self: ...
    def targets(self, targets: list[Target]) -> Self: ...
    def height(self, h: int) -> Self: ...
    def span(self, w: int) -> Self: ...


_P = TypeVar("_P", bound=_PanelBuilder)


def _with_head(
    panel: _P, head: PanelHead, source: is_.DataSourceRef, targets: Sequence[Target]
) -> _P:
    return (
        panel.title(head.title)
        .description(head.about)
        .datasource(source)
        .targets(list(targets))
        .height(head.height)
        .span(head.width)
    )


def lines(
    head: PanelHead,
    unit: str,
    *targets: Target,
    colours: Mapping[str, str] | None = None,
    colour: str = INK,
    many: bool = False,
    styles: Mapping[str, str] | None = None,
    limit: tuple[float, str] | None = None,
    stacked: bool = False,
    link: Link | None = None,
) -> timeseries.Panel:
    """Lines over time. `colours` and `styles` ("dot", "dash") are by legend; with `many`, each line
    without a colour gets a shade of `colour`; `limit` is dashed."""
    panel = (
        _with_head(timeseries.Panel(), head, PROMETHEUS, targets)
        .unit(unit)
        .min(0)
        .line_width(1.5)
        .fill_opacity(25 if stacked else 0)
        .show_points(is_.VisibilityMode.NEVER)
        .color_scheme(shades(colour) if many else fixed_colour(colour))
        .legend(legend())
        .tooltip(tooltip())
        .no_value("no traffic")
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(is_.StackingMode.NORMAL))
    if limit is not None:
        dashed = is_.GraphThresholdsStyleMode.DASHED
        panel.thresholds(thresholds([(None, colour), limit]))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    if link is not None:
        panel.data_links([data_link(link)])
    for name, own in (colours or {}).items():
        panel.override_by_name(name, [series_colour(own)])
    for name, fill in (styles or {}).items():
        panel.override_by_name(name, [line_style(fill)])
    return panel


def figures(
    head: PanelHead,
    unit: str,
    *targets: Target,
    steps: Steps,
    meanings: Sequence[models.ValueMapping] = (),
    link: Link | None = None,
    decimals: int | None = None,
    rows: bool = False,
) -> stat.Panel:
    """Big figures on the colour of their state; with `rows`, one per row of a table."""
    panel = (
        _with_head(stat.Panel(), head, PROMETHEUS, targets)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_scheme(threshold_colour())
        .mappings(list(meanings or [nan_label("○ no traffic")]))
        .color_mode(is_.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(is_.BigValueGraphMode.NONE)
        .text_mode(is_.BigValueTextMode.VALUE_AND_NAME)
        .justify_mode(is_.BigValueJustifyMode.CENTER)
        .orientation(is_.VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(rows))
        .no_value("○ no data")
    )
    if link is not None:
        panel.data_links([data_link(link)])
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def bars(
    head: PanelHead, unit: str, *targets: Target, colours: Mapping[str, str], colour: str = INK
) -> bargauge.Panel:
    """One horizontal bar per series."""
    panel = (
        _with_head(bargauge.Panel(), head, PROMETHEUS, targets)
        .unit(unit)
        .min(0)
        .decimals(0)
        .color_scheme(fixed_colour(colour))
        .display_mode(is_.BarGaugeDisplayMode.BASIC)
        .orientation(is_.VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .show_unfilled(False)
        .no_value("no traffic")
    )
    for name, own in colours.items():
        panel.override_by_name(name, [series_colour(own)])
    return panel


def stretches(
    head: PanelHead, unit: str, *targets: Target, on: str, no_value: str
) -> statetimeline.Panel:
    """When something was on: a band of colour per series; `no_value` is shown if it never was."""
    return (
        _with_head(statetimeline.Panel(), head, PROMETHEUS, targets)
        .unit(unit)
        .thresholds(thresholds([(None, "transparent"), (1, on)]))
        .color_scheme(threshold_colour())
        .mappings([value_labels({"0": ("off", "transparent"), "1": ("on", on)})])
        .merge_values(True)
        .show_value(is_.VisibilityMode.NEVER)
        .row_height(0.7)
        .legend(common.VizLegendOptions().show_legend(False))
        .no_value(no_value)
    )


def spread(head: PanelHead, unit: str, target: Target, *, colour: str, dots: str) -> heatmap.Panel:
    """A heatmap of durations: time across, duration up, darker is more; `dots` are exemplars."""
    return (
        _with_head(heatmap.Panel(), head, PROMETHEUS, [target])
        .unit("short")
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.OPACITY)
            .fill(colour)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .exemplars_color(dots)
        .no_value("no traffic")
    )


def log(head: PanelHead, target: Target) -> logs.Panel:
    """Log lines; opening one shows its fields and the link to its trace."""
    return (
        _with_head(logs.Panel(), head, LOKI, [target])
        .show_time(True)
        .show_labels(False)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(is_.LogsSortOrder.DESCENDING)
        .dedup_strategy(is_.LogsDedupStrategy.NONE)
    )


def trace_table(head: PanelHead, target: Target) -> table.Panel:
    """Recent traces; the id in each row opens it."""
    return _with_head(table.Panel(), head, JAEGER, [target]).show_header(True)
