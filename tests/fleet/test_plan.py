"""Where each process sends its telemetry when the shop starts."""

from pathlib import Path

import pytest

from fleet import children, up
from fleet.run_dir import RunDirectory
from fleet.settings import load
from topology import KEYS, NAMES, find


def endpoints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """By process, the endpoint in the environment it is started with."""
    endpoint_of: dict[str, str | None] = {}

    def note(command, *, environ, **_):
        endpoint_of[command[-1]] = environ.get("VALERIX_OTLP_ENDPOINT")

    monkeypatch.setattr(children, "Child", note)
    home = RunDirectory(folder)
    home.prepare()
    for service in up.plan(home, {key: load(key, {}) for key in KEYS}, "postgresql://x"):
        service.start()
    return endpoint_of


def test_the_services_send_to_the_dashboard_and_the_dashboard_not_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dashboard = f"http://127.0.0.1:{find('dashboard').port}"
    wanted = {**dict.fromkeys(NAMES, dashboard), "dashboard": None}
    assert endpoints(tmp_path, monkeypatch) == wanted


def test_a_collector_that_is_named_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VALERIX_OTLP_ENDPOINT", "http://collector:4318")
    assert set(endpoints(tmp_path, monkeypatch).values()) == {"http://collector:4318"}


def test_an_empty_endpoint_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VALERIX_OTLP_ENDPOINT", "")
    assert set(endpoints(tmp_path, monkeypatch).values()) == {""}
