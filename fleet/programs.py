"""The real programs beside the shop: which there are, how each is started, and where."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fleet import rabbitmq
from fleet.run_dir import ROOT, RunDirectory

_HERE = "127.0.0.1"
# Where a package puts Grafana's own pages; its program cannot find them by itself.
_GRAFANA_PAGES = ("/usr/share/grafana", "/opt/homebrew/share/grafana", "/usr/local/share/grafana")


class Program(Struct, frozen=True):
    """One program. `commands` are the names it goes by on PATH; `ports` are all it listens on, the
    visitor's first; `ready` is the address that answers 200 once it works; `without` says what
    becomes of its work where it is not installed."""

    key: str
    commands: tuple[str, ...]
    ports: tuple[int, ...]
    ready: str
    shows: str = ""
    without: str = ""

    @property
    def url(self) -> str:
        return f"http://{_HERE}:{self.ports[0]}"

    def find(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The full path of the first of its commands that is installed."""
        paths = (shutil.which(each, path=environ.get("PATH")) for each in self.commands)
        return next((path for path in paths if path), None)


COLLECTOR = Program(
    "otel-collector", ("otelcol-contrib", "otelcol"), (4318, 4317, 8888, 8889, 13133), ":13133/"
)
JAEGER = Program(
    "jaeger", ("jaeger",), (16686, 16685, 14317, 13134, 8890), ":13134/status", "traces"
)
LOKI = Program("loki", ("loki",), (3100, 9096), ":3100/ready")
PROMETHEUS = Program("prometheus", ("prometheus",), (9090,), ":9090/-/ready", "queries, alerts")
GRAFANA = Program("grafana", ("grafana",), (3030,), ":3030/api/health", "dashboards")
# Not Erlang's own port: a name server that it starts by itself outlives everybody.
RABBIT_PORTS = rabbitmq.Ports(amqp=5672, nodes=25672, names=14369, page=15672, metrics=15692)
EPMD = Program("epmd", ("epmd",), (RABBIT_PORTS.names,), "")
RABBITMQ = Program(
    "rabbitmq",
    ("rabbitmq-server",),
    (RABBIT_PORTS.page, RABBIT_PORTS.amqp, RABBIT_PORTS.metrics, RABBIT_PORTS.nodes),
    f":{RABBIT_PORTS.metrics}/metrics",
    "queues; user guest, password guest",
    ": events travel through PostgreSQL",
)
# In the order they are started: receivers before senders.
PROGRAMS = (EPMD, RABBITMQ, JAEGER, LOKI, COLLECTOR, PROMETHEUS, GRAFANA)

# What each one's configuration file reads from the environment.
ENVIRON: dict[str, dict[str, str]] = {
    "epmd": {},
    "rabbitmq": {},
    "otel-collector": {
        "OTEL_LISTEN_HOST": _HERE,
        "JAEGER_OTLP": f"{_HERE}:14317",
        "LOKI_OTLP": f"http://{_HERE}:3100/otlp",
    },
    "jaeger": {
        "JAEGER_LISTEN_HOST": _HERE,
        "JAEGER_OTLP_PORT": "14317",
        "JAEGER_HEALTH_PORT": "13134",
        "JAEGER_METRICS_PORT": "8890",
    },
    "loki": {"LOKI_LISTEN_HOST": _HERE},
    "prometheus": {},
    "grafana": {
        "GF_SERVER_HTTP_ADDR": _HERE,
        "GF_SERVER_HTTP_PORT": "3030",
        "PROMETHEUS_URL": PROMETHEUS.url,
        "JAEGER_URL": JAEGER.url,
        "LOKI_URL": LOKI.url,
        "GRAFANA_DASHBOARDS": str(ROOT / "grafana/dashboards"),
        "GF_PATHS_PROVISIONING": str(ROOT / "grafana/provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_USERS_VIEWERS_CAN_EDIT": "true",
        "GF_USERS_DEFAULT_THEME": "dark",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
            ROOT / "grafana/dashboards/live_demo.json"
        ),
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    },
}


def command(program: Program, path: str, folder: Path) -> list[str]:
    """The command line of `program` at `path`; what it keeps goes into `folder`."""
    if program is RABBITMQ:
        return [rabbitmq.server(path)]
    rest = {
        "epmd": [],
        "otel-collector": ["--config", str(ROOT / "otel/collector.yaml")],
        "jaeger": ["--config", str(ROOT / "infra/jaeger/jaeger.yaml")],
        "loki": [f"-config.file={ROOT / 'infra/loki/loki.yaml'}", "-config.expand-env=true"],
        "prometheus": [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=31d",
            "--storage.tsdb.retention.size=2GB",
            "--enable-feature=exemplar-storage",
            f"--web.listen-address={_HERE}:9090",
        ],
        "grafana": ["server", f"--homepath={_grafana_pages()}"],
    }
    return [path, *rest[program.key]]


def _grafana_pages() -> str:
    return next((path for path in _GRAFANA_PAGES if Path(path).is_dir()), _GRAFANA_PAGES[0])


def folder_of(program: Program, home: RunDirectory) -> Path:
    """Where the program keeps what it has."""
    return home.path / "stack" / program.key
