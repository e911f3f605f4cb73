"""From load runs to what is shown of them; pure."""

from fleet.client import LoadState
from frontend.load.view_models import (
    ComparisonView,
    FigureRow,
    LoadView,
    ProfileChoice,
    RunRow,
    RunsView,
)
from frontend.web.formatting import THIN, share, took
from frontend.web.labels import State
from observatory.load_comparison import ComparedFigure, Figures, compare, figures_of
from observatory.load_runs import VERDICTS, LoadProgress, LoadReport, last_like
from scenarios.load_profiles import PROFILES

_STATES: dict[str, State] = {"kept": "good", "broken": "failed"}


def load(
    state: LoadState | None,
    progress: LoadProgress | None,
    reports: tuple[LoadReport, ...],
    obstacle: str = "",
) -> LoadView:
    """What runs, or what ran last, beside the last of its kind."""
    is_on = state is not None and state.state != "ended"
    of = None if is_on or progress else next(iter(reports), None)
    last = last_like(of, reports) if of else None
    if is_on or progress:
        last = _before(state, progress, reports)
    figures = figures_of(of) if of else _live(progress)
    why = state.why if state is not None and state.state == "ended" else ""
    return LoadView(
        obstacle,
        is_on,
        state is not None and state.state == "stopping",
        progress,
        _phase(state, progress) if is_on or progress else "",
        share(min(1.0, (progress.now_s - progress.began_s) / progress.duration_s))
        if progress
        else "0%",
        tuple(map(_row, compare(figures_of(last) if last else {}, figures))),
        of,
        last,
        why,
        tuple(
            ProfileChoice(each.name, each.about, _length(each.duration_s(1.0)), each.unit)
            for each in PROFILES.values()
        ),
    )


def runs(reports: tuple[LoadReport, ...]) -> RunsView:
    """The list, and the choice of two: the newest and the last of its kind, or any other."""
    rows = tuple(map(_run_row, reports))
    if len(reports) < 2:
        return RunsView(rows, "", "")
    newest = reports[0]
    return RunsView(rows, (last_like(newest, reports) or reports[1]).name, newest.name)


def comparison(reports: tuple[LoadReport, ...], a: LoadReport, b: LoadReport) -> ComparisonView:
    """Two runs beside each other, and the choice of two others."""
    return ComparisonView(
        RunsView(tuple(map(_run_row, reports)), a.name, b.name),
        (_run_row(a), _run_row(b)),
        tuple(map(_row, compare(figures_of(a), figures_of(b)))),
        a.kind == b.kind,
    )


def _live(progress: LoadProgress | None) -> Figures:
    if progress is None:
        return {}
    return {"throughput": progress.per_s, "p50": progress.p50_ms, "p95": progress.p95_ms,
            "p99": progress.p99_ms, "errors": progress.failed_percent}  # fmt: skip


def _row(figure: ComparedFigure) -> FigureRow:
    change = "" if figure.difference is None else _change(figure.difference, figure.unit)
    return FigureRow(
        figure.name, _shown(figure.b, figure.unit), _shown(figure.a, figure.unit), change,
        "degraded" if figure.is_worse else "none",
    )  # fmt: skip


def _before(
    state: LoadState | None, progress: LoadProgress | None, reports: tuple[LoadReport, ...]
) -> LoadReport | None:
    of = progress or state
    kind = (of.profile, of.scale, of.rate) if of else None
    return next((each for each in reports if each.kind == kind and each.complete), None)


def _phase(state: LoadState | None, progress: LoadProgress | None) -> str:
    if progress is None:
        return f"{state.profile} is starting" if state else "starting"
    if progress.is_over:
        return "over: open orders settle, then it is judged"
    return "stopping" if state is not None and state.state == "stopping" else "running"


def _run_row(report: LoadReport) -> RunRow:
    latency = report.latency.all
    return RunRow(
        report, _STATES.get(report.answer, "none"), VERDICTS.get(report.answer, report.answer),
        _length(report.seconds), _shown(report.orders_per_s, "/s"), _shown(latency.p95_ms, "ms"),
        _shown(latency.p99_ms, "ms"),
    )  # fmt: skip


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "\u2013"
    return took(value) if unit == "ms" else f"{value:.1f}{THIN}{unit}"


def _change(difference: float, unit: str) -> str:
    if abs(difference) < (0.5 if unit == "ms" else 0.05):
        return "the same"
    sign = "+" if difference > 0 else "\u2212"
    return sign + _shown(abs(difference), unit)


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    parts = (f"{minutes} min" if minutes else "", f"{rest} s" if rest or not minutes else "")
    return " ".join(filter(None, parts))
