"""The report as one page that needs nothing else: mailed, printed, or opened from a folder."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from frontend.web.templating import STATIC
from loadtests.judge import Judgement
from loadtests.light import light_times
from loadtests.outcomes import OUTCOMES, WORK
from loadtests.report import charts, levels
from loadtests.report.bands import bands
from loadtests.report.document import degraded_percent, figures, rate
from loadtests.report.plot import NOTHING, THIN, count, duration, seconds
from loadtests.report.tables import bar, bullets, traces
from loadtests.thresholds import errors_percent, success_percent
from observatory.sla import WINDOW_S

HERE = Path(__file__).resolve().parent
_STATES = {"kept": "good", "broken": "failed", "unknown": "none"}
# The light's shapes, as on the dashboard.
_MARKS = {"failing": "failing", "slow": "failed", "degraded": "degraded", "good": "good",
          "none": "none"}  # fmt: skip
_LABELS = {"kept": "Held", "broken": "Did not hold", "unknown": "No verdict"}


class HeadlineFigure(msgspec.Struct, frozen=True):
    """One of the headline figures."""

    value: str
    name: str
    about: str = ""


def page(judgement: Judgement) -> str:
    """The whole page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "count": count, "seconds": seconds}
    return environment.get_template("report.html").render(_context(judgement))


def _context(judgement: Judgement) -> dict[str, object]:
    plan, ran, verdict = judgement.plan, judgement.ran, judgement.verdict
    measures = judgement.measures
    latency, flow = charts.over_time(judgement)
    bends = len(judgement.levels) > 2
    return {
        "j": judgement, "plan": plan, "ran": ran, "measures": measures, "verdict": verdict,
        "state": _STATES[verdict.answer], "states": _STATES, "label": _LABELS[verdict.answer],
        "when": datetime.fromtimestamp(ran.began_s, UTC), "took_s": ran.ended_s - ran.began_s,
        "style": _markup(_style()), "icon": _icon(), "description": _description(judgement),
        "figures": _figures(judgement), "bullets": bullets(judgement.checks),
        "latency": _markup(latency), "flow": _markup(flow),
        "knee": _markup(levels.per_second(judgement)) if bends else None,
        "waits": _markup(levels.waiting(judgement)) if bends else None,
        "bands": bands(judgement.windows, ran), "orders": bar(measures),
        "by_outcome": [(o, figures(measures.of(WORK, o))) for o in OUTCOMES],
        "all_work": figures(measures.of(WORK)), "settled": figures(measures.settled),
        "names": [(name, {o: figures(h) for o, h in found.items()})
                  for name, found in sorted(measures.names.items())],
        "light": light_times(measures.timeline), "marks": _MARKS, "window_s": WINDOW_S,
        "traces": traces(judgement), "outcomes": OUTCOMES,
    }  # fmt: skip


def _figures(judgement: Judgement) -> list[HeadlineFigure]:
    measures = judgement.measures
    work = measures.of(WORK)
    return [
        HeadlineFigure(f"{rate(judgement):.1f}", f"{judgement.plan.what.unit} a second",
               f"{count(work.count)} answers in all"),
        HeadlineFigure(duration(work.quantile(0.5)), "median", "half were answered within"),
        HeadlineFigure(duration(work.quantile(0.95)), "p95", "19 of 20 within"),
        HeadlineFigure(duration(work.quantile(0.99)), "p99", "99 of 100 within"),
        HeadlineFigure(_percent(success_percent(measures)), "success", "of orders"),
        HeadlineFigure(_percent(degraded_percent(judgement)), "degraded",
                       "of orders, accepted to settle"),
        HeadlineFigure(_percent(errors_percent(measures)), "errors", "of requests"),
    ]  # fmt: skip


def _markup(markup: str) -> Markup:
    """Our own markup: a drawing, whose texts were escaped there, or a file of ours."""
    return Markup(markup)  # noqa: S704


def _percent(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.1f}".removesuffix(".0") + f"{THIN}%"


def _description(judgement: Judgement) -> str:
    """What a chat shows under the link."""
    work = judgement.measures.of(WORK)
    return (
        f"{judgement.verdict.headline} {rate(judgement):.1f} {judgement.plan.what.unit} a second, "
        f"p95 {duration(work.quantile(0.95))}, p99 {duration(work.quantile(0.99))}."
    )


def _style() -> str:
    return (STATIC / "palette.css").read_text("utf-8") + (HERE / "report.css").read_text("utf-8")


def _icon() -> str:
    return "data:image/svg+xml," + quote((STATIC / "icon.svg").read_text("utf-8"))
