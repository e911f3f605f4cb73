"""What a run leaves for people and for machines: one page, one JSON document, one JUnit file."""

from pathlib import Path

from loadtests.folders import JUNIT
from loadtests.judge import Judgement
from loadtests.report.document import document
from loadtests.report.junit import junit
from loadtests.report.page import page
from observatory.load_runs import DOCUMENT, PAGE


def write(folder: Path, judgement: Judgement) -> Path:
    """Write all three; the page's path."""
    (folder / DOCUMENT).write_text(document(judgement), encoding="utf-8")
    (folder / JUNIT).write_text(junit(judgement), encoding="utf-8")
    written = folder / PAGE
    written.write_text(page(judgement), encoding="utf-8")
    return written
