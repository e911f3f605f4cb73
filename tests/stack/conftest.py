"""The shop and a real Prometheus beside it, started once, and one run recorded by both."""

import shutil
from collections.abc import Iterator

import pytest

from fleet.postgres import PostgresServer
from tests.harness.running import Databases, RunningFleet, run_fleet
from tests.stack.prometheus_server import PrometheusServer
from tests.stack.recorded_run import RecordedRun, RunRecorder

_ENVIRON = {
    # So that some are declined in half a minute of orders, the same ones every time.
    "VALERIX_PAYMENT_DECLINE_RATE": "0.2",
    "VALERIX_PAYMENT_SEED": "7",
    "VALERIX_PROOF_INTERVAL_S": "1",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Whatever needs programs of the real stack is long."""
    for item in items:
        if "watched" in item.fixturenames:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="package")
def watched(
    postgres: PostgresServer | None,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningFleet, PrometheusServer]]:
    """The real processes, scraped by the real configuration."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH: no dashboard was asked (install it, any 2.42 to 3)")
    home = tmp_path_factory.mktemp("fleet")
    with run_fleet(databases, home, postgres=postgres, environ=_ENVIRON) as fleet:
        prometheus = PrometheusServer(tmp_path_factory.mktemp("prometheus"), fleet.urls)
        try:
            prometheus.start()
            yield fleet, prometheus
        finally:
            prometheus.stop()


@pytest.fixture(scope="package")
def story(watched: tuple[RunningFleet, PrometheusServer]) -> RecordedRun:
    """What happened."""
    return RunRecorder(*watched).record()
