"""What tests compare of a report."""

from proof.evaluate import Report
from proof.finding import Finding
from proof.statements import ROWS_SHOWN

Summary = dict[str, tuple[str, int, int, list[str]]]


def finding(report: Report, name: str) -> Finding:
    """The finding of one promise."""
    return next(each for each in report.findings if each.invariant.id == name)


def violated(report: Report) -> list[str]:
    """The ids of the promises that are broken."""
    return [each.invariant.id for each in report.those("violated")]


def summary(report: Report) -> Summary:
    """All that a report says of each promise except the time it took, and except the rows where
    only some of them are shown: any of them would be right."""
    return {
        each.invariant.id: (
            each.state,
            each.total,
            each.overdue,
            sorted(map(repr, each.rows)) if each.total <= ROWS_SHOWN else [],
        )
        for each in report.findings
    }


def assert_same(report: Report, whole: Report) -> None:
    """Both proofs found the same. One that builds on the last computes no link of the chain again:
    what is wrong with it is found where history is read."""
    found, expected = summary(report), summary(whole)
    if report.reach.before is not None:
        found["I27"] = expected["I27"]
    different = {each: (found[each], expected[each]) for each in expected}
    assert found == expected, {each: two for each, two in different.items() if two[0] != two[1]}
