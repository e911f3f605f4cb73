"""Reads the few metric families the dashboard needs out of a Prometheus or OpenMetrics page."""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?\s*')
_TRACE = re.compile(r'trace_id="([0-9a-f]{32})"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class Series(Struct, frozen=True):
    """One time series: its metric name and its labels."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def label(self, key: str) -> str:
        """The label's value, or an empty string, as in PromQL."""
        return next((value for name, value in self.labels if name == key), "")


def parse(page: str, names: frozenset[str]) -> dict[Series, float]:
    """The samples of the metrics called `names`; a line that does not parse is left out.

    prometheus_client's own OpenMetrics parser validates everything and blocks the event loop for
    19 ms on a page of 400 lines; this takes 0.5 ms (docs/decisions/0014-exposition-parser.md)."""
    return dict(_samples(page, names))


def parse_exemplars(page: str, name: str) -> dict[Series, tuple[str, float, float | None]]:
    """(trace id, value, seconds since the epoch) behind the samples of `name`, OpenMetrics only."""
    found = {}
    for line in page.split("\n"):
        if not line.startswith(name + "{"):
            continue
        sample, mark, exemplar = line.rpartition(" # {")
        end = exemplar.find("} ")
        trace = _TRACE.search(exemplar[:end]) if mark and end >= 0 else None
        if trace is None:
            continue
        try:
            value, *at = (float(number) for number in exemplar[end + 2 :].split())
            text = sample[len(name) + 1 : _closing_brace(sample, len(name)) - 1]
            found[_series(name, text)] = (trace[1], value, at[0] if at else None)
        except ValueError:
            continue
    return found


def _samples(page: str, names: frozenset[str]) -> Iterator[tuple[Series, float]]:
    for line in page.split("\n"):
        cut = line.find("{")
        name = line[:cut] if cut > 0 else line.partition(" ")[0]
        if name not in names:
            continue
        end = _closing_brace(line, cut) if cut > 0 else len(name)
        try:
            # Behind the value may follow a timestamp and, after "#", an exemplar.
            value = float(line[end:].split(None, 1)[0])
            yield _series(name, line[cut + 1 : end - 1] if cut > 0 else ""), value
        except (ValueError, IndexError):
            continue


def _closing_brace(line: str, start: int) -> int:
    """The index behind the brace that closes the labels; a label's value may hold braces too."""
    end = line.find("} ", start)
    if end > 0 and "\\" not in line and line.count('"', start, end) % 2 == 0:
        return end + 1
    quoted, escaped = False, False
    for index in range(start, len(line)):
        character = line[index]
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "}" and not quoted:
            return index + 1
    return len(line)


# A service has a few dozen series in these families and they never change, so each text is
# parsed once; the bound only matters if a service ever has too many label values.
@lru_cache(maxsize=4096)
def _series(name: str, text: str) -> Series:
    labels = tuple((key, _unescaped(value)) for key, value in _LABEL.findall(text))
    if text and not labels:
        raise ValueError(text)
    return Series(name, labels)


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), value)
