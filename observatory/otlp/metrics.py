"""Reads a metric of OTLP, in protobuf or in JSON, as the points that are kept of it."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from observatory import limits
from observatory.metrics.received import Kind, MetricPoint
from observatory.otlp.normalize import Malformed, Normalizer, Resource
from observatory.otlp.protobuf import attribute_pairs

_DELTA = 1
_KINDS: dict[str, Kind] = {
    "gauge": "gauge",
    "sum": "counter",
    "histogram": "histogram",
    "exponential_histogram": "histogram",
    "summary": "histogram",
}


def protobuf_metric(
    raw: bytes, resource: Resource, normalizer: Normalizer
) -> tuple[MetricPoint, ...]:
    """The points of a metric in protobuf; raises `Malformed`."""
    try:
        return tuple(_points(Metric.FromString(raw), resource, normalizer))
    except DecodeError:
        raise Malformed("a metric cannot be read") from None


def json_metric(raw: bytes, resource: Resource, normalizer: Normalizer) -> tuple[MetricPoint, ...]:
    """The points of a metric in JSON; raises `Malformed`. Metrics are few: the library reads them,
    and its bytes of ids, which it takes for base64, are of exemplars, which are not kept."""
    try:
        metric = json_format.Parse(raw, Metric(), ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        raise Malformed("a metric cannot be read") from None
    return tuple(_points(metric, resource, normalizer))


def _points(metric: Any, resource: Resource, normalizer: Normalizer) -> Iterator[MetricPoint]:
    shape = metric.WhichOneof("data")
    if shape is None or not metric.name:
        raise Malformed("a metric needs a name and data")
    data = getattr(metric, shape)
    clip = normalizer.clipper
    kind = _KINDS[shape]
    if shape == "sum" and not data.is_monotonic:
        # What goes up and down is shown as it stands.
        kind = "gauge"
    clip.count(len(data.data_points), limits.METRIC_POINTS)
    name, unit = clip.line(metric.name), clip.line(metric.unit, limits.KEY_CHARS)
    for point in data.data_points[: limits.METRIC_POINTS]:
        value, total = _value(point)
        if not isfinite(value) or not isfinite(total):
            continue
        yield MetricPoint(
            service=resource.service,
            name=name,
            unit=unit,
            kind=kind,
            labels=tuple(sorted(attribute_pairs(point.attributes, normalizer))),
            at_ns=normalizer.arrival(point.time_unix_nano),
            value=value,
            total=total,
            is_delta=getattr(data, "aggregation_temporality", 0) == _DELTA,
        )


def _value(point: Any) -> tuple[float, float]:
    """A number, or how many were observed and their sum."""
    if hasattr(point, "count"):
        return float(point.count), float(point.sum)
    kind = point.WhichOneof("value")
    return (float(getattr(point, kind)) if kind else 0.0), 0.0
