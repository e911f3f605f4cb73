"""Load runs as they are kept: how the one that is on is doing, what those before came to."""

import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
# The generator writes the first, once a second; the judgement is the second, the page the third.
PROGRESS, DOCUMENT, PAGE = "progress.json", "report.json", "report.html"
# A report's answer, as people read it.
VERDICTS = {"kept": "held", "broken": "did not hold", "unknown": "no verdict"}
# Of more runs than this only the newest are listed.
MOST_LISTED = 50
# A run whose progress is older than this, and that left no report, was killed.
_SILENT_S = 15.0


class LoadProgress(Struct, frozen=True):
    """How a run is doing: the newest seconds as `per_s`, everything else since it began. Moments
    are epoch seconds; a time or share is None before there is an answer."""

    profile: str
    unit: str
    scale: float
    rate: float
    began_s: float
    now_s: float
    duration_s: float
    shoppers: int
    answers: int
    per_s: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    failed_percent: float | None
    is_over: bool = False


class LoadFigures(Struct, frozen=True):
    """Times of what changes something, in ms; None without an answer."""

    count: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class _Latency(Struct, frozen=True):
    all: LoadFigures = LoadFigures()


class Threshold(Struct, frozen=True):
    """One limit, with what was measured."""

    name: str
    actual: float | None
    unit: str
    limit: float
    kept: bool


class LoadReport(Struct, frozen=True):
    """What a run came to, of its report.json; `name` is that of its folder."""

    profile: str
    scale: float
    rate: float
    began: datetime
    seconds: float
    answer: str
    headline: str
    complete: bool
    orders_per_s: float
    degraded_percent: float | None
    latency: _Latency
    thresholds: tuple[Threshold, ...] = ()
    name: str = ""

    @property
    def kind(self) -> tuple[str, float, float]:
        """Runs of one kind can be compared."""
        return self.profile, self.scale, self.rate


class LoadWindow(Struct, frozen=True):
    """When a run was on, in epoch seconds; `until` is None while it is."""

    profile: str
    since: float
    until: float | None


class LoadRuns:
    """The runs in a folder, one folder a run; None is nowhere, and has none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def reports(self) -> tuple[LoadReport, ...]:
        """Those that were judged, newest first."""
        found = (_report(each) for each in self._newest())
        return tuple(each for each in found if each is not None)[:MOST_LISTED]

    def page(self, name: str) -> Path | None:
        """The page of a run that is listed."""
        known = any(each.name == name for each in self.reports())
        page = self._folder / name / PAGE if self._folder and known else None
        return page if page is not None and page.is_file() else None

    def current(self) -> LoadProgress | None:
        """How the run is doing that has left no report yet; None while there is none."""
        for each in self._newest():
            found = progress_of(each)
            if found and not (each / DOCUMENT).exists():
                return None if _is_lost(found) else found
        return None

    def windows(self, since_s: float) -> tuple[LoadWindow, ...]:
        """Those that were on after `since_s`, oldest first."""
        found = filter(None, map(_window, self._newest()))
        return tuple(sorted(
            (each for each in found if each.until is None or each.until > since_s),
            key=lambda each: each.since,
        ))  # fmt: skip

    def _newest(self) -> list[Path]:
        """By name, which begins with the time."""
        if self._folder is None or not self._folder.is_dir():
            return []
        folders = (each for each in self._folder.iterdir() if each.is_dir())
        return sorted(folders, key=lambda each: each.name, reverse=True)[: 2 * MOST_LISTED]


def progress_of(folder: Path) -> LoadProgress | None:
    """How the run in this folder is doing, or did last."""
    return _read(folder / PROGRESS, LoadProgress)


def last_like(report: LoadReport, among: tuple[LoadReport, ...]) -> LoadReport | None:
    """The newest complete run of the same kind that began before this one."""
    alike = (each for each in among if each.kind == report.kind and each.complete)
    return next((each for each in alike if each.began < report.began), None)


def _window(folder: Path) -> LoadWindow | None:
    if (report := _report(folder)) is not None:
        since = report.began.timestamp()
        return LoadWindow(report.profile, since, since + report.seconds)
    if (found := progress_of(folder)) is None:
        return None
    is_on = not found.is_over and not _is_lost(found)
    return LoadWindow(found.profile, found.began_s, None if is_on else found.now_s)


def _is_lost(found: LoadProgress) -> bool:
    return not found.is_over and time.time() - found.now_s > _SILENT_S


def _report(folder: Path) -> LoadReport | None:
    path = folder / DOCUMENT
    try:
        return _known_report(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=2 * MOST_LISTED)
def _known_report(path: Path, _: int) -> LoadReport | None:
    found = _read(path, LoadReport)
    return found and msgspec.structs.replace(found, name=path.parent.name)


def _read(path: Path, shape: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except (OSError, msgspec.MsgspecError):
        return None
