"""A real Prometheus with the project's own configuration, scraping the shop of a test."""

import json
import math
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from fleet.ports import free_port
from fleet.run_dir import ROOT
from topology import find

_READY_LIMIT_S = 30
_STEP_S = 2

Series = dict[str, Any]


class PrometheusServer:
    """The process, and queries to it. `urls` are the addresses of the shop's processes, by key."""

    def __init__(self, home: Path, urls: Mapping[str, str]) -> None:
        self._home = home
        self._port = free_port()
        self._urls = urls
        self._log = home / "prometheus.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """With the committed files; only the targets are those of the test."""
        shutil.copy(ROOT / "prometheus" / "prometheus.yml", self._home)
        shutil.copytree(ROOT / "prometheus" / "rules", self._home / "rules")
        self._write_targets()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._home / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--enable-feature=exemplar-storage",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        self._client.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _write_targets(self) -> None:
        def address(url: str) -> list[str]:
            return [url.removeprefix("http://")]

        shop = [
            {"targets": address(url), "labels": {"service": find(key).name}}
            for key, url in self._urls.items()
        ]
        itself = {"targets": [f"127.0.0.1:{self._port}"], "labels": {"job": "prometheus"}}
        targets = self._home / "targets"
        targets.mkdir()
        (targets / "shop.json").write_text(json.dumps(shop))
        (targets / "stack.json").write_text(json.dumps([itself]))

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _READY_LIMIT_S
        while True:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text(errors="replace")
            try:
                if self._client.get("/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, self._log.read_text(errors="replace")
            time.sleep(0.1)

    # ---- queries-- -----------------------------------------------------------------------------

    def _query(self, path: str, **parameters: object) -> Any:
        response = self._client.get(
            f"/api/v1/{path}", params={k: str(v) for k, v in parameters.items()}
        )
        reply = response.json()
        assert reply["status"] == "success", f"{parameters}: {reply}"
        return reply["data"]

    def instant(self, expr: str, at: float | None = None) -> list[Series]:
        """The series now, or at a moment, each with `metric` and `value`."""
        when = {} if at is None else {"time": at}
        found: list[Series] = self._query("query", query=expr, **when)["result"]
        return found

    def over(self, expr: str, since: float, until: float) -> list[Series]:
        """The series over a stretch of time, each with `metric` and `values`."""
        range_ = {"query": expr, "start": since, "end": until, "step": _STEP_S}
        found: list[Series] = self._query("query_range", **range_)["result"]
        return found

    def exemplars(self, expr: str, since: float, until: float) -> list[Series]:
        """The exemplars of the series the expression reads."""
        found: list[Series] = self._query("query_exemplars", query=expr, start=since, end=until)
        return [exemplar for series in found for exemplar in series["exemplars"]]

    def names(self) -> set[str]:
        """Every metric it has ever seen."""
        return set(self._query("label/__name__/values"))

    def values(self, label: str, match: str) -> list[str]:
        """What a label has held."""
        found: list[str] = self._query(f"label/{label}/values", **{"match[]": match})
        return found

    def firing(self) -> list[Mapping[str, str]]:
        """The labels of the alerts that call now."""
        alerts = self._query("alerts")["alerts"]
        return [alert["labels"] for alert in alerts if alert["state"] == "firing"]

    def unhealthy_rules(self) -> list[str]:
        """Rules whose last evaluation failed."""
        groups = self._query("rules")["groups"]
        return [
            f"{rule['name']}: {rule.get('lastError')}"
            for group in groups
            for rule in group["rules"]
            if rule["health"] == "err"
        ]


def numbers(found: list[Series]) -> list[float]:
    """Every number in an answer; NaN is none."""
    samples = [
        sample
        for series in found
        for sample in series.get("values", [series.get("value")])
        if sample
    ]
    return [value for _, text in samples if math.isfinite(value := float(text))]
