"""Metrics over OTLP: what the SDK sends, in both encodings, is kept alike, and within a bound."""

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from observatory.metrics.received import LENGTH, MetricPoint, ReceivedMetrics
from observatory.otlp.request import JSON, PROTOBUF, read
from tests.observatory.samples import MS, NOW_NS


def exported() -> ExportMetricsServiceRequest:
    """One metric of each shape; the second counter says what was added."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="service.name").value.string_value = "billing"
    metrics = group.scope_metrics.add().metrics
    point = metrics.add(name="depth", unit="1").gauge.data_points.add(as_double=2.5)
    point.attributes.add(key="queue").value.string_value = "mail"
    rising = metrics.add(name="sent").sum
    rising.is_monotonic, rising.aggregation_temporality = True, 2
    rising.data_points.add(as_int=40)
    added = metrics.add(name="added").sum
    added.is_monotonic, added.aggregation_temporality = True, 1
    for number in (1, 2):
        added.data_points.add(as_int=5).time_unix_nano = NOW_NS + number * MS
    metrics.add(name="open").sum.data_points.add(as_int=-1)
    metrics.add(name="took", unit="s").histogram.data_points.add(count=4, sum=1.5)
    metrics.add(name="wide").exponential_histogram.data_points.add(count=3, sum=9.0)
    metrics.add(name="old").summary.data_points.add(count=2, sum=8.0)
    for metric in metrics:
        for points in [getattr(metric, metric.WhichOneof("data")).data_points]:
            for each in points:
                each.time_unix_nano = each.time_unix_nano or NOW_NS
    return request


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_every_shape_is_read_in_both_encodings(media_type: str):
    request = exported()
    body = (
        json_format.MessageToJson(request).encode()
        if media_type == JSON
        else request.SerializeToString()
    )
    batch = read("metrics", body, media_type, now_ns=NOW_NS)
    assert batch.rejected == 0
    kept = ReceivedMetrics()
    kept.add(batch.points)
    found = {each.name: (each.kind, each.points[-1][1:]) for each in kept.find(service="billing")}
    assert found == {
        "depth": ("gauge", (2.5, 0.0)),
        "sent": ("counter", (40.0, 0.0)),
        "added": ("counter", (10.0, 0.0)),
        "open": ("gauge", (-1.0, 0.0)),
        "took": ("histogram", (4.0, 1.5)),
        "wide": ("histogram", (3.0, 9.0)),
        "old": ("histogram", (2.0, 8.0)),
    }
    assert kept.find(name="DEP")[0].labels == (("queue", "mail"),)


def point(name: str, at: int) -> MetricPoint:
    return MetricPoint("billing", name, "", "gauge", (), NOW_NS + at, float(at))


def test_what_was_silent_longest_makes_room_and_a_series_keeps_its_newest():
    kept = ReceivedMetrics(most=2)
    kept.add([point("a", 1), point("b", 1), point("a", 2), point("c", 3)])
    assert [each.name for each in kept.find()] == ["a", "c"]
    assert kept.evicted == 1
    kept.add(point("a", at) for at in range(3, 3 * LENGTH))
    assert len(kept.find(name="a")[0].points) == LENGTH


def test_a_point_that_is_sent_again_is_kept_once():
    kept = ReceivedMetrics()
    kept.add([point("a", 1), point("a", 1), point("a", 2)])
    assert [value for _, value, _ in kept.find()[0].points] == [1.0, 2.0]
