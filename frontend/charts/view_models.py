"""What the templates of charts are given."""

from msgspec import Struct

from frontend.web.time_range import TimeRange


class ChartsFilter(Struct, frozen=True):
    """What a visitor asked of the charts: a time, and which metrics that programs sent."""

    service: str = ""
    name: str = ""
    since: str = ""
    until: str = ""

    @property
    def time(self) -> TimeRange:
        """Which time it is about."""
        return TimeRange(self.since, self.until)


class Cell(Struct, frozen=True):
    """Requests of one stretch of time that took about as long: a place in the grid, how dark it is
    (1 to 6), and what it stands for, in words."""

    column: int
    row: int
    shade: int
    label: str


class Bar(Struct, frozen=True):
    """The failing share of one stretch of time, as "12.5%" of the chart's height."""

    column: int
    y: str
    height: str
    label: str


class ServiceCharts(Struct, frozen=True):
    """One service: its heatmap and its error rate, and both in a sentence."""

    key: str
    label: str
    requests: int
    errors: int
    cells: tuple[Cell, ...]
    bars: tuple[Bar, ...]
    worst: str
    summary: str


class SeriesRow(Struct, frozen=True):
    """A metric that a program sent: its newest value, and the path of its last ones."""

    service: str
    name: str
    labels: str
    value: str
    unit: str
    path: str


class ChartsView(Struct, frozen=True):
    """All charts of one time. `rows` are the heatmap's durations, longest first, and `columns` how
    many stretches of `step` there are from `begin` to `end` (epoch seconds). `series` is None where
    metrics are sent elsewhere; `mistake` says what of the filters cannot be read. Of the first
    `unknown` columns nothing was counted: it began at `known_from` (epoch seconds)."""

    services: tuple[ServiceCharts, ...]
    rows: tuple[str, ...]
    columns: int
    begin: float
    end: float
    step: str
    limit_row: int
    series: tuple[SeriesRow, ...] | None
    mistake: str = ""
    note: str = ""
    unknown: int = 0
    known_from: float = 0.0
