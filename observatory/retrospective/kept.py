"""The last reports: YAML files in a folder, or without one in memory."""

import re
from pathlib import Path

import msgspec
import yaml

from observatory.retrospective.model import RetrospectiveReport

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z0-9]{1,20}")


def to_yaml(report: RetrospectiveReport) -> str:
    """The report as YAML; the fields in their own order."""
    return str(
        yaml.safe_dump(msgspec.to_builtins(report), sort_keys=False, allow_unicode=True, width=100)
    )


def from_yaml(text: str) -> RetrospectiveReport | None:
    """The report that a file holds; None for what is none, or is another version's."""
    try:
        return msgspec.convert(yaml.safe_load(text), RetrospectiveReport)
    except (yaml.YAMLError, msgspec.ValidationError):
        return None


class KeptReports:
    """At most `most` reports; the oldest makes room."""

    def __init__(self, folder: Path | None, most: int) -> None:
        self._folder, self._most = folder, most
        # Files do not change once they are there: each is read once.
        self._read: dict[str, RetrospectiveReport] = {}

    def keep(self, report: RetrospectiveReport) -> None:
        """Write it, whole or not at all. Raises `OSError`."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{report.name}.yaml"
            part = path.with_suffix(".part")
            part.write_text(to_yaml(report), encoding="utf-8")
            part.replace(path)
        self._read[report.name] = report
        for name in self.names()[self._most :]:
            self._read.pop(name, None)
            if self._folder is not None:
                (self._folder / f"{name}.yaml").unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The newest first."""
        if self._folder is None:
            return sorted(self._read, reverse=True)
        found = (path.stem for path in self._folder.glob("*.yaml"))
        return sorted((name for name in found if _NAME.fullmatch(name)), reverse=True)

    def report(self, name: str) -> RetrospectiveReport | None:
        """The report of that name; None where there is none that can be read."""
        if name not in self._read and self._folder is not None and _NAME.fullmatch(name):
            try:
                text = (self._folder / f"{name}.yaml").read_text(encoding="utf-8")
            except OSError:
                return None
            if (found := from_yaml(text)) is not None:
                self._read[name] = found
        return self._read.get(name)

    def all(self) -> tuple[RetrospectiveReport, ...]:
        """The newest first; a file that is none is left out."""
        found = (self.report(name) for name in self.names())
        return tuple(each for each in found if each is not None)
