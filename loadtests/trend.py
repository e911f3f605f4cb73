"""The course of load over many runs: one line of a CSV file for each report."""

import csv
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fleet.errors import CannotRun
from fleet.run_dir import find_run_directory
from loadtests.outcomes import OUTCOMES, PLACE
from observatory.load_runs import DOCUMENT

# With how many earlier runs of the same kind a new one is compared.
_COMPARED = 10
_QUANTILES = ("p50_ms", "p95_ms", "p99_ms")
# Of an order whose payment was asked for: decided, or not.
_DECIDED = ("confirmed", "declined")
_UNDECIDED = ("degraded", "failed", "unanswered")
_KIND = ("profile", "scale", "rate")


def newest_report() -> Path:
    """The report.json that was written last in this shop's reports."""
    found = find_run_directory().reports.glob(f"*/{DOCUMENT}")
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise CannotRun("there is no report yet: make load writes one")
    return newest


def line(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report's line. `order_creation_duration` is of placing an order, in ms, of the outcome that
    most met: quantiles of several cannot be added. `payment_processing_success` is in percent of
    the orders that asked for money."""
    placed = report["by_name"].get(PLACE, {})
    usual: dict[str, Any] = max(
        (placed[each] for each in OUTCOMES if each in placed), key=_count, default={}
    )
    orders = report["orders"]
    decided = sum(orders.get(each, 0) for each in _DECIDED)
    asked = decided + sum(orders.get(each, 0) for each in _UNDECIDED)
    tally = report["requests"]
    return {
        "began": report["began"], **{name: report[name] for name in _KIND},
        "verdict": report["answer"], "orders_per_s": report["orders_per_s"],
        **{f"order_creation_duration_{name}": usual.get(name) for name in _QUANTILES},
        "payment_processing_success": round(100 * decided / asked, 2) if asked else None,
        "compensation_calls": report["compensations"],
        "failed_requests": tally.get("failed", 0),
    }  # fmt: skip


def _count(figures: Mapping[str, Any]) -> int:
    return int(figures["count"])


def append(file: Path, report: Path) -> str:
    """Add a report's line to the file; says how it compares with runs of the same kind."""
    new = line(msgspec.json.decode(report.read_bytes()))
    earlier: list[dict[str, str]] = []
    is_new = not file.exists()
    if not is_new:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = csv.DictReader(opened)
            if list(rows.fieldnames or ()) != list(new):
                raise CannotRun(f"{file} has other columns: begin another file")
            earlier = list(rows)
    with file.open("a", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(new))
        if is_new:
            writer.writeheader()
        writer.writerow(new)
    return _compared(new, earlier)


def _compared(new: Mapping[str, Any], earlier: list[dict[str, str]]) -> str:
    name = "order_creation_duration_p95_ms"
    alike = [
        float(each[name])
        for each in earlier
        if each[name] and all(each[part] == str(new[part]) for part in _KIND)
    ][-_COMPARED:]
    text = f"{new['profile']}: {new['verdict']}, {new['orders_per_s']} orders/s, p95 {new[name]} ms"
    if not alike or new[name] is None:
        return f"{text}; the first of its kind"
    usual = statistics.median(alike)
    runs = "the last run" if len(alike) == 1 else f"the last {len(alike)} runs"
    return f"{text}; the median of {runs} is {usual:g} ms"
