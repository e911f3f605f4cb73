"""A Prometheus of a few lines: counters that a test moves, answered as the real one does."""

import math
import time
from typing import Any
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from chassis.http.metrics import BUCKETS

METHOD = {"method": "POST", "path": "/orders"}


class FakePrometheus:
    """`scrape` takes a sample of what `count` has counted, at the time the test sends."""

    def __init__(self, *services: str) -> None:
        self.instances: dict[str, str] = {f"{name}:1": name for name in services}
        self.values: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}
        self.samples: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Any]] = {}
        self.exemplars: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.status = 200
        for instance in self.instances:
            self.add("http_requests_in_flight", instance, 0)

    def add(self, name: str, instance: str, value: float, **labels: str) -> None:
        key = (name, instance, tuple(sorted(labels.items())))
        self.values[key] = self.values.get(key, 0.0) + value

    def count(self, instance: str, seconds: float, *, status: str = "201") -> None:
        """One request."""
        self.add("http_requests_total", instance, 1, status_code=status, **METHOD)
        self.add("http_request_duration_seconds_sum", instance, seconds, **METHOD)
        self.add("http_request_duration_seconds_count", instance, 1, **METHOD)
        for bound in (*BUCKETS, math.inf):
            le = "+Inf" if bound == math.inf else str(bound)
            grown = 1 if seconds <= bound else 0
            self.add("http_request_duration_seconds_bucket", instance, grown, le=le, **METHOD)

    def scrape(self, instance: str, at: float) -> None:
        for key, value in self.values.items():
            if key[1] == instance:
                self.samples.setdefault(key, []).append([at, str(value)])

    def restart(self, instance: str) -> None:
        """A new process on the same address has counted nothing."""
        for key in [key for key in self.values if key[1] == instance]:
            del self.values[key]
        self.add("http_requests_in_flight", instance, 0)

    def remember(self, at: float, seconds: float, trace_id: str, service: str) -> None:
        labels = {"__name__": "http_request_duration_seconds_bucket", "le": "1.0", **METHOD}
        shown = {"labels": {"trace_id": trace_id}, "value": str(seconds), "timestamp": at}
        series = {**labels, "service": service, "job": "shop", "instance": f"{service}:1"}
        self.exemplars.append({"seriesLabels": series, "exemplars": [shown]})

    async def answer(self, request: web.Request) -> web.Response:
        asked = parse_qs(request.query_string)
        self.asked.append(asked["query"][0])
        if request.path.endswith("query_exemplars"):
            body: dict[str, Any] = {"status": "success", "data": self.exemplars}
        else:
            reach_s = float(asked["query"][0].rpartition("[")[2].removesuffix("s]"))
            body = {"status": "success", "data": {"resultType": "matrix", "result": []}}
            for (name, instance, labels), samples in self.samples.items():
                inside = [each for each in samples if each[0] > time.time() - reach_s]
                metric = {"__name__": name, "job": "shop", "instance": instance, **dict(labels)}
                if not name.startswith("valerix_stock"):
                    metric["service"] = self.instances[instance]
                if inside:
                    body["data"]["result"].append({"metric": metric, "values": inside})
        return web.Response(
            body=msgspec.json.encode(body), status=self.status, content_type="application/json"
        )
