"""From what was counted to a heatmap, an error rate, and the metrics that programs sent; pure."""

import math
from collections.abc import Mapping, Sequence

from frontend.charts.view_models import Bar, Cell, ChartsView, SeriesRow, ServiceCharts
from frontend.web.formatting import count, cut, percent, share, span, took
from observatory.metrics.history import BOUNDS, CountedInterval
from observatory.metrics.received import MetricSeries
from observatory.sla import LIMIT_S
from topology import LABELS

COLUMNS = 60
_SHADES = 6
# The error rate's chart ends here at least: one failure in a hundred is no wall of red.
_LEAST_SHARE = 0.1
_WIDTH, _HEIGHT = 100.0, 20.0
# Past the last bound nothing is known but that it was longer.
ROWS = tuple(
    f"over {took(1000 * BOUNDS[-2])}" if bound == math.inf else took(1000 * bound)
    for bound in reversed(BOUNDS)
)
LIMIT_ROW = sum(bound > LIMIT_S for bound in BOUNDS)


def charts(
    intervals: Mapping[str, Sequence[CountedInterval]],
    moments: Sequence[float],
    series: Sequence[MetricSeries] | None,
    note: str = "",
    unknown: int = 0,
) -> ChartsView:
    """The charts of the services, by key, between `moments`; of the first `unknown` columns nothing
    was counted."""
    return ChartsView(
        services=tuple(_service(key, found) for key, found in intervals.items()),
        rows=ROWS,
        columns=len(moments) - 1,
        begin=moments[0],
        end=moments[-1],
        step=span(round(1000 * (moments[1] - moments[0]))),
        limit_row=LIMIT_ROW,
        series=None if series is None else tuple(map(_series, series)),
        note=note,
        unknown=unknown,
        known_from=moments[unknown],
    )


def no_charts(mistake: str) -> ChartsView:
    """The charts for filters that cannot be read."""
    return ChartsView((), (), 0, 0.0, 0.0, "", 0, (), mistake=mistake)


def _service(key: str, intervals: Sequence[CountedInterval]) -> ServiceCharts:
    most = max((number for each in intervals for number in each.counts), default=0.0)
    shares = [each.errors / each.requests if each.requests else 0.0 for each in intervals]
    top = max(_LEAST_SHARE, *shares)
    requests, errors = sum(s.requests for s in intervals), sum(s.errors for s in intervals)
    return ServiceCharts(
        key=key,
        label=LABELS[key],
        requests=round(requests),
        errors=round(errors),
        cells=tuple(
            Cell(
                column,
                len(BOUNDS) - 1 - place,
                max(1, math.ceil(_SHADES * math.log1p(number) / math.log1p(most))),
                f"{count(number)} up to {ROWS[len(BOUNDS) - 1 - place]}",
            )
            for column, each in enumerate(intervals)
            for place, number in enumerate(each.counts)
            if number > 0
        ),
        bars=tuple(
            Bar(column, share(1 - part / top), share(part / top), f"{percent(part)} failed")
            for column, part in enumerate(shares)
            if part > 0
        ),
        worst=percent(top),
        summary=f"{count(requests)} requests, {count(errors)} failed",
    )


def _series(found: MetricSeries) -> SeriesRow:
    values = [_shown(found, at) for at in range(len(found.points))]
    last = values[-1] if values else 0.0
    unit = "" if found.unit == "1" else found.unit
    return SeriesRow(
        service=cut(found.service, 40),
        name=cut(found.name, 80),
        labels=cut(" ".join(f"{key}={value}" for key, value in found.labels), 120),
        value=f"{last:.4g}",
        unit=f"{unit}/s" if found.kind == "counter" else unit,
        path=_path(values),
    )


def _shown(found: MetricSeries, at: int) -> float:
    """A gauge as it is, a counter per second, a histogram's average; since the point before."""
    when, value, total = found.points[at]
    if found.kind == "gauge":
        return value
    before, earlier, sum_before = found.points[at - 1] if at else (when, 0.0, 0.0)
    # One that fell began anew.
    grown, added = (value - earlier, total - sum_before) if value >= earlier else (value, total)
    if found.kind == "histogram":
        return added / grown if grown else 0.0
    return grown * 1e9 / (when - before) if when > before else 0.0


def _path(values: Sequence[float]) -> str:
    low, high = min(values, default=0.0), max(values, default=0.0)
    width, height = _WIDTH / max(1, len(values) - 1), high - low
    return " ".join(
        f"{'L' if at else 'M'}{at * width:.1f} "
        f"{_HEIGHT * (1 - (value - low) / height) if height else _HEIGHT / 2:.1f}"
        for at, value in enumerate(values)
    )
