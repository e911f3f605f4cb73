"""Each report is one line of the trend file, compared with runs of its own kind."""

import csv
from pathlib import Path

from click.testing import CliRunner

from loadtests.__main__ import main
from loadtests.report.document import document
from tests.loadtests.arranged import judged, plan_of


def _reported(folder: Path, **more: object) -> Path:
    report = folder / "report.json"
    report.write_text(document(judged(**more)))
    return report


def test_a_run_is_compared_with_earlier_ones_of_its_kind(tmp_path: Path):
    trend, report = tmp_path / "trend.csv", _reported(tmp_path)
    first, second = (
        CliRunner().invoke(main, ["trend", str(trend), "--report", str(report)]) for _ in "ab"
    )
    _reported(tmp_path, plan=plan_of("stress", scale=0.1))
    other = CliRunner().invoke(main, ["trend", str(trend), "--report", str(report)])
    assert first.output.endswith("the first of its kind\n")
    assert "; the median of the last run is 20" in second.output
    assert other.output.startswith("stress: ")
    assert other.output.endswith("the first of its kind\n")
    with trend.open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["profile"] for row in rows] == ["load", "load", "stress"]
    # One request in ten, in the middle, was not decided.
    assert 80 < float(rows[0]["payment_processing_success"]) < 100


def test_a_file_with_other_columns_is_left_alone(tmp_path: Path):
    trend, report = tmp_path / "trend.csv", _reported(tmp_path)
    trend.write_text("name\nbob\n")
    result = CliRunner().invoke(main, ["trend", str(trend), "--report", str(report)])
    assert (result.exit_code, "has other columns" in result.output) == (2, True)
    assert trend.read_text() == "name\nbob\n"
