"""Whether a collector that is dead, slow or refusing costs orders: it may cost telemetry only."""

import contextlib
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any

import click

from bench import compare, shops
from bench.shops import Variant
from fleet.ports import free_port
from fleet.run_dir import RunDirectory

KINDS = ("dead", "slow", "refusing")
_SLOW_S = 30.0
# Both exporters are given three seconds: after this, what a slow collector got is counted.
_TIMEOUT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "3"}
_LATER_S = 5.0
# Which exporter sends, by the variable that names the collector.
_EXPORTERS = {"own": "VALERIX_OTLP_RECEIVER", "official": "VALERIX_OTLP_ENDPOINT"}


def measure(
    home: RunDirectory, databases: dict[str, str], rounds: int, orders: int
) -> dict[str, Any]:
    """Orders per second beside the same shop with telemetry off, and what was dropped."""
    found: dict[str, Any] = {}
    with _collectors() as urls:
        for kind, (exporter, variable) in product(KINDS, _EXPORTERS.items()):
            name = f"{kind}, {exporter} exporter"
            dark = Variant("dark", home, databases["dark"], {"VALERIX_TELEMETRY": "off"})
            environ = {variable: urls[kind], **_TIMEOUT}
            sending = Variant(f"{kind}-{exporter}", home, databases["observed"], environ)
            with shops.running([dark, sending]):
                pair = {"dark": dark, "sending": sending}
                found[name] = compare.rounds(pair, rounds, orders)
                time.sleep(_LATER_S)
                found[name]["dropped"] = _dropped(sending)
            click.echo(f"  {name} done")
    return found


def _dropped(shop: Variant) -> int:
    total = 0
    for key in shop.children:
        with urllib.request.urlopen(f"{shop.urls[key]}/metrics", timeout=10) as answer:  # noqa: S310
            text = answer.read().decode()
        found = re.search(r"^valerix_telemetry_dropped\{[^}]*\} (\S+)", text, re.MULTILINE)
        total += int(float(found[1])) if found else 0
    return total


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the bench's own terminal."""


class _Slow(_Refusing):
    def do_POST(self) -> None:
        time.sleep(_SLOW_S)
        with contextlib.suppress(OSError):
            super().do_POST()


@contextlib.contextmanager
def _collectors() -> Iterator[dict[str, str]]:
    """One takes half a minute to answer, one refuses, and at one address nobody listens."""
    servers = {
        "slow": ThreadingHTTPServer(("127.0.0.1", 0), _Slow),
        "refusing": ThreadingHTTPServer(("127.0.0.1", 0), _Refusing),
    }
    for server in servers.values():
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {name: f"http://127.0.0.1:{server.server_port}" for name, server in servers.items()}
    try:
        yield {"dead": f"http://127.0.0.1:{free_port()}", **urls}
    finally:
        for server in servers.values():
            server.shutdown()
