"""Prints a report: text for a terminal, JSON for a script."""

import math
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click
import msgspec

from proof import themes
from proof.evaluate import Reach, Report
from proof.finding import Finding, Row, State
from proof.invariant import Limits

MARKS: dict[State, tuple[str, str]] = {
    "holds": ("✓", "green"),
    "violated": ("✗", "red"),
    "settling": ("…", "yellow"),
    "unknown": ("?", "magenta"),
}
_INDENT = " " * 9
_WIDTH = 100


def for_terminal(report: Report) -> str:
    """One line per promise; one that does not hold is followed by offending rows and its SQL."""
    findings = {each.invariant.id: each for each in report.findings}
    common_reason = _common_reason(report)
    lines: list[str] = []
    for theme, promises in themes(Limits()).items():
        lines += ["", click.style(f"  {theme}", bold=True)]
        for promise in promises:
            lines += _finding(findings.pop(promise.id), common_reason)
    if findings:
        lines += ["", click.style("  Clients", bold=True)]
    for finding in findings.values():
        lines += _finding(finding, common_reason)
    return "\n".join([*lines, "", *_verdict(report)])


def for_script(report: Report, exit_code: int) -> str:
    """The report as one JSON object; every value of a row is a plain JSON value."""
    return msgspec.json.encode(
        {
            "state": report.state,
            "exit_code": exit_code,
            "at": report.at.isoformat(),
            "took_ms": report.took_ms,
            "gremlins_loose": report.gremlins_loose,
            "quiet_since": report.quiet_since and report.quiet_since.isoformat(),
            "settle_s": report.settle_s,
            "reach": _reach_fields(report.reach),
            "invariants": [_finding_fields(each) for each in report.findings],
        }
    ).decode()


def _reach_fields(reach: Reach) -> dict[str, Any]:
    """How much the proof read; "whole" if it read the whole history."""
    return {
        "whole": reach.before is None,
        "orders": reach.in_all,
        "orders_examined": reach.orders,
        "payments_examined": reach.payments if reach.before is None else None,
        "wallets_examined": reach.wallets if reach.before is None else None,
        "proven_before": reach.before and reach.before.isoformat(),
        "orders_proven_before": reach.proven,
        "why": reach.why or None,
        "not_kept": reach.not_kept or None,
    }


def _finding_fields(finding: Finding) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(finding.invariant),
        "state": finding.state,
        "total": finding.total,
        "overdue": finding.overdue,
        "rows": [{name: plain_value(value) for name, value in row.items()} for row in finding.rows],
        "reason": finding.reason,
        "took_ms": finding.took_ms,
    }


def plain_value(value: Any) -> str | int | float | bool | None:
    """A cell of an offending row as a JSON value: numbers stay numbers, the rest becomes text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _common_reason(report: Report) -> str | None:
    """The reason why nothing could be judged, if it is the same for all: it is printed once."""
    reasons = {each.reason for each in report.findings}
    return reasons.pop() if len(reasons) == 1 else None


def _finding(finding: Finding, common_reason: str | None) -> list[str]:
    mark, colour = MARKS[finding.state]
    promise = finding.invariant
    head = f"  {click.style(mark, fg=colour, bold=True)} {promise.id:<4} {promise.promise}"
    if finding.state == "holds" or common_reason:
        return [head]
    lines = [head, _INDENT + click.style(_description(finding), fg=colour)]
    if finding.rows:
        lines += _table(finding.rows)
    if finding.total > len(finding.rows):
        lines.append(f"{_INDENT}… and {finding.total - len(finding.rows)} more")
    if finding.state == "violated":
        lines.append(f"{_INDENT}enforced by: {promise.enforced_by}")
        lines.append(click.style(textwrap.indent(promise.sql, _INDENT), dim=True))
    return lines


def _description(finding: Finding) -> str:
    rows = f"{finding.total} row{'s' if finding.total != 1 else ''}"
    if finding.state == "unknown":
        return f"could not be judged: {finding.reason}"
    if finding.state == "settling":
        return f"settling: {rows}, still within the time allowed"
    late = f", {finding.overdue} of them overdue" if finding.overdue else ""
    return f"BROKEN by {rows}{late}"


def _table(rows: tuple[Row, ...]) -> Iterator[str]:
    """The offending rows as an aligned table, cut at the width of a terminal."""
    cells = [[_cell(value) for value in row.values()] for row in rows]
    table = [list(rows[0]), *cells]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for number, line in enumerate(table):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield _INDENT + click.style(text.rstrip()[: _WIDTH + 40], underline=number == 0)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "-" if value is None else str(value)


def _verdict(report: Report) -> list[str]:
    mark, colour = MARKS[report.state]
    number, of = len(report.those(report.state)), len(report.findings)
    settle_s = math.ceil(report.settle_s)
    sentence = {
        "holds": f"All {of} promises hold, of orders, payments and wallets: nothing was lost and"
        " nobody paid twice.",
        "violated": f"{number} of {of} promises {'is' if number == 1 else 'are'} BROKEN.",
        "settling": "STILL SETTLING: nothing is broken, but work is unfinished, as it always is "
        f"while orders come. It has to end within {settle_s} s, or so long after the last fault: "
        f"--wait {settle_s} waits for it.",
        "unknown": f"{number} of {of} promises could not be judged, so nothing is proven.",
    }[report.state]
    lines = [click.style(f"  {mark} {sentence}", fg=colour, bold=True)]
    if common_reason := _common_reason(report):
        lines.append(f"    {common_reason}")
    if report.gremlins_loose:
        loose = report.gremlins_loose
        lines.append(
            f"    {loose} gremlin{'s are' if loose > 1 else ' is'} loose: "
            "the time to settle starts when the last one ends."
        )
    when = report.at.isoformat(sep=" ", timespec="seconds")
    details = [f"At {when}."]
    if not common_reason:
        seen = "One snapshot," if report.reach.before else "A snapshot for each promise, from"
        details = [
            f"{seen} {when}, judged in {report.took_ms:.0f} ms.",
            *coverage_lines(report.reach),
        ]
    lines += [click.style(f"    {line}", dim=True) for line in details]
    return lines


def coverage_lines(reach: Reach) -> Iterator[str]:
    """Sentences: how much of the history was read now, and how much was proven before."""
    if reach.before is None:
        others = f"{_number(reach.payments, 'payment')} without an order"
        yield (
            f"The whole history was read, {format_orders(reach.orders)}, {others} and "
            f"{_number(reach.wallets, 'wallet')}: {reach.why}."
        )
    else:
        before = reach.before.isoformat(sep=" ", timespec="seconds")
        yield (
            f"History up to {before} was proven before ({format_orders(reach.proven)}); "
            f"{format_orders(reach.orders)} examined now, with the payments that changed and every "
            "wallet."
        )
    if reach.not_kept:
        yield f"The next proof cannot build on this one: {reach.not_kept}."


def format_orders(orders: int) -> str:
    """The number of orders, with its digits in groups of three."""
    return _number(orders, "order")


def _number(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}".replace(",", " ")
