"""The proof in words: one headline over all promises, and each promise with its offenders."""

from frontend.overview.view_models import FindingView, ProofView
from frontend.web.formatting import count, when
from frontend.web.labels import State
from observatory.sources.down import Down
from proof.evaluate import Reach, Report
from proof.finding import Finding

_STATES: dict[str, tuple[State, str]] = {
    "holds": ("good", "holds"),
    "settling": ("degraded", "settling"),
    "violated": ("failed", "broken"),
    "unknown": ("none", "not judged"),
}
# The list is longer than its panel: what a visitor must not miss stands on top.
_FIRST = ("violated", "unknown", "settling", "holds")


def proof(report: Report | Down) -> ProofView | Down:
    """The proof panel; what does not hold comes first."""
    if isinstance(report, Down):
        return report
    # What settles is no warning over the whole: nothing is broken, and it is not decided yet.
    state = "none" if report.state == "settling" else _STATES[report.state][0]
    total = len(report.findings)
    holds = len(report.those("holds"))
    headline, detail = _headline(report, holds, total)
    ordered = sorted(report.findings, key=lambda each: _FIRST.index(each.state))
    reach = report.reach
    return ProofView(
        state,
        headline,
        detail,
        tuple(map(_finding, ordered)),
        report.at,
        orders=reach.in_all,
        reach=_reach(reach),
    )


def _headline(report: Report, holds: int, total: int) -> tuple[str, str]:
    """What is to be said in a few words, and what it means for an order."""
    if broken := len(report.those("violated")):
        promises = "promise is" if broken == 1 else "promises are"
        return f"{broken} {promises} broken", "Open it: it shows the rows"
    if report.those("unknown"):
        return f"{holds} of {total} promises hold", "Not everything can be judged"
    if unfinished := len(report.those("settling")):
        settling = f"{total} promises hold so far · {unfinished} settling"
        return settling, "Nothing is broken; orders that are under way still have to end"
    return f"{total} promises hold", "Nothing lost, nobody charged twice"


def _reach(reach: Reach) -> str:
    """Which orders were looked at."""
    if reach.before is not None:
        return (
            f"{count(reach.proven)} were proven up to {when(reach.before)}; "
            f"{count(reach.orders)} changed since and were read again."
        )
    return f"All {count(reach.orders)} were read." if reach.orders else "No order to read yet."


def _finding(finding: Finding) -> FindingView:
    state, word = _STATES[finding.state]
    rows = finding.rows
    columns = tuple(key for key in rows[0] if not key.startswith("_")) if rows else ()
    return FindingView(
        finding.invariant,
        state,
        finding.reason or word,
        finding.total,
        columns,
        tuple(tuple(_cell(row.get(key)) for key in columns) for row in rows),
    )


def _cell(value: object) -> str:
    return "" if value is None else str(value)
