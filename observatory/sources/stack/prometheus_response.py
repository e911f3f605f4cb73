"""Reads Prometheus' responses: the raw samples of each instance, and exemplars; pure."""

import math
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from observatory.metrics.history import Exemplar
from observatory.metrics.prometheus_text import Series
from observatory.sources.poller import SourceError
from observatory.sources.stack.http import UNREADABLE
from topology import NAMES

# The scrape's own labels are left out of a series: an instance is one process.
_SCRAPE_LABELS = frozenset({"__name__", "job", "instance"})
_KEYS = {name: key for key, name in NAMES.items()}
Instance = tuple[str, str]


class Reading(Struct, frozen=True):
    """All series of one scrape of one instance; `at` is seconds since the epoch."""

    at: float
    instance: Instance
    values: dict[Series, float]


class _Row(Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Data(Struct):
    result: list[_Row]


class _Response(Struct):
    data: _Data


class _ExemplarSample(Struct):
    labels: dict[str, str]
    value: str
    timestamp: float


class _SeriesExemplars(Struct, rename="camel"):
    series_labels: dict[str, str]
    exemplars: list[_ExemplarSample]


class _Exemplars(Struct):
    data: list[_SeriesExemplars] | None = None


_decode_rows = msgspec.json.Decoder(_Response).decode
_decode_exemplars = msgspec.json.Decoder(_Exemplars).decode


def readings(body: bytes) -> dict[str, list[Reading]]:
    """By service key, every reading in the order of time; raises `SourceError`.

    All series of a scrape have one time, which puts them together again. The service is taken from
    the series that have a `service` label: stock, for one, has none."""
    try:
        rows = _decode_rows(body).data.result
    except UNREADABLE:
        raise SourceError("Prometheus sent a response that cannot be read") from None
    scrapes: dict[Instance, dict[float, dict[Series, float]]] = {}
    services: dict[Instance, str] = {}
    for row in rows:
        instance = (row.metric.get("job", ""), row.metric.get("instance", ""))
        series = _series(row.metric)
        if service := _KEYS.get(row.metric.get("service", "")):
            services[instance] = service
        for at, value in _numbers(row):
            scrapes.setdefault(instance, {}).setdefault(at, {})[series] = value
    found: dict[str, list[Reading]] = {}
    for instance, by_time in scrapes.items():
        if instance in services:
            found.setdefault(services[instance], []).extend(
                Reading(at, instance, values) for at, values in by_time.items()
            )
    for each in found.values():
        each.sort(key=lambda reading: reading.at)
    return found


def exemplars(body: bytes, seen: float) -> Iterator[tuple[str, Instance, Series, Exemplar]]:
    """Service key, instance, bucket and exemplar, read at `seen`; raises `SourceError`."""
    try:
        rows = _decode_exemplars(body).data or []
    except UNREADABLE:
        raise SourceError("Prometheus sent a response that cannot be read") from None
    for row in rows:
        labels = row.series_labels
        service = _KEYS.get(labels.get("service", ""))
        if service is None:
            continue
        instance = (labels.get("job", ""), labels.get("instance", ""))
        series = _series(labels)
        for each in row.exemplars:
            seconds, trace_id = _number(each.value), each.labels.get("trace_id", "")
            if seconds is not None and trace_id:
                yield service, instance, series, Exemplar(each.timestamp, seconds, trace_id, seen)


def _series(metric: Mapping[str, str]) -> Series:
    labels = sorted((key, value) for key, value in metric.items() if key not in _SCRAPE_LABELS)
    return Series(metric.get("__name__", ""), tuple(labels))


def _numbers(row: _Row) -> Iterator[tuple[float, float]]:
    for at, text in row.values:
        if (value := _number(text)) is not None:
            yield at, value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
