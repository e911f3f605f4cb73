"""The drawings over time: how long answers took, and how many there were."""

from collections.abc import Callable

from loadtests.judge import Judgement
from loadtests.outcomes import OUTCOMES, Outcome
from loadtests.report import bands
from loadtests.report.columns import Column, columns
from loadtests.report.plot import (
    NARROW,
    WIDE,
    Frame,
    Size,
    in_round,
    line,
    log_scale,
    mark,
    path,
    scale,
    seconds,
    steps,
    text,
)

# Fixed ends, as on the dashboard: an ordinary answer and a gremlin of three seconds both readable,
# and two reports can be laid side by side.
_LOW_MS, _HIGH_MS = 2.0, 10_000.0
_TICKS_MS = (2, 10, 50, 200, 1000, 5000)


class _OverTime:
    """What the two charts over time share: columns, gremlins and the time axis."""

    def __init__(self, judgement: Judgement, size: Size) -> None:
        plan, ran, measures = judgement.plan, judgement.ran, judgement.measures
        self.judgement, self.size = judgement, size
        self.columns = columns(measures, plan, ran, size.columns)
        self.until = max(self.columns[-1].to_s, 0.1)
        self.frame = Frame(size, self.until)
        bands.add_bands(self.frame, bands.bands(judgement.windows, ran))

    def middle(self, column: Column) -> float:
        """Where a column stands."""
        return self.frame.x((column.from_s + column.to_s) / 2)


class LatencyChart(_OverTime):
    """Half of the answers below the surface, nineteen of twenty below the line, by outcome."""

    def svg(self, kind: str) -> str:
        """The drawing."""
        frame = self.frame
        place = log_scale(_LOW_MS, _HIGH_MS, frame.floor, frame.roof)
        frame.value_axis([(ms, in_round(ms)) for ms in _TICKS_MS], place)
        frame.time_axis(self.until)
        for check in self.judgement.checks:
            if check.unit == "ms":
                at = place(check.limit)
                right = self.size.width - self.size.right
                frame.add(line(self.size.left, at, right, at, "limit"))
                frame.add(text(right + 4, at + 4, check.name, anchor="start"))
        for outcome in OUTCOMES:
            self._plot(outcome, place)
        return frame.svg("Time to answer over the run, by outcome, on a logarithmic scale", kind)

    def _plot(self, outcome: Outcome, place: Callable[[float], float]) -> None:
        runs: list[list[Column]] = [[]]
        for column in self.columns:
            if column.took(outcome).count:
                runs[-1].append(column)
            elif runs[-1]:
                runs.append([])
        for run in runs:
            high = [(self.middle(c), place(c.took(outcome).quantile(0.95) or 0)) for c in run]
            low = [(self.middle(c), place(c.took(outcome).quantile(0.5) or 0)) for c in run]
            self.frame.add(path([*high, *reversed(low)], f"between {outcome}", closed=True))
            self.frame.add(path(high, f"line {outcome}"))
            # Shapes far enough apart not to look like a line.
            every = max(1, len(self.columns) // (self.size.columns // 3))
            for column, (x, y) in zip(run, high, strict=True):
                if self.columns.index(column) % every == 0 or len(run) == 1:
                    self.frame.add(mark(x, y, outcome))


class FlowChart(_OverTime):
    """How much was answered a second, stacked by outcome, and who was asking."""

    def svg(self, kind: str) -> str:
        """The drawing."""
        frame = self.frame
        tallest = max(c.per_s(sum(c.slot.count(o) for o in OUTCOMES)) for c in self.columns)
        ticks = steps(max(tallest, self._due()), 4)
        place = scale(0, ticks[-1], frame.floor, frame.roof)
        frame.value_axis([(value, f"{value:g}") for value in ticks], place)
        frame.time_axis(self.until)
        for column in self.columns:
            self._stack(column, ticks[-1])
        if self.judgement.plan.rate:
            due = [(self.middle(c), place(c.per_s(c.slot.due))) for c in self.columns]
            frame.add(path(due, "asked"))
        else:
            self._shoppers()
        unit = self.judgement.plan.what.unit
        return frame.svg(f"{unit} answered a second over the run, by outcome", kind)

    def _due(self) -> float:
        return max(column.per_s(column.slot.due) for column in self.columns)

    def _stack(self, column: Column, most: float) -> None:
        frame, base = self.frame, self.frame.floor
        left, right = frame.x(column.from_s), frame.x(column.to_s)
        counts = {outcome: column.slot.count(outcome) for outcome in OUTCOMES}
        result = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        for outcome, count in counts.items():
            height = column.per_s(count) / most * (frame.floor - frame.roof)
            if count:
                frame.add(
                    f'<rect class="bar {outcome}" x="{left:.1f}" y="{base - height:.1f}" '
                    f'width="{max(right - left - 0.8, 0.6):.1f}" height="{height:.1f}">'
                    f"<title>{seconds(round(column.from_s, 1))}: {result}</title></rect>"
                )
            base -= height

    def _shoppers(self) -> None:
        frame, most = self.frame, max(self.judgement.plan.what.peak, 1)
        place = scale(0, most, frame.floor, frame.roof)
        known = [column for column in self.columns if column.slot.users]
        frame.add(path([(self.middle(c), place(c.slot.users)) for c in known], "asked"))
        right = self.size.width - self.size.right
        frame.add(text(right + 6, frame.roof + 4, f"{most}", kind="tick strong", anchor="start"))
        frame.add(text(right + 6, frame.floor + 4, "0", anchor="start"))


def over_time(judgement: Judgement) -> tuple[str, str]:
    """Both charts over time, each for a desk and for a phone; the page shows one of the two."""
    sizes = ((WIDE, "wide"), (NARROW, "narrow"))
    latency = "".join(LatencyChart(judgement, size).svg(kind) for size, kind in sizes)
    return latency, "".join(FlowChart(judgement, size).svg(kind) for size, kind in sizes)
