"""The real Jaeger, Loki and collector with the project's own configuration, on free ports."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml

from fleet import children
from fleet.children import Supervised
from fleet.ports import free_port
from fleet.programs import COLLECTOR, ENVIRON, JAEGER, LOKI, Program, command
from fleet.run_dir import RunDirectory

_HERE = "127.0.0.1"
# Loki alone takes eleven seconds; a busy machine several times that.
_READY_LIMIT_S = 90
_STOP_S = 8


class Stores:
    """The three programs. What the collector gets goes to Jaeger and Loki, and to `also`, an
    OTLP/HTTP address, so that two sources can be compared on the same telemetry."""

    def __init__(self, home: Path, *, also: str) -> None:
        self._home = RunDirectory(home)
        self._home.prepare()
        self._also = also
        self._ports = {name: free_port() for name in _PORTS}
        self._running: dict[str, Supervised] = {}

    @property
    def otlp(self) -> str:
        """Where services send."""
        return self._url("otlp")

    @property
    def jaeger(self) -> str:
        return self._url("jaeger")

    @property
    def loki(self) -> str:
        return self._url("loki")

    def start(self) -> None:
        """Start all three and wait until they work."""
        self._begin(JAEGER, self._jaeger_arguments(), self._jaeger_environ())
        self._begin(LOKI, self._loki_arguments(), {"LOKI_FOLDER": str(self._home.path / "loki")})
        self._begin(COLLECTOR, self._collector_arguments(), self._collector_environ())
        self._wait(f"{self.jaeger}/api/v3/services", JAEGER)
        self._wait(f"{self.loki}/ready", LOKI)
        self._wait(f"{self._url('collector_health')}/", COLLECTOR)

    def stop(self) -> None:
        children.stop(list(self._running.values()), _STOP_S)

    def pause(self, program: Program) -> None:
        """Freeze it: it holds its sockets and answers nothing."""
        self._send(program, signal.SIGSTOP)

    def resume(self, program: Program) -> None:
        self._send(program, signal.SIGCONT)

    def _send(self, program: Program, number: signal.Signals) -> None:
        child = self._running[program.key].child
        assert child is not None
        os.kill(child.pid, number)

    def _begin(self, program: Program, more: list[str], environ: Mapping[str, str]) -> None:
        path = program.find()
        assert path is not None
        arguments = [*command(program, path, self._home.path), *more]
        whole = dict(os.environ) | ENVIRON[program.key] | dict(environ)
        running = Supervised(program.key, arguments, self._home.log(program.key), whole)
        running.start()
        self._running[program.key] = running

    def _wait(self, url: str, program: Program) -> None:
        running, end = self._running[program.key], time.monotonic() + _READY_LIMIT_S
        while not _answers(url):
            died = running.ended() is not None
            assert not died, f"{program.key} died:\n{running.log_tail()}"
            assert time.monotonic() < end, f"{program.key} is not ready:\n{running.log_tail()}"
            time.sleep(0.1)

    def _jaeger_arguments(self) -> list[str]:
        query = "--set=extensions.jaeger_query"
        return [f"{query}.http.endpoint={self._at('jaeger')}",
                f"{query}.grpc.endpoint={self._at('jaeger_grpc')}"]  # fmt: skip

    def _jaeger_environ(self) -> dict[str, str]:
        return {
            "JAEGER_OTLP_PORT": str(self._ports["jaeger_otlp"]),
            "JAEGER_HEALTH_PORT": str(self._ports["jaeger_health"]),
            "JAEGER_METRICS_PORT": str(self._ports["jaeger_metrics"]),
        }

    def _loki_arguments(self) -> list[str]:
        return [f"-server.http-listen-port={self._ports['loki']}",
                f"-server.grpc-listen-port={self._ports['loki_grpc']}"]  # fmt: skip

    def _collector_arguments(self) -> list[str]:
        """The project's file, and over it this test's addresses and one more receiver of it all."""
        batch = {"sending_queue": {"batch": {"flush_timeout": "200ms"}}}
        changed = {
            "extensions": {"health_check": {"endpoint": self._at("collector_health")}},
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": self._at("otlp_grpc")},
                        "http": {"endpoint": self._at("otlp")},
                    }
                }
            },
            "exporters": {
                "otlp_http/also": {"endpoint": self._also, **batch},
                "prometheus": {"endpoint": self._at("collector_host")},
            },
            "service": {
                "telemetry": {"metrics": {"level": "none", "readers": []}},
                "pipelines": {
                    "traces": {"exporters": ["otlp_grpc", "otlp_http/also"]},
                    "logs": {"exporters": ["otlp_http", "otlp_http/also"]},
                },
            },
        }
        file = self._home.path / "collector.yaml"
        file.write_text(yaml.safe_dump(changed))
        return ["--config", str(file)]

    def _collector_environ(self) -> dict[str, str]:
        return {"JAEGER_OTLP": self._at("jaeger_otlp"), "LOKI_OTLP": f"{self.loki}/otlp"}

    def _at(self, name: str) -> str:
        return f"{_HERE}:{self._ports[name]}"

    def _url(self, name: str) -> str:
        return f"http://{self._at(name)}"


_PORTS = (
    "jaeger", "jaeger_grpc", "jaeger_otlp", "jaeger_health", "jaeger_metrics", "loki", "loki_grpc",
    "otlp", "otlp_grpc", "collector_health", "collector_host",
)  # fmt: skip


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
