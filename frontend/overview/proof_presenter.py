"""The proof in words: one headline over all promises, and each promise with its offenders."""

from frontend.overview.view_models import Finding, ProofView, State
from observatory.sources.down import Down
from proof.evaluate import Finding as Judged
from proof.evaluate import Report

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
    state, _ = _STATES[report.state]
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
        examined=reach.orders,
        proven=reach.proven,
        proven_at=reach.before,
    )


def _headline(report: Report, holds: int, total: int) -> tuple[str, str]:
    if broken := len(report.those("violated")):
        promises = "promise is" if broken == 1 else "promises are"
        return f"{broken} {promises} broken", "open it: it shows the rows"
    if report.those("unknown"):
        return "Not everything can be judged", f"{holds} of {total} promises hold"
    if unfinished := len(report.those("settling")):
        return "Nothing lost so far", f"{holds} of {total} hold, {unfinished} settling"
    return "Nothing lost, nobody charged twice", f"all {total} promises hold"


def _finding(judged: Judged) -> Finding:
    state, word = _STATES[judged.state]
    columns = tuple(key for key in judged.rows[0] if not key.startswith("_")) if judged.rows else ()
    return Finding(
        id=judged.invariant.id,
        kind=judged.invariant.kind,
        title=judged.invariant.title,
        promise=judged.invariant.promise,
        sql=judged.invariant.sql,
        state=state,
        word=judged.reason or word,
        violations=judged.total,
        columns=columns,
        rows=tuple(tuple(_cell(row.get(key)) for key in columns) for row in judged.rows),
    )


def _cell(value: object) -> str:
    return "" if value is None else str(value)
